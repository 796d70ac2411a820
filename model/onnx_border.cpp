#include "model/onnx_border.hpp"

#include "model/domains.hpp"
#include "model/onnx_tensor.hpp"

namespace fard::model {
namespace {

// As qonnx writes layouts; the empty list is its "unknown".
const char* layout_annotation(Layout layout) {
    switch (layout) {
        case Layout::nhwc:
            return "['N', 'H', 'W', 'C']";
        case Layout::nchw:
            return "['N', 'C', 'H', 'W']";
        case Layout::nc:
        case Layout::none:
            break;
    }
    return "[]";
}

}  // namespace

void describe_border(onnx::ValueInfoProto& value, const Tensor& tensor) {
    value.set_name(tensor.name);
    auto* type = value.mutable_type()->mutable_tensor_type();
    type->set_elem_type(element_type_of(tensor.declared));
    auto* shape = type->mutable_shape();
    for (const auto extent : tensor.shape)
        shape->add_dim()->set_dim_value(extent);
}

void say_exact_fractions(onnx::ModelProto& model) {
    auto& entry = *model.add_metadata_props();
    entry.set_key(std::string(exact_fractions_key));
    entry.set_value("1");
}

void Annotations::set(const std::string& tensor, const std::string& key, const std::string& value) {
    auto& entry = entries_[tensor];
    if (entry == nullptr) {
        entry = graph_.add_quantization_annotation();
        entry->set_tensor_name(tensor);
    }
    for (auto& pair : *entry->mutable_quant_parameter_tensor_names())
        if (pair.key() == key) return pair.set_value(value);
    auto* pair = entry->add_quant_parameter_tensor_names();
    pair->set_key(key);
    pair->set_value(value);
}

void Annotations::set_layout(const Tensor& tensor) {
    if (tensor.shape.size() == 4) set(tensor.name, "tensor_layout", layout_annotation(tensor.layout));
}

void Annotations::set_input(const Tensor& tensor) {
    set_type(tensor);
    if (tensor.range)
        set(tensor.name, "fard_range",
            std::to_string(tensor.range->min) + ":" + std::to_string(tensor.range->max));
    set_layout(tensor);
}

}  // namespace fard::model
