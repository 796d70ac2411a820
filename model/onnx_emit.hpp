// A part of a typed graph as an ONNX file of its own.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/graph.hpp"

namespace fard::model {

struct EmittedPart {
    std::string name;           // of the new graph
    std::vector<NodeId> nodes;  // ascending
    std::vector<TensorId> inputs;
    std::vector<TensorId> outputs;
};

// ONNX of opset 13, in FINN's style: integers lie in FLOAT tensors with finn_datatype annotations; quantize,
// dequantize and requantize are operators of the domain "fard", with their numbers as doubles. Importing it
// gives the same nodes again. The same bytes for the same part. Errors: failed (protobuf).
Result<std::string> emit_onnx(const Graph& graph, const EmittedPart& part);

}  // namespace fard::model
