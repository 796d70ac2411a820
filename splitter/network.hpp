// A network as the search sees it: layers in the network's order, each with the ways in which it can be built, and the
// places where it can be cut. What it was made of (a layer view, a test, a generator) is not its matter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "overlays/package/resource_names.hpp"

namespace fard::splitter {

// What a fabric has and a layer takes, in the order of `resource_names`.
struct Resources {
    static constexpr std::size_t kinds = resource_names.size();
    std::array<std::int64_t, kinds> of{};

    Resources& operator+=(const Resources& other) {
        for (std::size_t i = 0; i < kinds; ++i)
            of[i] += other.of[i];
        return *this;
    }
    Resources& operator-=(const Resources& other) {
        for (std::size_t i = 0; i < kinds; ++i)
            of[i] -= other.of[i];
        return *this;
    }
    bool fits(const Resources& budget) const {  // without branches: in a search the answer is as good as drawn
        std::int64_t left = 0;
        for (std::size_t i = 0; i < kinds; ++i)
            left |= budget.of[i] - of[i];
        return left >= 0;
    }
    friend Resources operator+(Resources a, const Resources& b) { return a += b; }
    friend Resources operator-(Resources a, const Resources& b) { return a -= b; }
    friend bool operator==(const Resources&, const Resources&) = default;
};
using fard::resource_names;

// One way of building a layer in a fabric.
struct Folding {
    Resources need;
    std::int64_t cycles = 0;  // between the results of two images: its initiation interval
    std::int64_t fill = 0;    // cycles that it takes before those behind it may begin, beside `lead`: where it needs all of its input
};

struct Layer {
    std::string name;
    std::vector<Folding> foldings;  // none: only a processor computes it
    std::int64_t macs = 0;          // products of one image: what a processor takes time for
    std::int64_t parameters = 0;
    // The share of its input that its first output needs: so much of an image's time the layers behind it begin later.
    double lead = 0;
    // The layer as parallel parts, each of which makes an even share of its channels: parts[n - 2] are the ways of building one
    // of n. Empty: it is not offered in so many.
    std::vector<std::vector<Folding>> parts;

    const std::vector<Folding>& foldings_of(std::size_t count) const {  // 1: of the whole
        static const std::vector<Folding> none;
        if (count == 1) return foldings;
        return count - 2 < parts.size() ? parts[count - 2] : none;
    }
};
inline constexpr std::size_t most_parts = 8;

// A place between two layers. Layers 0 .. layers-1 lie before it, and all that crosses it travels.
struct Cut {
    std::size_t layers = 0;
    std::uint64_t bytes = 0;  // of one chunk on the wire
};

struct Network {
    std::string name;
    std::vector<Layer> layers;
    // Ascending. The first has no layer before it and carries the input, the last has all of them and carries the result.
    std::vector<Cut> cuts;
    Resources stage;  // what every stage in a fabric takes beside its layers: DMA, interconnect
};

}  // namespace fard::splitter
