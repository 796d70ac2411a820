// A run as a picture: boards as rows, time to the right; loads, computing, receiving and sending as colours.
#pragma once

#include <string>

#include "planner/simulate.hpp"

namespace fard::planner {

// SVG, for a browser. `simulated` was made with spans kept. `title` and `subtitle` are lines of plain text.
std::string timeline_svg(const Pipeline& pipeline, const Simulated& simulated, const std::string& title, const std::string& subtitle);

}  // namespace fard::planner
