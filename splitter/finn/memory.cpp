#include "splitter/finn/memory.hpp"

#include <optional>

namespace fard::finn {

std::int64_t divide_up(std::int64_t a, std::int64_t b) {
    return (a + b - 1) / b;
}

std::int64_t bram18_of(std::int64_t width, std::int64_t depth, Parity parity) {
    const std::int64_t eight = parity == Parity::used ? 9 : 8;
    if (width == 1) return divide_up(depth, 16384);
    if (width == 2) return divide_up(depth, 8192);
    if (width <= 4) return divide_up(depth, 4096) * divide_up(width, 4);
    if (width <= 9) return divide_up(depth, 2048) * divide_up(width, eight);
    if (width <= 18 || depth > 512) return divide_up(depth, 1024) * divide_up(width, 2 * eight);
    return divide_up(depth, 512) * divide_up(width, 4 * eight);
}

std::int64_t bram18_width(std::int64_t depth) {
    constexpr std::array<std::array<std::int64_t, 2>, 5> ratios{
        {{512, 36}, {1024, 18}, {2048, 9}, {4096, 4}, {8192, 2}}};
    for (const auto& [words, width] : ratios)
        if (depth <= words) return width;
    return 1;
}

std::int64_t uram_of(std::int64_t width, std::int64_t depth) {
    return divide_up(width, 72) * divide_up(depth, 4096);
}

Pick least_waste(std::int64_t width, std::int64_t depth, Allowed allowed) {
    struct Shape {
        Primitive primitive;
        std::int64_t width, depth;
    };
    constexpr std::array<Shape, 8> shapes{{{Primitive::uram, 72, 4096},
                                           {Primitive::uram, 36, 8192},
                                           {Primitive::uram, 18, 16384},
                                           {Primitive::uram, 9, 32768},
                                           {Primitive::bram18, 36, 512},
                                           {Primitive::bram18, 18, 1024},
                                           {Primitive::bram18, 9, 2048},
                                           {Primitive::lutram, 1, 64}}};
    std::optional<std::int64_t> least;
    Pick pick;
    for (const auto& shape : shapes) {
        if (shape.primitive == Primitive::uram && !allowed.uram) continue;
        if (shape.primitive == Primitive::bram18 && !allowed.bram18) continue;
        if (shape.primitive == Primitive::lutram && !allowed.lutram) continue;
        const auto count = divide_up(width, shape.width) * divide_up(depth, shape.depth);
        const auto waste = count * shape.width * shape.depth - width * depth;
        if (least && waste >= *least) continue;
        least = waste;
        pick = {shape.primitive, count};
    }
    return pick;
}

}  // namespace fard::finn
