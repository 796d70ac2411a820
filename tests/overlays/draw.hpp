// Random elements for the kernels' tests.
#pragma once

#include <random>
#include <vector>

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

}  // namespace fard::soft
