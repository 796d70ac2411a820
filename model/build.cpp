#include "model/build.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "model/constants.hpp"
#include "model/infer.hpp"
#include "model/operators.hpp"
#include "model/passes/moves.hpp"
#include "model/reference.hpp"
#include "model/sort.hpp"
#include "model/typing.hpp"

namespace fard::model {
namespace {

// Elements that are read and made for constants computed here.
constexpr std::uint64_t max_fold_work = std::uint64_t{1} << 27;
// Such constants have as many elements as these together: some, and several times what the file stores.
constexpr std::uint64_t max_folded_elements = std::uint64_t{1} << 18, max_folds_of_stored = 16;

// Their second operand is a list, which may be empty.
constexpr std::string_view lists_behind[] = {"Reshape", "ReduceSum", "ReduceMean", "Squeeze", "Unsqueeze"};

// Reads the nodes in their order; every step leaves a graph whose tensors are typed.
class Builder {
  public:
    explicit Builder(RawGraph raw) : raw_(std::move(raw)) { built_.graph.name = raw_.name; }

    Result<Draft> run() {
        const auto order = sorted_nodes(raw_);
        if (!order) return fail(order.error());
        find_other_readers();
        for (const auto& input : raw_.inputs)
            if (auto done = add_input(input); !done) return fail(done.error());
        for (auto& stored : raw_.initializers)
            if (auto done = add_stored(std::move(stored)); !done) return fail(done.error());
        for (const auto position : *order) {
            const auto& node = raw_.nodes[position];
            if (auto done = add_node(node); !done) return fail_in(node.label(), done.error());
        }
        if (auto done = add_outputs(); !done) return fail(done.error());
        return std::move(built_);
    }

  private:
    Graph& graph() { return built_.graph; }

    Result<> add(Tensor tensor) {
        const auto id = static_cast<TensorId>(graph().tensors.size());
        if (tensor.name.empty()) return fail(Fault::corrupt, "the graph has a tensor without a name");
        if (!ids_.emplace(tensor.name, id).second)
            return fail(Fault::corrupt, "two tensors are named '{}'", tensor.name);
        graph().tensors.push_back(std::move(tensor));
        return {};
    }

    Result<> add_constant(RawTensor raw) {
        const auto* annotated = raw_.annotation(raw.name, "finn_datatype");
        auto tensor = typed_constant(std::move(raw), annotated);
        if (!tensor) return fail(tensor.error());
        return add(*std::move(tensor));
    }

    Result<> add_stored(RawTensor raw) {
        stored_elements_ += elements(raw.shape);
        return add_constant(std::move(raw));
    }

    Result<> add_input(const RawValue& input) {
        auto tensor = typed_input(raw_, input);
        if (!tensor) return fail(tensor.error());
        graph().inputs.push_back(static_cast<TensorId>(graph().tensors.size()));
        return add(*std::move(tensor));
    }

    Result<> add_node(const RawNode& node) {
        if (node.domain.empty() && node.op == "Constant") {
            auto constant = read_constant_node(node);
            if (!constant) return fail(constant.error());
            return add_stored(*std::move(constant));
        }
        const auto* row = find_operator(node.domain, node.op);
        if (row == nullptr)
            return fail(Fault::unsupported, "fard does not run this operator; it runs {}",
                        supported_operators());
        auto in = operands_of(node, row->min_operands, row->max_operands);
        if (!in) return fail(in.error());
        if (node.domain.empty() && node.op == "Shape") return add_shape(node, in->operands[0]->shape);
        const bool constant = std::all_of(in->operands.begin(), in->operands.end(), [](const Tensor* each) {
            return each == nullptr || each->is_constant();
        });
        auto result = row->read(*in);
        if (!result) return fail(result.error());
        const auto op = result->op.value_or(row->op);
        if (constant) return fold(*in, op, *std::move(result));
        if (result->op == Op::identity && built_.named_here.contains(ids_.at(node.inputs[0])))
            return rename(ids_.at(node.inputs[0]), node.outputs[0]);
        return append(*in, op, *std::move(result));
    }

    // The integers of a quantizer stand for themselves: there is nothing between them and the file's tensor.
    Result<> rename(TensorId id, const std::string& name) {
        if (!ids_.emplace(name, id).second) return fail(Fault::corrupt, "two tensors are named '{}'", name);
        graph().tensors[id].name = name;
        built_.named_here.erase(id);
        return {};
    }

    // Shape: a list of extents, from attribute `start` up to `end`.
    Result<> add_shape(const RawNode& node, const Shape& shape) {
        const auto rank = static_cast<std::int64_t>(shape.size());
        AttributeReader attributes(node);
        const auto within = [&](std::int64_t at) {
            return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank);
        };
        const auto start = within(attributes.integer("start", 0));
        const auto end = std::max(start, within(attributes.integer("end", rank)));
        if (auto done = attributes.done(); !done) return done;
        RawTensor list{node.outputs[0], "INT64", {end - start}, {}};
        list.values.integers.assign(shape.begin() + start, shape.begin() + end);
        return add_constant(std::move(list));
    }

    Result<OperatorInput> operands_of(const RawNode& node, std::size_t least, std::size_t most) {
        OperatorInput in{node, raw_.opset, {}};
        if (node.inputs.size() < least || node.inputs.size() > most)
            return fail(Fault::invalid_input, "has {} operands", node.inputs.size());
        if (std::count_if(node.outputs.begin(), node.outputs.end(),
                          [](const auto& name) { return !name.empty(); }) != 1 ||
            node.outputs[0].empty())
            return fail(Fault::unsupported, "has {} outputs; fard computes its first alone",
                        node.outputs.size());
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            if (node.inputs[i].empty()) {
                if (i < least) return fail(Fault::invalid_input, "operand {} is left out", i);
                in.operands.push_back(nullptr);
                continue;
            }
            const auto& operand = graph().tensors[ids_.at(node.inputs[i])];
            const bool list = i == 1 && std::ranges::find(lists_behind, node.op) != std::end(lists_behind);
            if (operand.elements() == 0 && !list)
                return fail(Fault::invalid_input, "operand '{}' is empty", operand.name);
            in.operands.push_back(&operand);
        }
        return in;
    }

    // The typed node with its output tensor, whose annotation is checked against what was derived.
    Result<std::pair<Node, Tensor>> draft(const OperatorInput& in, Op op, OperatorResult result) {
        Node node{in.node.name.empty() ? in.node.outputs[0] : in.node.name,
                  op,
                  {},
                  {},
                  std::move(result.attributes)};
        for (const auto operand : result.kept)
            node.inputs.push_back(ids_.at(in.node.inputs[operand]));
        Tensor output;
        output.name = in.node.outputs[0];
        output.shape = std::move(result.shape);
        output.layout = layout_of(raw_, output, result.layout);
        output.declared = std::move(result.declared);
        if (auto done = require_size(output.name, output.shape); !done) return fail(done.error());
        std::vector<const Tensor*> operands;
        for (const auto id : node.inputs)
            operands.push_back(&graph().tensors[id]);
        const auto bounds = result_bounds(op, node.attributes, operands, output.shape);
        if (auto done = give_type(raw_, output, bounds, result.type); !done) return fail(done.error());
        return std::pair{std::move(node), std::move(output)};
    }

    Result<> append(const OperatorInput& in, Op op, OperatorResult result) {
        auto drafted = draft(in, op, std::move(result));
        if (!drafted) return fail(drafted.error());
        auto& [node, output] = *drafted;
        node.outputs = {static_cast<TensorId>(graph().tensors.size())};
        if (in.node.made_here) built_.named_here.insert(node.outputs[0]);
        if (auto done = add(std::move(output)); !done) return done;
        graph().nodes.push_back(std::move(node));
        built_.files_nodes.push_back(in.node.index);
        return {};
    }

    // Computes a node of constants by the reference interpreter. Of those that cost more than their result,
    // none.
    Result<> fold(const OperatorInput& in, Op op, OperatorResult result) {
        constexpr Op costly[] = {Op::conv, Op::matmul, Op::gemm, Op::average_pool, Op::max_pool};
        if (std::find(std::begin(costly), std::end(costly), op) != std::end(costly))
            return fail(Fault::unsupported, "computes a constant; fold it when the model is exported");
        auto drafted = draft(in, op, std::move(result));
        if (!drafted) return fail(drafted.error());
        auto& [node, output] = *drafted;
        std::vector<const Tensor*> operands;
        std::uint64_t work = output.elements();
        for (const auto id : node.inputs) {
            operands.push_back(&graph().tensors[id]);
            work += operands.back()->elements();
        }
        if (op == Op::multi_threshold) work *= static_cast<std::uint64_t>(operands[1]->shape[1]);
        fold_work_ += work;
        folded_elements_ += output.elements();
        if (fold_work_ > max_fold_work ||
            folded_elements_ > max_folded_elements + max_folds_of_stored * stored_elements_)
            return fail(Fault::unsupported,
                        "computes a constant of too many elements; fold it when the model is exported");
        if (op == Op::dequantize && !read_by_others_.contains(output.name))
            return add_unmade(std::move(output), node);
        std::vector<const Values*> values;
        for (const auto* operand : operands)
            values.push_back(&*operand->constant);
        auto computed = run_node({node, operands, output}, values);
        if (!computed) return fail(computed.error());
        auto codes = codes_of(node, operands, output);
        if (auto done = add_constant({output.name, output.declared, output.shape, *std::move(computed)});
            !done)
            return done;
        if (codes) built_.codes.emplace(ids_.at(output.name), *std::move(codes));
        return {};
    }

    // A constant that products alone read: by its codes, as long as they can.
    Result<> add_unmade(Tensor output, const Node& node) {
        const auto id = static_cast<TensorId>(graph().tensors.size());
        output.layout = Layout::none;
        output.constant.emplace();
        built_.codes.emplace(id, StoredCodes{node.inputs[0], {}, node.as<DequantizeAttributes>().affine});
        return add(std::move(output));
    }

    // What else than a product's second operand reads.
    void find_other_readers() {
        for (const auto& node : raw_.nodes) {
            const bool product =
                node.domain.empty() && (node.op == "Conv" || node.op == "Gemm" || node.op == "MatMul");
            for (std::size_t i = 0; i < node.inputs.size(); ++i)
                if (!product || i != 1) read_by_others_.insert(node.inputs[i]);
        }
        for (const auto& output : raw_.outputs)
            read_by_others_.insert(output.name);
    }

    // The integers behind a constant of fractions: before a dequantize, or what a move makes of them.
    std::optional<StoredCodes> codes_of(const Node& node, const std::vector<const Tensor*>& operands,
                                        const Tensor& output) const {
        if (node.op == Op::dequantize)
            return StoredCodes{node.inputs[0], {}, node.as<DequantizeAttributes>().affine};
        const auto before = built_.codes.find(node.inputs[0]);
        if (before == built_.codes.end() || operands.size() != 1 || !only_moves(node)) return std::nullopt;
        const auto axis = moved_axis(node, operands[0]->shape, output.shape, before->second.affine.axis);
        if (!axis) return std::nullopt;
        Tensor integers = *operands[0], moved = output;
        integers.type = moved.type = DataType::sint(32);
        const auto& own = before->second;
        const Values codes{own.tensor ? built_.graph[*own.tensor].constant->integers : own.integers, {}};
        const Values* const values[] = {&codes};
        auto result = run_node({node, {&integers}, moved}, values);
        if (!result) return std::nullopt;
        auto affine = before->second.affine;
        affine.axis = *axis;
        return StoredCodes{std::nullopt, std::move(result->integers), std::move(affine)};
    }

    Result<> add_outputs() {
        if (raw_.outputs.empty()) return fail(Fault::invalid_input, "the graph has no output");
        for (const auto& output : raw_.outputs) {
            const auto id = ids_.at(output.name);
            const auto& tensor = graph()[id];
            if (tensor.is_constant())
                return fail(Fault::unsupported, "output '{}' is a constant: it depends on no input",
                            output.name);
            if (std::find(graph().outputs.begin(), graph().outputs.end(), id) != graph().outputs.end())
                return fail(Fault::invalid_input, "output '{}' is listed twice", output.name);
            if (!output.declared.empty() && output.declared != tensor.declared)
                return fail(Fault::invalid_input, "output '{}' is declared as {}, but is computed as {}",
                            output.name, output.declared, tensor.declared);
            if (output.shape && !same_shape(*output.shape, tensor.shape))
                return fail(Fault::invalid_input, "output '{}' is declared as {}, but is computed as {}",
                            output.name, shown(*output.shape), shown(tensor.shape));
            graph().outputs.push_back(id);
        }
        return {};
    }

    static bool same_shape(const Shape& declared, const Shape& computed) {
        return std::equal(declared.begin(), declared.end(), computed.begin(), computed.end(),
                          [](auto a, auto b) { return a == -1 || a == b; });
    }

    RawGraph raw_;
    Draft built_;
    std::unordered_map<std::string, TensorId> ids_;
    std::unordered_set<std::string> read_by_others_;
    std::uint64_t stored_elements_ = 0;  // of the file's constants
    std::uint64_t fold_work_ = 0, folded_elements_ = 0;
};

}  // namespace

Result<Draft> build_graph(RawGraph raw) {
    return Builder(std::move(raw)).run();
}

}  // namespace fard::model
