#include "model/constants.hpp"

#include <algorithm>
#include <cmath>

#include "model/operators.hpp"

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

Result<Tensor> typed_constant(RawTensor raw, const std::string* annotated) {
    Tensor tensor;
    tensor.name = std::move(raw.name);
    tensor.layout = Layout::none;
    tensor.shape = std::move(raw.shape);
    tensor.declared = std::move(raw.declared);
    DataType wanted;
    if (annotated != nullptr) {
        const auto parsed = DataType::parse(*annotated);
        if (!parsed) return fail_in(fmt::format("tensor '{}'", tensor.name), parsed.error());
        wanted = *parsed;
    }
    auto& values = raw.values;
    if (!values.floats.empty() && all_whole(values.floats)) {
        values.integers.assign(values.floats.begin(), values.floats.end());
        values.floats = {};
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
            read = {"", "INT64", {}, {{static_cast<std::int32_t>(*integer)}, {}}};
            if (*integer != read.values.integers[0]) return fail(Fault::unsupported, "holds {}", *integer);
        } else if (const auto* number = std::get_if<double>(&value);
                   name == "value_float" && number != nullptr) {
            read = {"", "FLOAT32", {}, {{}, {static_cast<float>(*number)}}};
        } else {
            return fail(Fault::unsupported, "holds an attribute '{}' that fard does not read", name);
        }
    }
    if (node.outputs.size() != 1 || read.declared.empty())
        return fail(Fault::invalid_input, "must have one value and one output");
    read.name = node.outputs[0];
    return read;
}

Result<RawTensor> dequantize(const RawNode& node, const std::vector<const Tensor*>& operands) {
    AttributeReader attributes(node);
    const auto axis = attributes.integer("axis", 1);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const Tensor& x = *operands[0];
    const Tensor& scale = *operands[1];
    const Tensor* zero = operands.size() > 2 ? operands[2] : nullptr;
    if (!x.type.is_integer() || (zero != nullptr && (!zero->type.is_integer() || zero->shape != scale.shape)))
        return fail(Fault::invalid_input, "needs integers, and a zero point of the shape of its scale");
    std::size_t inner = x.elements(), steps = 1;  // the whole tensor has one scale
    if (scale.elements() != 1) {
        const auto checked = checked_axis(axis, x.shape.size(), x.shape.size());
        if (!checked) return fail(checked.error());
        steps = static_cast<std::size_t>(x.shape[static_cast<std::size_t>(*checked)]);
        if (scale.shape != Shape{static_cast<std::int64_t>(steps)})
            return fail(Fault::invalid_input, "has a scale of {} for {} along dimension {}",
                        shown(scale.shape), shown(x.shape), *checked);
        inner = elements(Shape(x.shape.begin() + *checked + 1, x.shape.end()));
    }
    RawTensor read{node.outputs[0], "FLOAT32", x.shape, {}};
    read.values.floats.reserve(x.elements());
    for (std::size_t i = 0; i < x.elements(); ++i) {
        const auto step = scale.elements() == 1 ? 0 : i / inner % steps;
        const auto factor = scale.type.is_integer() ? static_cast<float>(scale.constant->integers[step])
                                                    : scale.constant->floats[step];
        const auto offset = zero != nullptr ? zero->constant->integers[step] : 0;
        const auto distance = static_cast<std::int64_t>(x.constant->integers[i]) - offset;
        read.values.floats.push_back(static_cast<float>(distance) * factor);
    }
    return read;
}

}  // namespace fard::model
