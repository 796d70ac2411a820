// The attributes of typed nodes as ONNX has them. Included by the sources that know onnx alone.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "model/graph.hpp"

namespace fard::model {

void set(onnx::NodeProto& node, const std::string& name, std::int64_t value);
void set(onnx::NodeProto& node, const std::string& name, double value);  // as FLOAT
void set(onnx::NodeProto& node, const std::string& name, const std::string& value);
void set(onnx::NodeProto& node, const std::string& name, const std::vector<std::int64_t>& values);
void set(onnx::NodeProto& node, const std::string& name,
         const std::vector<double>& values);  // as a DOUBLE tensor

inline constexpr int written_opset = 13;  // of what emit_onnx writes

// Domain and attributes of `node` (of that opset) for `made`, whose operator and operands are there already.
void write_attributes(onnx::NodeProto& made, const Node& node, const Tensor& x, const Tensor& output);

}  // namespace fard::model
