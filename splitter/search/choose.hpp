// One option of each of several layers, so that all together fit a budget.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "splitter/network.hpp"

namespace fard::splitter {

enum class Fit { yes, no, unknown };

// What the options of each layer take; each layer has one, and each option fits alone.
using Needs = std::vector<std::span<const Resources>>;

// `chosen`, where they fit: the option of each layer. Unknown where so many steps of a search did not do.
Fit choose(const Needs& layers, const Resources& budget, int steps, std::vector<std::size_t>& chosen);

}  // namespace fard::splitter
