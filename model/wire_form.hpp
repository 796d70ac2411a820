// A tensor's three forms: Values in the graph's order, bytes on the wire (NHWC, packed), and the array that
// the model declares (ONNX order and element type), as .npy files hold it.
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

// Bytes of one element of a declared type ("FLOAT32" -> 4). Errors: unsupported.
Result<std::size_t> declared_bytes(std::string_view declared);
// Little-endian elements of tensor.declared. Errors: invalid_input (size; a fraction or a value outside
// tensor.type).
Result<Values> values_from_declared(const Tensor& tensor, std::span<const std::byte> array);
Result<std::vector<std::byte>> values_to_declared(const Tensor& tensor, const Values& values);

// Straight from one to the other.
Result<std::vector<std::byte>> wire_to_declared(const Tensor& tensor, std::span<const std::byte> wire);
Result<std::vector<std::byte>> declared_to_wire(const Tensor& tensor, std::span<const std::byte> array);

}  // namespace fard::model
