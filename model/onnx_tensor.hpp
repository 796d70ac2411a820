// ONNX tensors and element types to plain ones. Included by the sources that know onnx alone.
#pragma once

#include <onnx/onnx_pb.h>

#include "base/result.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

// "FLOAT32", "INT8", ...; "" for one that has no plain counterpart.
std::string declared_of(int element_type);
int element_type_of(const std::string& declared);  // the reverse; FLOAT for one that it does not know

// The bytes that its elements take as raw_data. Errors: corrupt (extents that cannot be), unsupported (its type).
Result<std::uint64_t> stored_bytes(const onnx::TensorProto& tensor);

// Errors: corrupt, unsupported; the message names the tensor.
Result<RawTensor> read_tensor(const onnx::TensorProto& tensor);

}  // namespace fard::model
