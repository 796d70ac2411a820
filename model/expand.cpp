#include "model/expand.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/expander.hpp"
#include "model/operators.hpp"

namespace fard::model {
namespace {

void expand_top_k(Expander& to) {
    const auto result = [&](std::size_t output, std::string_view op) {
        if (to.is_read(output))
            to.put(op, to.node().inputs, to.node().outputs[output], to.node().attributes, own_domain);
    };
    result(0, "TopKValues");
    result(1, "TopKIndices");
}

std::vector<Expansion> all_expansions() {
    std::vector<Expansion> all{{"", "TopK", 1, 2, expand_top_k, "axis k largest sorted"}};
    for (const auto* family : {&qlinear_expansions(), &qonnx_expansions(), &lowered_expansions()})
        all.insert(all.end(), family->begin(), family->end());
    return all;
}

const std::vector<Expansion>& expansions() {
    static const auto all = all_expansions();
    return all;
}

const Expansion* find_expansion(const RawNode& node) {
    constexpr std::array quantizer_domains{std::string_view(), brevitas_domain, qonnx_domain, finn_domain};
    const auto domain = node.domain == finn_domain ? qonnx_domain : std::string_view(node.domain);
    const auto found = std::ranges::find_if(expansions(), [&](const Expansion& each) {
        const bool fits = each.domain == quantizer_domain
                              ? std::ranges::find(quantizer_domains, node.domain) != quantizer_domains.end()
                              : each.domain == domain;
        return fits && each.op == node.op;
    });
    return found == expansions().end() ? nullptr : &*found;
}

// Before opset 14 a BatchNormalization with more than one output is one in training.
bool trains(const RawNode& node, std::int64_t opset) {
    const auto named = std::ranges::count_if(node.outputs, [](const auto& name) { return !name.empty(); });
    return node.domain.empty() && node.op == "BatchNormalization" && opset < 14 && named > 1;
}

}  // namespace

Expander::Expander(RawGraph& raw) : raw_(raw) {
    for (const auto& input : raw.inputs)
        names_.insert(input.name);
    for (const auto& stored : raw.initializers) {
        names_.insert(stored.name);
        stored_.emplace(stored.name, stored.shape);
    }
    for (const auto& output : raw.outputs)
        read_.insert(output.name);
    for (const auto& node : raw.nodes) {
        names_.insert(node.outputs.begin(), node.outputs.end());
        read_.insert(node.inputs.begin(), node.inputs.end());
        const auto value = node.attributes.find("value");
        if (node.op == "Constant" && value != node.attributes.end() && node.outputs.size() == 1)
            if (const auto* tensor = std::get_if<RawTensor>(&value->second))
                stored_.emplace(node.outputs[0], tensor->shape);
    }
}

const std::string& Expander::in(std::size_t i) const {
    static const std::string none;
    return i < node_->inputs.size() ? node_->inputs[i] : none;
}

bool Expander::is_read(std::size_t output) const {
    return output < node_->outputs.size() && !node_->outputs[output].empty() &&
           read_.contains(node_->outputs[output]);
}

namespace {

template <typename T>
T value_of(const RawNode& node, const std::string& name, T otherwise) {
    const auto entry = node.attributes.find(name);
    const T* value = entry == node.attributes.end() ? nullptr : std::get_if<T>(&entry->second);
    return value == nullptr ? otherwise : *value;
}

}  // namespace

std::string Expander::attribute(const std::string& name, const std::string& otherwise) const {
    return value_of(*node_, name, otherwise);
}
std::int64_t Expander::attribute(const std::string& name, std::int64_t otherwise) const {
    return value_of(*node_, name, otherwise);
}
std::vector<std::int64_t> Expander::attribute(const std::string& name,
                                              std::vector<std::int64_t> otherwise) const {
    return value_of(*node_, name, std::move(otherwise));
}
double Expander::attribute(const std::string& name, double otherwise) const {
    return value_of(*node_, name, otherwise);
}

const Shape* Expander::stored_shape(const std::string& tensor) const {
    const auto found = stored_.find(tensor);
    return found == stored_.end() ? nullptr : &found->second;
}

std::string Expander::fresh(const std::string& hint) {
    auto name = fmt::format("{}_{}", node_->outputs[0], hint);
    while (!names_.insert(name).second)
        name += "_";
    return name;
}

std::string Expander::put(std::string_view op, std::vector<std::string> inputs, const std::string& output,
                          std::map<std::string, RawAttribute> attributes, std::string_view domain) {
    while (!inputs.empty() && inputs.back().empty())
        inputs.pop_back();
    const bool files_own = std::ranges::find(node_->outputs, output) != node_->outputs.end();
    const auto& own = node_->name.empty() ? node_->outputs[0] : node_->name;
    nodes_.push_back({node_->index,
                      files_own || domain == own_domain ? own : output,
                      std::string(domain),
                      std::string(op),
                      std::move(inputs),
                      {output},
                      std::move(attributes),
                      !files_own,
                      node_->label()});
    return output;
}

std::string Expander::constant(const std::string& hint, RawTensor tensor) {
    tensor.name = fresh(hint);
    raw_.initializers.push_back(std::move(tensor));
    return raw_.initializers.back().name;
}

std::string Expander::number(const std::string& hint, float value) {
    return constant(hint, {"", "FLOAT32", {}, {{}, {value}}});
}

std::string Expander::list(const std::string& hint, const std::vector<std::int32_t>& values) {
    return constant(hint, {"", "INT64", {static_cast<std::int64_t>(values.size())}, {values, {}}});
}

std::string Expander::dequantize(const std::string& hint, const std::string& x, const std::string& scale,
                                 const std::string& zero, std::int64_t axis) {
    return put("DequantizeLinear", {x, scale, zero}, fresh(hint), {{"axis", axis}});
}

void Expander::quantize(const std::string& x, const std::string& scale, const std::string& zero) {
    put("QuantizeLinear", {x, scale, zero}, node_->outputs[0], {{"axis", std::int64_t{0}}});
}

// A node that stays as it is, without the results that nothing reads.
void Expander::keep(RawNode node) {
    const bool in_training = trains(node, raw_.opset);
    nodes_.push_back(std::move(node));
    auto& outputs = nodes_.back().outputs;
    const bool counted = nodes_.back().op == "Split";  // as many parts as it has outputs
    for (auto& output : outputs)
        if (counted && !read_.contains(output)) output.clear();
    while (!in_training && !counted && outputs.size() > 1 && !read_.contains(outputs.back()))
        outputs.pop_back();
}

Result<> Expander::replace(const RawNode& node) {
    const auto& row = *find_expansion(node);
    if (row.expand == nullptr) return fail(Fault::unsupported, "{}: {}", node.label(), row.attributes);
    const auto count = node.inputs.size();
    if (count < row.min_operands || count > row.max_operands)
        return fail(Fault::invalid_input, "{}: has {} operands, not {}", node.label(), count,
                    operand_counts(row.min_operands, row.max_operands));
    if (value_of(node, "channels_last", std::int64_t{0}) != 0)
        return fail(Fault::unsupported,
                    "{}: has channels_last; export the network with channels first (NCHW)", node.label());
    auto known = node;
    known.attributes.erase("channels_last");
    if (auto done = check_attributes(known, row.attributes); !done)
        return fail_in(node.label(), done.error());
    node_ = &node;
    row.expand(*this);
    return {};
}

Result<bool> Expander::run() {
    bool replaced = false;
    auto old = std::move(raw_.nodes);
    for (auto& node : old) {
        if (find_expansion(node) == nullptr || node.outputs.empty()) {
            keep(std::move(node));
            continue;
        }
        if (auto done = replace(node); !done) return fail(done.error());
        replaced = true;
    }
    raw_.nodes = std::move(nodes_);
    return replaced;
}

std::vector<std::string> expanded_operators() {
    std::vector<std::string> names;
    for (const auto& each : expansions())
        if (each.expand != nullptr) names.emplace_back(each.op);
    return names;
}

Result<bool> expand_operators(RawGraph& raw) {
    return Expander(raw).run();
}

}  // namespace fard::model
