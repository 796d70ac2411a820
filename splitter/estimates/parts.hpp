// A layer as parallel parts: each makes an even share of its channels, and has that share of its weights.
#pragma once

#include "splitter/estimates/describe.hpp"

namespace fard::splitter {

// Adds to the network's layer what its parts take, for 2 to 8 of them, as far as its channels divide. False: it is offered so
// already, or cannot be: between the two cuts around it lies another layer that takes something, more than one tensor leaves
// there, or it is no product of its own. `settings`: those that the description was made with. A folding file's factors hold for
// parts too, where they divide.
bool offer_parts(Description& description, const DescribeSettings& settings, std::size_t layer);

// Lets the layer be made in exactly so many parts, and in no other way. Errors: invalid_input (there is no such layer: the nearest
// name; it cannot be made in so many, and why).
Result<> demand_parts(Description& description, const DescribeSettings& settings, const std::string& layer, std::size_t parts);

}  // namespace fard::splitter
