// Channels that were computed apart, put together again.
#pragma once

#include <vector>

#include "model/graph.hpp"

namespace fard::model::test {

// The elements of a tensor of the shape `whole` from those of its channels along `axis`, in their order.
Values joined(const std::vector<Values>& parts, const Shape& whole, std::size_t axis);

}  // namespace fard::model::test
