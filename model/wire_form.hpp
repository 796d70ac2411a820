// A tensor's two forms here: Values in the graph's order, and bytes on the wire (NHWC, packed). The array that the model
// declares, as .npy files hold it, is made of the latter (client/tensor_forms.hpp).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "model/graph.hpp"

namespace fard::model {

// Errors: corrupt (wrong number of bytes).
Result<Values> values_from_wire(const Tensor& tensor, std::span<const std::byte> wire);
// `wire` has wire_desc(tensor).wire_bytes() bytes. Errors: invalid_input (wrong number of values, one out of
// range).
Result<> values_to_wire(const Tensor& tensor, const Values& values, std::span<std::byte> wire);

}  // namespace fard::model
