// What a file says about the tensors at its borders. Included by the sources that know onnx alone.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <unordered_map>

#include "model/graph.hpp"

namespace fard::model {

// Name, element type and shape of a graph input or output.
void describe_border(onnx::ValueInfoProto& value, const Tensor& tensor);

// That sums of fractions are to be exact (Graph::exact_fractions).
void say_exact_fractions(onnx::ModelProto& model);

// The quantization annotations of a graph in the making: one entry for each tensor.
class Annotations {
  public:
    explicit Annotations(onnx::GraphProto& graph) : graph_(graph) {}

    void set(const std::string& tensor, const std::string& key, const std::string& value);
    void set_type(const Tensor& tensor) { set(tensor.name, "finn_datatype", tensor.type.name()); }
    void set_layout(const Tensor& tensor);  // of an image; nothing for others
    // Type, bounds and layout of a graph input, as the whole network has them.
    void set_input(const Tensor& tensor);

  private:
    onnx::GraphProto& graph_;
    std::unordered_map<std::string, onnx::TensorAnnotation*> entries_;
};

}  // namespace fard::model
