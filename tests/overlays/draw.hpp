// Random elements for the kernels' tests.
#pragma once

#include <random>
#include <vector>

#include "overlays/soft/aligned_vector.hpp"

namespace fard::soft {

// `count` integers from `low` to `high`, both inclusive.
template <typename T>
std::vector<T> draw(std::mt19937& random, std::size_t count, int low, int high) {
    std::uniform_int_distribution<int> uniform(low, high);
    std::vector<T> values(count);
    for (auto& value : values)
        value = static_cast<T>(uniform(random));
    return values;
}

// `count` fractions from -1 to 1.
inline AlignedVector<float> fractions(std::mt19937& random, std::size_t count) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    AlignedVector<float> values(count);
    for (auto& value : values)
        value = uniform(random);
    return values;
}

}  // namespace fard::soft
