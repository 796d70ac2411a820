#include "client/batch.hpp"

#include <doctest/doctest.h>

using namespace fard;

namespace {

wire::AppSpec app(std::uint64_t window_bytes) {
    wire::AppSpec spec;
    spec.window_bytes = window_bytes;
    wire::PositionSpec position;
    position.inputs = {{"x", {1, 1000}, "NC", DataType::uint(8), "UINT8"}};
    position.outputs = {{"y", {1, 10}, "NC", DataType::uint(8), "UINT8"}};
    spec.positions = {position};
    return spec;
}

}  // namespace

TEST_CASE("a batch that was asked for is lowered to what the window holds, and that is said") {
    auto spec = app(40'000);
    CHECK(set_batch(spec, 40, 100).empty());
    CHECK(spec.batch == 40);
    CHECK(set_batch(spec, 41, 100) ==
          "a turn has 40 chunks, not 41: the app's window of 40000 bytes holds no more (make it larger, or let --batch auto set it)");
    CHECK(spec.batch == 40);
    auto narrow = app(1);
    set_batch(narrow, 2, 100);
    CHECK(narrow.batch == 1);
}

TEST_CASE("auto opens the window for all chunks, as far as it may, and takes half of one that does not hold them") {
    auto spec = app(40'000);
    CHECK(set_batch(spec, std::nullopt, 100).empty());
    CHECK(spec.batch == 100);
    CHECK(spec.window_bytes == 100'000);
    auto many = app(40'000);
    set_batch(many, std::nullopt, 1'000'000);
    CHECK(many.window_bytes == widest_auto_window / 1000 * 1000);
    CHECK(many.batch == widest_auto_window / 1000 / 2);
    auto wide = app(std::uint64_t{1} << 30);
    set_batch(wide, std::nullopt, 8);
    CHECK(wide.batch == 8);
    CHECK(wide.window_bytes == std::uint64_t{1} << 30);
    auto replicas = app(40'000);
    replicas.positions[0].replicas = 3;
    set_batch(replicas, std::nullopt, 100);
    CHECK(replicas.batch == 34);
    set_batch(replicas, std::nullopt, 1'000'000);
    CHECK(replicas.batch == widest_auto_window / 1000 / 4);
    auto none = app(40'000);
    set_batch(none, std::nullopt, 0);
    CHECK(none.batch == 1);
}
