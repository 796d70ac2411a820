#include "model/layers/finn_writer.hpp"

#include <onnx/onnx_pb.h>

#include <unordered_set>

#include "model/domains.hpp"
#include "model/onnx_attributes.hpp"
#include "model/onnx_border.hpp"

namespace fard::model {
namespace {

constexpr int finn_opset = 11;  // FINN takes 9 to 17

void describe(onnx::ValueInfoProto& value, const FinnTensor& tensor, int element = onnx::TensorProto::FLOAT) {
    value.set_name(tensor.name);
    auto* type = value.mutable_type()->mutable_tensor_type();
    type->set_elem_type(element);
    auto* shape = type->mutable_shape();
    for (const auto extent : tensor.shape)
        shape->add_dim()->set_dim_value(extent);
}

}  // namespace

struct FinnWriter::Parts {
    onnx::ModelProto model;
    Annotations annotations{*model.mutable_graph()};
    std::unordered_set<std::string> names;
    onnx::NodeProto* node = nullptr;  // the last one

    onnx::GraphProto& graph() { return *model.mutable_graph(); }
    void annotate(const std::string& name, DataType type) {
        if (type.is_integer()) annotations.set(name, "finn_datatype", type.name());
    }
};

FinnWriter::FinnWriter(const std::string& name) : parts_(std::make_unique<Parts>()) {
    auto& model = parts_->model;
    model.set_ir_version(8);
    model.set_producer_name("fard");
    parts_->graph().set_name(name);
    for (const auto& [domain, version] :
         {std::pair{std::string(), finn_opset}, std::pair{std::string(qonnx_domain), 1}}) {
        auto* import = model.add_opset_import();
        import->set_domain(domain);
        import->set_version(version);
    }
}

FinnWriter::~FinnWriter() = default;

std::string FinnWriter::fresh(const std::string& hint) {
    auto name = hint;
    while (!parts_->names.insert(name).second)
        name += "_";
    return name;
}

void FinnWriter::input(const FinnTensor& tensor) {
    describe(*parts_->graph().add_input(), tensor);
    parts_->annotate(tensor.name, tensor.type);
    parts_->names.insert(tensor.name);
}

// What makes it is described there, not among the tensors between.
void FinnWriter::output(const FinnTensor& tensor, bool indices) {
    auto& inner = *parts_->graph().mutable_value_info();
    for (int i = 0; i < inner.size(); ++i)
        if (inner.Get(i).name() == tensor.name) {
            inner.DeleteSubrange(i, 1);
            break;
        }
    describe(*parts_->graph().add_output(), tensor,
             indices ? onnx::TensorProto::INT64 : onnx::TensorProto::FLOAT);
    parts_->annotate(tensor.name, tensor.type);
}

std::string FinnWriter::constant(const std::string& hint, const Shape& shape,
                                 std::span<const std::int64_t> values, DataType type) {
    auto& stored = *parts_->graph().add_initializer();
    stored.set_name(fresh(hint));
    stored.set_data_type(onnx::TensorProto::FLOAT);
    for (const auto extent : shape)
        stored.add_dims(extent);
    for (const auto value : values)
        stored.add_float_data(static_cast<float>(value));
    parts_->annotate(stored.name(), type);
    return stored.name();
}

void FinnWriter::node(const std::string& op, const std::vector<std::string>& inputs, const FinnTensor& result,
                      bool custom) {
    auto& node = *parts_->graph().add_node();
    parts_->node = &node;
    node.set_op_type(op);
    node.set_name(result.name);
    if (custom) node.set_domain(std::string(qonnx_domain));
    for (const auto& input : inputs)
        node.add_input(input);
    node.add_output(result.name);
    describe(*parts_->graph().add_value_info(), result);
    parts_->annotate(result.name, result.type);
    parts_->names.insert(result.name);
}

void FinnWriter::top_k(const std::string& x, std::int64_t count, const FinnTensor& result) {
    auto& stored = *parts_->graph().add_initializer();
    stored.set_name(fresh(result.name + "_count"));
    stored.set_data_type(onnx::TensorProto::INT64);
    stored.add_dims(1), stored.add_int64_data(count);
    node("TopK", {x, stored.name()}, result);
    parts_->node->clear_output();
    parts_->node->add_output(fresh(result.name + "_values"));
    parts_->node->add_output(result.name);
    attribute("axis", std::int64_t{-1});
    attribute("largest", std::int64_t{1}), attribute("sorted", std::int64_t{1});
}

void FinnWriter::attribute(const std::string& name, std::int64_t value) {
    set(*parts_->node, name, value);
}
void FinnWriter::attribute(const std::string& name, double value) {
    set(*parts_->node, name, value);
}
void FinnWriter::attribute(const std::string& name, const std::string& value) {
    set(*parts_->node, name, value);
}
void FinnWriter::attribute(const std::string& name, const std::vector<std::int64_t>& values) {
    set(*parts_->node, name, values);
}

std::string FinnWriter::bytes() const {
    return parts_->model.SerializeAsString();
}

}  // namespace fard::model
