// A plan as a drawing: stages as boxes on their boards with bars of what they take, links with bytes and times.
#pragma once

#include <string>

#include "splitter/search/search.hpp"

namespace fard::splitter {

// SVG, for a browser; colours that hold in light and dark.
std::string svg_of(const Network& network, const Cluster& cluster, const Found& found, const std::string& title);

}  // namespace fard::splitter
