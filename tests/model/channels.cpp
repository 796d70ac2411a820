#include "tests/model/channels.hpp"

namespace fard::model::test {

Values joined(const std::vector<Values>& parts, const Shape& whole, std::size_t axis) {
    std::size_t outer = 1;
    for (std::size_t i = 0; i < axis; ++i)
        outer *= static_cast<std::size_t>(whole[i]);
    Values all;
    for (std::size_t o = 0; o < outer; ++o)
        for (const auto& part : parts) {
            const auto append = [&](auto& to, const auto& from) {
                const auto row = static_cast<std::ptrdiff_t>(from.size() / outer);
                const auto begin = from.begin() + static_cast<std::ptrdiff_t>(o) * row;
                to.insert(to.end(), begin, begin + row);
            };
            append(all.integers, part.integers), append(all.floats, part.floats);
        }
    return all;
}

}  // namespace fard::model::test
