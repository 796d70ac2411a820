#include "model/constant_operators.hpp"

#include <algorithm>
#include <cmath>

#include "model/operators.hpp"

namespace fard::model {
namespace {

using Operands = std::vector<const Tensor*>;

std::vector<std::int64_t> list_of(const Tensor& tensor) {
    const auto& integers = tensor.constant->integers;
    return {integers.begin(), integers.end()};
}

// The position in `from` of the element that is broadcast to position `at` of `to`.
std::size_t source_of(const Shape& from, const Shape& to, std::size_t at) {
    std::size_t position = 0, stride = 1;
    for (std::size_t i = 0; i < to.size(); ++i) {
        const auto extent = static_cast<std::size_t>(to[to.size() - 1 - i]);
        const auto index = at % extent;
        at /= extent;
        if (i >= from.size()) continue;
        const auto own = static_cast<std::size_t>(from[from.size() - 1 - i]);
        position += (own == 1 ? 0 : index) * stride;
        stride *= own;
    }
    return position;
}

Result<Shape> broadcast(std::initializer_list<const Shape*> shapes) {
    Shape result;
    for (const auto* shape : shapes) {
        if (shape->size() > result.size()) result.insert(result.begin(), shape->size() - result.size(), 1);
        for (std::size_t i = 0; i < shape->size(); ++i) {
            auto& extent = result[result.size() - 1 - i];
            const auto own = (*shape)[shape->size() - 1 - i];
            if (own != extent && own != 1 && extent != 1)
                return fail(Fault::invalid_input, "shapes {} and {} do not fit together", shown(*shape),
                            shown(result));
            extent = std::max(own, extent);
        }
    }
    return result;
}

bool is_whole(const Tensor& tensor) {
    return tensor.constant->floats.empty();
}

// One element, of either kind.
void put(RawTensor& to, const Tensor& from, std::size_t at, bool whole) {
    const auto& values = *from.constant;
    if (whole)
        to.values.integers.push_back(values.integers[at]);
    else
        to.values.floats.push_back(values.floats.empty() ? static_cast<float>(values.integers[at])
                                                         : values.floats[at]);
}

Result<RawTensor> filled(const RawNode& node, const Operands& in) {
    RawTensor made{"", "FLOAT32", list_of(*in[0]), {}};
    const auto given = node.attributes.find("value");
    const auto* value = given == node.attributes.end() ? nullptr : std::get_if<RawTensor>(&given->second);
    if (value != nullptr) made.declared = value->declared;
    const auto count = elements(made.shape);
    if (value == nullptr)
        made.values.floats.assign(count, 0);
    else if (value->values.integers.size() == 1)
        made.values.integers.assign(count, value->values.integers[0]);
    else if (value->values.floats.size() == 1)
        made.values.floats.assign(count, value->values.floats[0]);
    else
        return fail(Fault::invalid_input, "attribute 'value' is not one number");
    return made;
}

Result<RawTensor> expanded(const Operands& in, const Shape& shape) {
    RawTensor made{"", in[0]->declared, shape, {}};
    for (std::size_t at = 0; at < elements(shape); ++at)
        put(made, *in[0], source_of(in[0]->shape, shape, at), is_whole(*in[0]));
    return made;
}

Result<RawTensor> compared(const Operands& in, const Shape& shape) {
    const auto a = numbers_of(*in[0]), b = numbers_of(*in[1]);
    RawTensor made{"", "BOOL", shape, {}};
    for (std::size_t at = 0; at < elements(shape); ++at)
        made.values.integers.push_back(a[source_of(in[0]->shape, shape, at)] ==
                                       b[source_of(in[1]->shape, shape, at)]);
    return made;
}

Result<RawTensor> chosen(const Operands& in, const Shape& shape) {
    const auto which = numbers_of(*in[0]);
    const bool whole = is_whole(*in[1]) && is_whole(*in[2]);
    RawTensor made{"", in[1]->declared, shape, {}};
    for (std::size_t at = 0; at < elements(shape); ++at) {
        const auto& from = *in[which[source_of(in[0]->shape, shape, at)] != 0 ? 1 : 2];
        put(made, from, source_of(from.shape, shape, at), whole);
    }
    return made;
}

Result<std::int64_t> range_count(const Operands& in) {
    for (const auto* each : in)
        if (each->elements() != 1 || !is_whole(*each))
            return fail(Fault::unsupported, "has a bound '{}' that is not one integer", each->name);
    const double start = numbers_of(*in[0])[0], limit = numbers_of(*in[1])[0], step = numbers_of(*in[2])[0];
    if (step == 0) return fail(Fault::invalid_input, "has a step of 0");
    return static_cast<std::int64_t>(std::max(0.0, std::ceil((limit - start) / step)));
}

RawTensor counted(const Operands& in, std::int64_t count) {
    RawTensor made{"", in[0]->declared, {count}, {}};
    for (std::int64_t i = 0; i < count; ++i)
        made.add(in[0]->constant->integers[0] + i * in[2]->constant->integers[0]);
    return made;
}

// Each `block` elements along one dimension have a scale, and a zero point perhaps.
Result<RawTensor> dequantized_blocks(const RawNode& node, const Operands& in) {
    AttributeReader attributes(node);
    const auto block = attributes.integer("block_size", 0), given = attributes.integer("axis", 1);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto &x = *in[0], &scale = *in[1];
    const auto axis = checked_axis(given, x.shape.size(), x.shape.size());
    if (!axis) return fail(axis.error());
    const auto along = static_cast<std::size_t>(*axis);
    Shape blocks = x.shape;
    if (block > 0) blocks[along] = (blocks[along] + block - 1) / block;
    const bool zeros = in.size() > 2 && in[2] != nullptr;
    if (block < 1 || scale.shape != blocks || (zeros && in[2]->shape != blocks))
        return fail(Fault::invalid_input, "has scales of {} for {} in blocks of {}", shown(scale.shape),
                    shown(x.shape), block);
    const auto values = numbers_of(x), scales = numbers_of(scale);
    const auto zero = zeros ? numbers_of(*in[2]) : std::vector<double>(scales.size(), 0);
    const auto inner = elements(Shape(x.shape.begin() + *axis + 1, x.shape.end()));
    const auto extent = static_cast<std::size_t>(x.shape[along]),
               rows = static_cast<std::size_t>(blocks[along]);
    RawTensor made{"", "FLOAT32", x.shape, {}};
    for (std::size_t at = 0; at < values.size(); ++at) {
        const auto outer = at / inner / extent, row = at / inner % extent / static_cast<std::size_t>(block);
        const auto from = (outer * rows + row) * inner + at % inner;
        made.values.floats.push_back(static_cast<float>((values[at] - zero[from]) * scales[from]));
    }
    return made;
}

struct Row {
    std::string_view op;
    std::size_t least, most;
    std::string_view attributes;
};

constexpr Row rows[] = {{"ConstantOfShape", 1, 1, "value"},
                        {"Equal", 2, 2, ""},
                        {"Expand", 2, 2, ""},
                        {"Range", 3, 3, ""},
                        {"Where", 3, 3, ""},
                        {"DequantizeLinear", 2, 3, "axis block_size output_dtype"}};

Result<RawTensor> compute(const RawNode& node, const Operands& in,
                          const std::function<bool(const Shape&)>& may_make) {
    const auto too_many = [] {
        return fail(Fault::unsupported,
                    "computes a constant of too many elements; fold it when the model is exported");
    };
    if (node.op == "DequantizeLinear") {
        if (!may_make(in[0]->shape)) return too_many();
        return dequantized_blocks(node, in);
    }
    if (node.op == "Range") {
        const auto count = range_count(in);
        if (!count) return fail(count.error());
        if (!may_make({*count})) return too_many();
        return counted(in, *count);
    }
    const auto wanted = node.op == "Expand" ? list_of(*in[1]) : Shape{};
    const auto shape = node.op == "ConstantOfShape" ? Result<Shape>(list_of(*in[0]))
                       : node.op == "Expand"        ? broadcast({&in[0]->shape, &wanted})
                       : node.op == "Equal"         ? broadcast({&in[0]->shape, &in[1]->shape})
                                            : broadcast({&in[0]->shape, &in[1]->shape, &in[2]->shape});
    if (!shape) return fail(shape.error());
    if (std::ranges::any_of(*shape, [](auto extent) { return extent < 0; }))
        return fail(Fault::invalid_input, "makes a tensor of {}", shown(*shape));
    if (!may_make(*shape)) return too_many();
    if (node.op == "ConstantOfShape") return filled(node, in);
    if (node.op == "Expand") return expanded(in, *shape);
    return node.op == "Equal" ? compared(in, *shape) : chosen(in, *shape);
}

const Row* find(const RawNode& node) {
    const auto row = std::ranges::find(rows, std::string_view(node.op), &Row::op);
    return node.domain.empty() && row != std::end(rows) ? row : nullptr;
}

}  // namespace

std::vector<std::string> constant_operators() {
    std::vector<std::string> names;
    for (const auto& row : rows)
        names.emplace_back(row.op);
    return names;
}

bool makes_constants(const RawNode& node) {
    if (find(node) == nullptr) return false;
    if (node.op != "DequantizeLinear") return true;
    const auto block = node.attributes.find("block_size");
    return block != node.attributes.end() && block->second != RawAttribute{std::int64_t{0}};
}

Result<RawTensor> make_constant(const RawNode& node, const std::vector<const Tensor*>& operands,
                                const std::function<bool(const Shape&)>& may_make) {
    const auto& row = *find(node);
    if (auto done = check_attributes(node, row.attributes); !done) return fail(done.error());
    if (operands.size() < row.least || operands.size() > row.most)
        return fail(Fault::invalid_input, "has {} operands, not {}", operands.size(),
                    operand_counts(row.least, row.most));
    for (std::size_t i = 0; i < operands.size(); ++i) {
        if (operands[i] == nullptr && i < row.least)
            return fail(Fault::invalid_input, "operand {} is left out", i);
        if (operands[i] != nullptr && !operands[i]->is_constant())
            return fail(Fault::unsupported,
                        "reads '{}', which is computed; fard runs {} on constants alone{}", operands[i]->name,
                        node.op,
                        node.op == "DequantizeLinear" ? fmt::format(" where it has a block_size") : "");
    }
    auto made = compute(node, operands, may_make);
    if (made) made->name = node.outputs[0];
    return made;
}

}  // namespace fard::model
