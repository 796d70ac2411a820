// Small ONNX models for tests, made by hand.
#pragma once

#include <onnx/onnx_pb.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "model/model.hpp"

namespace fard::model::test {

using Extents = std::vector<std::int64_t>;

// Builds a model step by step; every method returns it again or what it added, to be changed further.
class OnnxMaker {
  public:
    explicit OnnxMaker(int opset = 13);

    // A FLOAT input or output (or of another ONNX element type).
    OnnxMaker& input(const std::string& name, const Extents& shape, int type = onnx::TensorProto::FLOAT);
    OnnxMaker& output(const std::string& name, int type = onnx::TensorProto::FLOAT);
    // Without elements: as many as `shape` asks for, counting up from 0.
    OnnxMaker& constant(const std::string& name, const Extents& shape, std::vector<float> values = {});
    OnnxMaker& integers(const std::string& name, const Extents& shape,
                        const std::vector<std::int64_t>& values);
    OnnxMaker& annotate(const std::string& tensor, const std::string& value,
                        const std::string& key = "finn_datatype");

    // A node with the name of its output.
    onnx::NodeProto& node(const std::string& op, const std::vector<std::string>& inputs,
                          const std::string& output, const std::string& domain = "");

    onnx::ModelProto& proto() { return model_; }
    std::string bytes() const { return model_.SerializeAsString(); }
    Result<Model> import() const { return Model::parse(bytes(), "made.onnx"); }

  private:
    onnx::ModelProto model_;
};

void set(onnx::NodeProto& node, const std::string& name, std::int64_t value);
void set(onnx::NodeProto& node, const std::string& name, int value);
void set(onnx::NodeProto& node, const std::string& name, double value);
void set(onnx::NodeProto& node, const std::string& name, const char* value);
void set(onnx::NodeProto& node, const std::string& name, const Extents& values);

// The network's only output for its only input, by the reference interpreter.
std::vector<double> run(const Model& model, const std::vector<double>& input);
// As numbers, whichever kind they are.
std::vector<double> numbers(const Values& values);
Values values_for(const Tensor& tensor, const std::vector<double>& numbers);

// Whether ONNX's own checker takes it.
bool checker_passes(const std::string& onnx);

}  // namespace fard::model::test
