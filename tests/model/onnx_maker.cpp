#include "tests/model/onnx_maker.hpp"

#include <doctest/doctest.h>
#include <onnx/checker.h>

#include <numeric>

#include "model/reference.hpp"

namespace fard::model::test {
namespace {

onnx::AttributeProto& add_attribute(onnx::NodeProto& node, const std::string& name,
                                    onnx::AttributeProto::AttributeType type) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(type);
    return attribute;
}

void describe(onnx::ValueInfoProto& value, const std::string& name, int type) {
    value.set_name(name);
    value.mutable_type()->mutable_tensor_type()->set_elem_type(type);
}

}  // namespace

OnnxMaker::OnnxMaker(int opset) {
    model_.set_ir_version(8);
    auto* own = model_.add_opset_import();
    own->set_domain("");
    own->set_version(opset);
    auto* qonnx = model_.add_opset_import();
    qonnx->set_domain("qonnx.custom_op.general");
    qonnx->set_version(1);
    model_.mutable_graph()->set_name("made");
}

OnnxMaker& OnnxMaker::input(const std::string& name, const Extents& shape, int type) {
    auto& value = *model_.mutable_graph()->add_input();
    describe(value, name, type);
    auto* dims = value.mutable_type()->mutable_tensor_type()->mutable_shape();
    for (const auto extent : shape)
        dims->add_dim()->set_dim_value(extent);
    return *this;
}

OnnxMaker& OnnxMaker::output(const std::string& name, int type) {
    describe(*model_.mutable_graph()->add_output(), name, type);
    return *this;
}

OnnxMaker& OnnxMaker::constant(const std::string& name, const Extents& shape, std::vector<float> values) {
    if (values.empty()) {
        values.resize(elements(shape));
        std::iota(values.begin(), values.end(), 0.0F);
    }
    auto& tensor = *model_.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    for (const auto extent : shape)
        tensor.add_dims(extent);
    for (const auto value : values)
        tensor.add_float_data(value);
    return *this;
}

OnnxMaker& OnnxMaker::integers(const std::string& name, const Extents& shape,
                               const std::vector<std::int64_t>& values) {
    auto& tensor = *model_.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::INT64);
    for (const auto extent : shape)
        tensor.add_dims(extent);
    for (const auto value : values)
        tensor.add_int64_data(value);
    return *this;
}

OnnxMaker& OnnxMaker::annotate(const std::string& tensor, const std::string& value, const std::string& key) {
    auto& entry = *model_.mutable_graph()->add_quantization_annotation();
    entry.set_tensor_name(tensor);
    auto& pair = *entry.add_quant_parameter_tensor_names();
    pair.set_key(key);
    pair.set_value(value);
    return *this;
}

onnx::NodeProto& OnnxMaker::node(const std::string& op, const std::vector<std::string>& inputs,
                                 const std::string& output, const std::string& domain) {
    auto& node = *model_.mutable_graph()->add_node();
    node.set_op_type(op);
    node.set_domain(domain);
    node.set_name(output);
    for (const auto& input : inputs)
        node.add_input(input);
    node.add_output(output);
    return node;
}

void set(onnx::NodeProto& node, const std::string& name, std::int64_t value) {
    add_attribute(node, name, onnx::AttributeProto::INT).set_i(value);
}
void set(onnx::NodeProto& node, const std::string& name, int value) {
    set(node, name, std::int64_t{value});
}
void set(onnx::NodeProto& node, const std::string& name, double value) {
    add_attribute(node, name, onnx::AttributeProto::FLOAT).set_f(static_cast<float>(value));
}
void set(onnx::NodeProto& node, const std::string& name, const char* value) {
    add_attribute(node, name, onnx::AttributeProto::STRING).set_s(value);
}
void set(onnx::NodeProto& node, const std::string& name, const Extents& values) {
    auto& attribute = add_attribute(node, name, onnx::AttributeProto::INTS);
    for (const auto value : values)
        attribute.add_ints(value);
}

std::vector<double> numbers(const Values& values) {
    if (!values.integers.empty()) return {values.integers.begin(), values.integers.end()};
    return {values.floats.begin(), values.floats.end()};
}

Values values_for(const Tensor& tensor, const std::vector<double>& numbers) {
    Values values;
    for (const auto number : numbers)
        if (tensor.type.is_integer())
            values.integers.push_back(static_cast<std::int32_t>(number));
        else
            values.floats.push_back(static_cast<float>(number));
    return values;
}

std::vector<double> run(const Model& model, const std::vector<double>& input) {
    const auto& graph = model.graph();
    REQUIRE(graph.inputs.size() == 1);
    auto outputs = run_reference(graph, {values_for(graph[graph.inputs[0]], input)});
    REQUIRE_MESSAGE(outputs, outputs.error().message);
    REQUIRE(outputs->size() == 1);
    return numbers((*outputs)[0]);
}

bool checker_passes(const std::string& onnx) {
    onnx::ModelProto model;
    if (!model.ParseFromString(onnx)) return false;
    try {
        onnx::checker::check_model(model);
    } catch (const std::exception& error) {
        MESSAGE(error.what());
        return false;
    }
    return true;
}

}  // namespace fard::model::test
