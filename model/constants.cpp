#include "model/constants.hpp"

#include <algorithm>
#include <cmath>

#include "model/bounds.hpp"

namespace fard::model {
namespace {

bool all_whole(const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float value) {
        return value == std::rint(value) && value >= -0x1p31F && value < 0x1p31F;
    });
}

bool all_bipolar(const std::vector<std::int32_t>& values) {
    return std::all_of(values.begin(), values.end(),
                       [](std::int32_t value) { return value == 1 || value == -1; });
}

}  // namespace

Tensor typed_constant(RawTensor raw, const std::string* annotated) {
    Tensor tensor;
    tensor.name = std::move(raw.name);
    tensor.layout = Layout::none;
    tensor.shape = std::move(raw.shape);
    tensor.declared = std::move(raw.declared);
    DataType wanted;
    if (annotated != nullptr) {
        if (const auto parsed = DataType::parse(*annotated)) wanted = *parsed;
    }
    auto& values = raw.values;
    if (!values.floats.empty() && all_whole(values.floats)) {
        values.integers.assign(values.floats.begin(), values.floats.end());
        std::vector<float>().swap(values.floats);
    }
    if (!values.integers.empty()) {
        const Bounds bounds{range_of(values.integers), all_bipolar(values.integers)};
        tensor.range = bounds.range;
        tensor.type = carries(wanted, bounds) ? wanted : narrowest(bounds.range);
    }
    tensor.constant = std::move(values);
    return tensor;
}

Result<RawTensor> read_constant_node(const RawNode& node) {
    RawTensor read;
    for (const auto& [name, value] : node.attributes) {
        if (name == "value" && std::holds_alternative<RawTensor>(value)) {
            read = std::get<RawTensor>(value);
        } else if (const auto* integer = std::get_if<std::int64_t>(&value);
                   name == "value_int" && integer != nullptr) {
            read.declared = "INT64";
            read.add(*integer);
        } else if (const auto* number = std::get_if<double>(&value);
                   name == "value_float" && number != nullptr) {
            read = {"", "FLOAT32", {}, {{}, {static_cast<float>(*number)}}};
        } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&value);
                   name == "value_ints" && integers != nullptr) {
            read = {"", "INT64", {static_cast<std::int64_t>(integers->size())}, {}};
            for (const auto each : *integers)
                read.add(each);
        } else if (const auto* numbers = std::get_if<std::vector<double>>(&value);
                   name == "value_floats" && numbers != nullptr) {
            read = {"", "FLOAT32", {static_cast<std::int64_t>(numbers->size())}, {}};
            read.values.floats.assign(numbers->begin(), numbers->end());
        } else {
            return fail(Fault::unsupported, "holds an attribute '{}' that fard does not read", name);
        }
    }
    if (node.outputs.size() != 1 || read.declared.empty())
        return fail(Fault::invalid_input, "must have one value and one output");
    read.name = node.outputs[0];
    return read;
}

}  // namespace fard::model
