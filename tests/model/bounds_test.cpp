// What many integers come to, beside the same one by one.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "model/bounds.hpp"

using namespace fard::model;

namespace {

std::vector<std::int32_t> drawn(std::size_t count, int narrower) {
    std::vector<std::int32_t> values;
    std::uint32_t state = 7;
    while (values.size() < count) {
        state = state * 1'664'525 + 1'013'904'223;
        values.push_back(static_cast<std::int32_t>(state) >> narrower);
    }
    return values;
}

SignedSums one_by_one(const std::vector<std::int32_t>& values, std::size_t first, std::size_t step) {
    SignedSums sums;
    for (auto i = first; i < values.size(); i += step)
        (values[i] < 0 ? sums.negative : sums.positive) += values[i];
    return sums;
}

bool same(SignedSums a, SignedSums b) {
    return a.negative == b.negative && a.positive == b.positive;
}

}  // namespace

TEST_CASE("the sums and the range of many weights, narrow and wide, are those of each") {
    for (const std::size_t count : {1, 9, 15, 16, 17, 1000, 4096, 20'000})
        for (const int narrower : {0, 14, 15, 28}) {
            auto values = drawn(count, narrower);
            if (count > 5000) values[4200] = std::numeric_limits<std::int32_t>::min();
            CHECK(same(signed_sums(values), one_by_one(values, 0, 1)));
            CHECK(range_of(values) == Range{*std::ranges::min_element(values), *std::ranges::max_element(values)});
        }
}

TEST_CASE("the sums of a matrix's columns are those of each") {
    const auto values = drawn(19 * 50, 3);
    const auto sums = column_sums(values, 19);
    REQUIRE(sums.size() == 19);
    for (std::size_t column = 0; column < 19; ++column)
        CHECK(same(sums[column], one_by_one(values, column, 19)));
}
