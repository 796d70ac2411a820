#include "model/lower.hpp"

#include <algorithm>

#include "model/domains.hpp"

namespace fard::model {
namespace {

std::vector<LoweredRow> all_rows() {
    std::vector<LoweredRow> all;
    for (const auto* family :
         {&lowered_moves(), &lowered_resizes(), &lowered_norms(), &lowered_windows(), &lowered_products()})
        all.insert(all.end(), family->begin(), family->end());
    return all;
}

const std::vector<LoweredRow>& rows() {
    static const auto all = all_rows();
    return all;
}

}  // namespace

const LoweredRow* find_lowered(const RawNode& node, const std::vector<const Tensor*>& operands, std::int64_t opset) {
    const auto row = std::ranges::find_if(rows(), [&](const LoweredRow& each) {
        return each.op == node.op && each.domain == node.domain &&
               (each.applies == nullptr || each.applies(node, operands, opset));
    });
    return row == rows().end() ? nullptr : &*row;
}

std::vector<std::string> lowered_operators() {
    std::vector<std::string> names;
    for (const auto& row : rows())
        names.emplace_back(row.op);
    return names;
}

const std::string& Lowering::in(std::size_t i) const {
    static const std::string none;
    return i < node_.inputs.size() ? node_.inputs[i] : none;
}

Shape Lowering::shape(const std::string& name) const {
    return failed() ? Shape{} : parts_.tensor(name).shape;
}
std::string Lowering::declared(const std::string& name) const {
    return failed() ? "" : parts_.tensor(name).declared;
}
bool Lowering::is_constant(const std::string& name) const {
    return !failed() && parts_.tensor(name).is_constant();
}
std::vector<double> Lowering::values(const std::string& name) const {
    return is_constant(name) ? numbers_of(parts_.tensor(name)) : std::vector<double>{};
}

std::vector<std::int64_t> Lowering::list(std::size_t operand, const std::string& name) {
    if (!has(operand)) return attributes.integers(name, {});
    if (failed()) return {};
    const auto& tensor = parts_.tensor(in(operand));
    const bool whole = tensor.is_constant() && (tensor.type.is_integer() || tensor.elements() == 0);
    if (!whole || tensor.shape.size() > 1) {
        refuse(Fault::unsupported, fmt::format("has {} '{}' that are not a constant list of integers", name, in(operand)));
        return {};
    }
    return {tensor.constant->integers.begin(), tensor.constant->integers.end()};
}

std::size_t Lowering::axis(std::int64_t given, std::size_t rank) {
    const auto checked = checked_axis(given, rank, rank);
    if (checked) return static_cast<std::size_t>(*checked);
    refuse(checked.error().fault, checked.error().message);
    return 0;
}

std::string Lowering::add(std::string_view op, std::vector<std::string> inputs, const std::string& output,
                          Attributes said, std::string_view domain, bool own) {
    if (failed()) return output;
    while (!inputs.empty() && inputs.back().empty())
        inputs.pop_back();
    const auto& name = node_.name.empty() ? node_.outputs[0] : node_.name;
    auto added = parts_.add_part(RawNode{node_.index, own ? name : output, std::string(domain), std::string(op),
                                         std::move(inputs), {output}, std::move(said), !own || node_.made_here,
                                         node_.label()});
    if (!added) error_ = added.error();
    return output;
}

std::string Lowering::put(std::string_view op, std::vector<std::string> inputs, Attributes said,
                          std::string_view domain) {
    const auto hint = fmt::format("{}_{}", node_.outputs[0].empty() ? node_.name : node_.outputs[0], op);
    return add(op, std::move(inputs), parts_.fresh_name(hint), std::move(said), domain, false);
}

void Lowering::make(std::string_view op, std::vector<std::string> inputs, Attributes said, std::string_view domain,
                    std::size_t output) {
    if (reads_output(output))
        add(op, std::move(inputs), node_.outputs[output], std::move(said), domain, true);
}

std::string Lowering::constant(RawTensor tensor) {
    tensor.name = parts_.fresh_name(node_.outputs[0] + "_constant");
    auto name = tensor.name;
    if (failed()) return name;
    if (auto added = parts_.add_part(std::move(tensor)); !added) error_ = added.error();
    return name;
}

std::string Lowering::number(double value) {
    return constant({"", "FLOAT32", {}, {{}, {static_cast<float>(value)}}});
}

std::string Lowering::numbers(const std::vector<double>& values, const Shape& shape) {
    RawTensor tensor{"", "FLOAT32", shape, {}};
    tensor.values.floats.assign(values.begin(), values.end());
    return constant(std::move(tensor));
}

std::string Lowering::integers(const std::vector<std::int64_t>& values) {
    RawTensor tensor{"", "INT64", {static_cast<std::int64_t>(values.size())}, {}};
    for (const auto value : values)
        tensor.add(value);
    tensor.beyond.reset();  // how far a Slice goes
    return constant(std::move(tensor));
}

std::string Lowering::number_like(const std::string& like, double value) {
    const auto type = declared(like);
    if (type == "FLOAT32") return number(value);
    return constant({"", type, {}, {{static_cast<std::int32_t>(value)}, {}}});
}

std::string Lowering::reshaped(const std::string& x, const Shape& shape) {
    return put("Reshape", {x, integers(shape)});
}

std::string Lowering::cast(const std::string& x, std::int64_t element_type) {
    return put("Cast", {x}, {{"to", element_type}});
}

bool Lowering::may_make(std::int64_t elements) {
    if (failed()) return false;
    if (!parts_.may_make(static_cast<std::uint64_t>(elements)))
        refuse(Fault::unsupported, fmt::format("needs lists of {} elements, too many for a file of this size", elements));
    return !failed();
}

void Lowering::refuse(Fault fault, std::string reason) {
    if (!error_) error_ = Error{fault, std::move(reason)};
}

Result<> Lowering::done() const {
    if (error_) return fail(*error_);
    return attributes.done();
}

}  // namespace fard::model
