// A tensor between the wire and the arrays that people store: what the model declares, as .npy files hold it.
// Works on the TensorDesc alone, so it serves apps without a model too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/npy.hpp"
#include "base/result.hpp"
#include "base/tensor_desc.hpp"

namespace fard {

// Element type and shape of the array that the model declares: NCHW where the wire has NHWC and the model has not.
// Errors: unsupported (an element type that .npy does not have).
Result<NpyType> declared_type(const TensorDesc& tensor);
std::vector<std::int64_t> declared_shape(const TensorDesc& tensor);

// The declared array's bytes, from wire bytes and back. `wire` has tensor.wire_bytes() bytes. Errors: corrupt
// (size), unsupported.
Result<std::vector<std::byte>> declared_from_wire(const TensorDesc& tensor, std::span<const std::byte> wire);

// Elements of any type, in the declared order, into wire form. Errors: invalid_input (their number; one that
// the tensor's type cannot hold exactly, with its place and value).
Result<> wire_from_array(const TensorDesc& tensor, NpyType type, std::span<const std::byte> elements,
                         std::span<std::byte> wire);

}  // namespace fard
