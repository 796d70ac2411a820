#include "model/draft.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/constants.hpp"
#include "model/infer.hpp"
#include "model/reference.hpp"

namespace fard::model {

namespace {

// Grows by a quarter, where a vector by itself would double.
template <typename T>
void make_room(std::vector<T>& list) {
    if (list.size() == list.capacity()) list.reserve(list.size() + list.size() / 4 + 64);
}

constexpr std::size_t made_at_least = std::size_t{1} << 20, made_of_stored = 2;

}  // namespace

Rewriter::Rewriter(Draft& draft)
    : draft_(draft),
      old_(std::move(draft.graph.nodes)),
      old_files_nodes_(std::move(draft.files_nodes)),
      readers_(draft.graph.tensors.size()),
      producers_(draft.graph.tensors.size(), -1),
      outputs_(draft.graph.outputs.begin(), draft.graph.outputs.end()) {
    draft_.graph.nodes.clear();
    draft_.files_nodes.clear();
    for (const auto& node : old_)
        for (const auto id : node.inputs)
            ++readers_[id];
    for (const auto id : draft.graph.outputs)
        ++readers_[id];
    for (const auto& tensor : draft.graph.tensors) {
        names_.insert(tensor.name);
        if (tensor.is_constant()) left_ += tensor.elements();
    }
    left_ = made_at_least + made_of_stored * left_;
}

bool Rewriter::may_make(std::size_t elements) {
    if (elements > left_) return false;
    left_ -= elements;
    return true;
}

void Rewriter::run(const std::vector<Rule>& rules) {
    for (std::size_t i = 0; i < old_.size(); ++i) {
        Node node = std::move(old_[i]);
        for (auto& id : node.inputs)
            id = current(id);
        current_ = node.name;
        current_file_ = old_files_nodes_[i];
        const bool taken = std::ranges::any_of(rules, [&](Rule rule) { return rule(*this, node); });
        if (taken) {
            draft_.altered = true;
            continue;
        }
        retype(node);
        put(std::move(node), current_file_);
    }
}

// A node that stays may read integers now where there were fractions: then it makes integers too, as it does when the
// network is read again.
void Rewriter::retype(const Node& node) {
    auto& tensor = draft_.graph.tensors[node.outputs[0]];
    if (tensor.type.is_integer()) return;
    const auto found = bounds(node.op, node.attributes, node.inputs, tensor.shape);
    if (!found || !fits_32_bits(found->range)) return;
    tensor.range = found->range;
    tensor.type = found->bipolar ? DataType::bipolar() : narrowest(found->range);
}

TensorId Rewriter::current(TensorId id) const {
    const auto same = same_.find(id);
    return same == same_.end() ? id : current(same->second);
}

const StoredCodes* Rewriter::codes(TensorId id) const {
    const auto found = draft_.codes.find(id);
    return found == draft_.codes.end() ? nullptr : &found->second;
}

const Node* Rewriter::producer(TensorId id) const {
    return producers_[id] < 0 ? nullptr : &draft_.graph.nodes[static_cast<std::size_t>(producers_[id])];
}

std::size_t Rewriter::readers(TensorId id) const {
    return id < readers_.size() ? readers_[id] : 0;
}

bool Rewriter::is_output(TensorId id) const {
    return outputs_.contains(id);
}

std::string Rewriter::fresh(const std::string& hint) {
    auto name = hint;
    if (names_.insert(name).second) return name;
    for (auto& i = numbers_[hint]; !names_.insert(name).second;)
        name = fmt::format("{}_{}", hint, ++i);
    return name;
}

TensorId Rewriter::constant(const std::string& hint, Shape shape, Values values, DataType wanted) {
    const auto id = static_cast<TensorId>(draft_.graph.tensors.size());
    const auto type = wanted.name();
    auto name = fresh(hint);  // which may be another tensor's, and moves with it
    make_room(draft_.graph.tensors);
    draft_.graph.tensors.push_back(typed_constant({std::move(name), "FLOAT32", std::move(shape), std::move(values)},
                                                  wanted.is_integer() ? &type : nullptr));
    draft_.named_here.insert(id);
    producers_.push_back(-1);
    return id;
}

std::optional<Bounds> Rewriter::bounds(Op op, const Attributes& attributes,
                                       const std::vector<TensorId>& inputs, const Shape& shape) const {
    std::vector<const Tensor*> operands;
    for (const auto id : inputs)
        operands.push_back(&(*this)[id]);
    return result_bounds(op, attributes, operands, shape);
}

// Gives a tensor the type that its bounds ask for; an integer type that it has already stays if it holds
// them.
static bool give_type(Tensor& tensor, const std::optional<Bounds>& bounds) {
    if (!bounds) {
        tensor.type = DataType::float32();
        tensor.range.reset();
        return true;
    }
    if (!fits_32_bits(bounds->range)) return false;
    tensor.range = bounds->range;
    if (!carries(tensor.type, *bounds))
        tensor.type = bounds->bipolar ? DataType::bipolar() : narrowest(bounds->range);
    return true;
}

void Rewriter::put(Node node, std::size_t files_node) {
    producers_[node.outputs[0]] = static_cast<std::ptrdiff_t>(draft_.graph.nodes.size());
    make_room(draft_.graph.nodes);
    draft_.graph.nodes.push_back(std::move(node));
    draft_.files_nodes.push_back(files_node);
}

std::optional<Values> Rewriter::folded(Op op, const Attributes& attributes,
                                       const std::vector<TensorId>& inputs, const Tensor& output) const {
    const Node node{"", op, {}, {}, attributes};
    NodeView view{node, {}, output};
    std::vector<const Values*> values;
    for (const auto id : inputs) {
        if (!(*this)[id].is_constant()) return std::nullopt;
        view.operands.push_back(&(*this)[id]);
        values.push_back(&*(*this)[id].constant);
    }
    auto computed = run_node(view, values);
    if (!computed) return std::nullopt;
    return *std::move(computed);
}

std::optional<TensorId> Rewriter::emit(Op op, Attributes attributes, std::vector<TensorId> inputs,
                                       const std::string& hint, Result result) {
    Tensor tensor;
    tensor.shape = std::move(result.shape);
    tensor.layout = result.layout;
    tensor.inner = result.inner;
    tensor.type = result.type;
    if (!give_type(tensor, bounds(op, attributes, inputs, tensor.shape))) return std::nullopt;
    if (auto values = folded(op, attributes, inputs, tensor))
        return constant(hint, tensor.shape, *std::move(values), result.type);
    const auto id = this->tensor(hint, {});
    tensor.name = (*this)[id].name;
    draft_.graph.tensors[id] = std::move(tensor);
    const bool is_current = hint.starts_with(current_);
    put({is_current ? current_ : (*this)[id].name, op, std::move(inputs), {id}, std::move(attributes)},
        current_file_);
    return id;
}

TensorId Rewriter::tensor(const std::string& hint, Result result) {
    const auto id = static_cast<TensorId>(draft_.graph.tensors.size());
    Tensor made;
    made.name = fresh(hint);
    made.shape = std::move(result.shape);
    made.layout = result.layout;
    made.inner = result.inner;
    make_room(draft_.graph.tensors);
    draft_.graph.tensors.push_back(std::move(made));
    draft_.named_here.insert(id);
    producers_.push_back(-1);
    return id;
}

bool Rewriter::emit_as(TensorId output, Op op, Attributes attributes, std::vector<TensorId> inputs) {
    auto& tensor = draft_.graph.tensors[output];
    if (!give_type(tensor, bounds(op, attributes, inputs, tensor.shape))) return false;
    put({current_, op, std::move(inputs), {output}, std::move(attributes)}, current_file_);
    return true;
}

void Rewriter::replace(TensorId output, TensorId same) {
    const bool takes_name = draft_.named_here.erase(same) != 0;
    if (is_output(output) && !takes_name) {  // both names stay
        emit_as(output, Op::identity, {}, {same});
        return;
    }
    if (takes_name) {
        auto &kept = draft_.graph.tensors[same], &gone = draft_.graph.tensors[output];
        std::swap(kept.name, gone.name);
        kept.declared = gone.declared;
        kept.inner = gone.inner;
        draft_.named_here.insert(output);
    }
    if (outputs_.erase(output) != 0) {
        std::ranges::replace(draft_.graph.outputs, output, same);
        outputs_.insert(same);
    }
    same_[output] = same;
}

std::optional<TensorId> Rewriter::centred(TensorId integers, std::int32_t zero_point) {
    if (zero_point == 0) return integers;
    const auto key = fmt::format("{}-{}", integers, zero_point);
    if (const auto made = centred_.find(key); made != centred_.end()) return made->second;
    std::optional<TensorId> made;
    if ((*this)[integers].is_constant()) {
        made = centred_constant((*this)[integers], zero_point);
    } else {
        const auto zero = constant((*this)[integers].name + "_zero_point", {}, {{zero_point}, {}});
        const auto& x = (*this)[integers];
        made = emit(Op::sub, {}, {integers, zero}, x.name + "_centred", {x.shape, x.layout, true});
    }
    if (made) centred_.emplace(key, *made);
    return made;
}

std::optional<TensorId> Rewriter::centred_constant(const Tensor& integers, std::int32_t zero_point) {
    if (!fits_32_bits(difference(*integers.range, {zero_point, zero_point}))) return std::nullopt;
    Values values = *integers.constant;
    for (auto& value : values.integers)
        value -= zero_point;
    return constant(integers.name + "_centred", Shape(integers.shape), std::move(values));
}

namespace {

std::vector<bool> needed_nodes(const Graph& graph) {
    std::vector<bool> wanted(graph.tensors.size()), needed(graph.nodes.size());
    for (const auto id : graph.outputs)
        wanted[id] = true;
    for (std::size_t i = graph.nodes.size(); i-- > 0;) {
        const auto& node = graph.nodes[i];
        needed[i] = std::ranges::any_of(node.outputs, [&](TensorId id) { return wanted[id]; });
        if (!needed[i]) continue;
        for (const auto id : node.inputs)
            wanted[id] = true;
    }
    return needed;
}

// Numbers that stand for fractions take the name that the file has for these, where nothing is left of them.
void take_names(Draft& draft, const std::vector<bool>& needed) {
    auto& graph = draft.graph;
    std::vector<bool> live(graph.tensors.size());
    for (const auto id : graph.inputs)
        live[id] = true;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        if (!needed[i]) continue;
        for (const auto id : graph.nodes[i].outputs)
            live[id] = true;
        for (const auto id : graph.nodes[i].inputs)
            live[id] = true;
    }
    for (const auto& node : graph.nodes) {
        if (node.op != Op::dequantize) continue;
        const auto integers = node.inputs[0], fractions = node.outputs[0];
        if (!live[integers] || live[fractions] || graph[integers].is_constant() ||
            draft.named_here.contains(fractions))
            continue;
        if (draft.named_here.erase(integers) == 0) continue;
        std::swap(graph.tensors[integers].name, graph.tensors[fractions].name);
        draft.named_here.insert(fractions);
    }
}


}  // namespace

// The fractions of a constant that has codes alone.
void give_values(Draft& draft, TensorId id) {
    auto& tensor = draft.graph.tensors[id];
    const auto found = draft.codes.find(id);
    if (found == draft.codes.end() || !tensor.constant->floats.empty() || !tensor.constant->integers.empty())
        return;
    const auto& codes = draft.graph[*found->second.tensor];
    const Node node{"", Op::dequantize, {}, {}, DequantizeAttributes{found->second.affine}};
    const Values* const values[] = {&*codes.constant};
    tensor.constant = run_node({node, {&codes}, tensor}, values).value();
}

void drop_unneeded(Draft& draft) {
    auto& graph = draft.graph;
    const auto needed = needed_nodes(graph);
    take_names(draft, needed);
    std::vector<bool> used(graph.tensors.size());
    for (const auto* ids : {&graph.inputs, &graph.outputs})
        for (const auto id : *ids)
            used[id] = true;
    std::size_t nodes = 0;  // that stay; each moves to its place at once, so that none is there twice
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        if (!needed[i]) continue;
        for (const auto* ids : {&graph.nodes[i].inputs, &graph.nodes[i].outputs})
            for (const auto id : *ids) {
                if (!used[id]) give_values(draft, id);
                used[id] = true;
            }
        if (i != nodes) graph.nodes[nodes] = std::move(graph.nodes[i]);
        draft.files_nodes[nodes++] = draft.files_nodes[i];
    }
    graph.nodes.resize(nodes);
    draft.files_nodes.resize(nodes);
    std::vector<TensorId> moved(graph.tensors.size());
    TensorId kept = 0;
    for (std::size_t id = 0; id < graph.tensors.size(); ++id) {
        if (!used[id]) continue;
        if (id != kept) graph.tensors[kept] = std::move(graph.tensors[id]);
        moved[id] = kept++;
    }
    graph.tensors.resize(kept);
    draft.codes.clear();
    draft.named_here.clear();
    const auto renumber = [&](std::vector<TensorId>& ids) {
        for (auto& id : ids)
            id = moved[id];
    };
    for (auto& node : graph.nodes)
        renumber(node.inputs), renumber(node.outputs);
    renumber(graph.inputs), renumber(graph.outputs);
}

}  // namespace fard::model
