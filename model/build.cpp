#include "model/build.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "base/suggest.hpp"
#include "model/constant_operators.hpp"
#include "model/constants.hpp"
#include "model/domains.hpp"
#include "model/functions.hpp"
#include "model/infer.hpp"
#include "model/lower.hpp"
#include "model/operators.hpp"
#include "model/passes/moves.hpp"
#include "model/reference.hpp"
#include "model/sort.hpp"
#include "model/tables.hpp"
#include "model/typing.hpp"

namespace fard::model {
namespace {

// Elements that are read and made for constants computed here; beyond these, several for each that the file stores.
constexpr std::uint64_t max_fold_work = std::uint64_t{1} << 27;
// Such constants have as many elements as these together: some, and several times what the file stores.
constexpr std::uint64_t max_folded_elements = std::uint64_t{1} << 18, max_folds_of_stored = 16;

// Nodes that others are made of.
constexpr std::size_t max_parts_made = std::size_t{1} << 13, max_parts_of_nodes = 8;

// Their second operand is a list, which may be empty.
constexpr std::string_view lists_behind[] = {"Reshape", "ReduceSum", "ReduceMean", "Squeeze", "Unsqueeze"};

// Reads the nodes in their order; every step leaves a graph whose tensors are typed.
class Builder final : Parts {
  public:
    explicit Builder(RawGraph raw) : raw_(std::move(raw)) {
        built_.graph.name = raw_.name;
        built_.graph.nodes.reserve(raw_.nodes.size());
        built_.graph.tensors.reserve(raw_.inputs.size() + raw_.initializers.size() + raw_.nodes.size());
    }

    Result<Draft> run() {
        const auto order = sorted_nodes(raw_);
        if (!order) return fail(order.error());
        find_other_readers();
        for (const auto& input : raw_.inputs)
            if (auto done = add_input(input); !done) return fail(done.error());
        for (auto& stored : raw_.initializers)
            if (auto done = add_stored(std::move(stored)); !done) return fail(done.error());
        for (const auto position : *order) {
            auto& node = raw_.nodes[position];
            if (auto done = add_node(node); !done) return fail_in(node.label(), done.error());
            RawNode read;  // nobody asks more of it than these names
            read.outputs = std::move(node.outputs);
            node = std::move(read);
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

    // Of the type that an annotation says, else of the one wanted, where it holds the values.
    Result<> add_constant(RawTensor raw, DataType wanted = {}) {
        const auto* annotated = raw_.annotation(raw.name, "finn_datatype");
        const auto type = wanted.name();
        if (annotated == nullptr && wanted.is_integer()) annotated = &type;
        if (raw.beyond) beyond_.emplace(static_cast<TensorId>(graph().tensors.size()), *raw.beyond);
        return add(typed_constant(std::move(raw), annotated));
    }

    Result<> add_stored(RawTensor raw) {
        stored_elements_ += elements(raw.shape);
        return add_constant(std::move(raw));
    }

    Result<> add_input(const RawValue& input) {
        auto tensor = typed_input(raw_, input);
        if (!tensor) return fail(tensor.error());
        const bool open =
            tensor->layout == Layout::nchw && raw_.annotation(input.name, "tensor_layout") == nullptr;
        if (open && reads_channels_last(raw_, input.name)) tensor->layout = Layout::nhwc;
        graph().inputs.push_back(static_cast<TensorId>(graph().tensors.size()));
        return add(*std::move(tensor));
    }

    Result<> add_node(const RawNode& node) {
        if (node.domain.empty() && node.op == "Constant") {
            auto constant = read_constant_node(node);
            if (!constant) return fail(constant.error());
            return add_stored(*std::move(constant));
        }
        if (computes_constant(node)) return add_computed(node);
        std::vector<const Tensor*> operands;
        for (const auto& name : node.inputs)
            operands.push_back(name.empty() ? nullptr : &graph().tensors[ids_.at(name)]);
        if (const auto* lowered = find_lowered(node, operands, raw_.opset)) return add_lowered(node, *lowered);
        const auto* row = find_operator(node.domain, node.op);
        if (row == nullptr)
            return fail(Fault::unsupported,
                        "fard does not run this operator{}; replace it by others when the model is exported",
                        did_you_mean(node.op, supported_operators()));
        if (auto done = check_opset(node); !done) return done;
        if (auto done = check_attributes(node, row->attributes); !done) return done;
        auto in = operands_of(node, row->min_operands, row->max_operands);
        if (!in) return fail(in.error());
        if (node.domain == own_domain && node.op == "TruncStep") return add_trunc_step(*in);
        if (node.domain.empty() && node.op == "Size") {
            RawTensor size{node.outputs[0], "INT64", {}, {}};
            size.add(static_cast<std::int64_t>(in->operands[0]->elements()));
            return add_constant(std::move(size));
        }
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

    // Before opset 7 operators broadcast, train and stand in lists of outputs in other ways; these do not.
    Result<> check_opset(const RawNode& node) const {
        constexpr std::string_view same[] = {"Conv",          "Flatten",     "Gather",   "GlobalAveragePool",
                                             "GlobalMaxPool", "HardSigmoid", "Identity", "LeakyRelu",
                                             "MatMul",        "MaxPool",     "Relu",     "Shape",
                                             "Sigmoid",       "Softmax",     "Sqrt",     "Squeeze",
                                             "Tanh",          "Transpose",   "Unsqueeze",
                                             "ConvTranspose", "DepthToSpace", "LRN",    "SpaceToDepth",
                                             "ArgMax",        "ArgMin",      "ReduceMean", "ReduceSum",
                                             "InstanceNormalization"};
        if (find_function(node.op) != nullptr || find_reduction(node.op) != nullptr) return {};
        if (raw_.opset >= 7 || !node.stands_for.empty() || !node.domain.empty() || std::ranges::find(same, node.op) != std::end(same))
            return {};
        return fail(
            Fault::unsupported,
            "is of opset {}, and means something else there; fard reads it from 7 on: convert the model "
            "(onnx.version_converter)",
            raw_.opset);
    }

    // Some of those that make constants also run on tensors that are computed.
    bool computes_constant(const RawNode& node) const {
        if (!makes_constants(node)) return false;
        constexpr std::string_view both[] = {"Equal", "Expand", "Where"};
        return std::ranges::find(both, node.op) == std::end(both) ||
               std::ranges::all_of(node.inputs, [&](const auto& name) {
                   return name.empty() || built_.graph[ids_.at(name)].is_constant();
               });
    }

    // An operator that is made of others.
    Result<> add_lowered(const RawNode& node, const LoweredRow& row) {
        if (auto done = check_opset(node); !done) return done;
        if (auto done = check_attributes(node, row.attributes); !done) return done;
        const auto count = node.inputs.size();
        if (count < row.min_operands || count > row.max_operands)
            return fail(Fault::invalid_input, "has {} operands, and fard reads {} (opset {})", count,
                        operand_counts(row.min_operands, row.max_operands), raw_.opset);
        for (std::size_t i = 0; i < count; ++i) {
            if (node.inputs[i].empty()) {
                if (i < row.min_operands) return fail(Fault::invalid_input, "operand {} is left out", i);
                continue;
            }
            const auto id = ids_.at(node.inputs[i]);
            if (i == 0 && graph()[id].elements() == 0)
                return fail(Fault::invalid_input, "operand '{}' is empty", node.inputs[i]);
            give_values(built_, id);
        }
        built_.altered = true;
        Lowering lowering(node, *this);
        row.lower(lowering);
        return lowering.done();
    }

    Result<> add_part(RawNode node) override {
        if (++parts_ > max_parts_made + max_parts_of_nodes * raw_.nodes.size())
            return fail(Fault::unsupported, "is made of more others than a file of {} nodes may have", raw_.nodes.size());
        ++parts_within_;
        auto done = add_node(node);
        --parts_within_;
        return done;
    }
    Result<> add_part(RawTensor constant) override { return add_constant(std::move(constant)); }
    bool may_make(std::uint64_t elements) override {
        folded_elements_ += elements;
        return folded_elements_ <= max_folded_elements + max_folds_of_stored * stored_elements_;
    }
    const Tensor& tensor(const std::string& name) const override { return built_.graph[ids_.at(name)]; }
    std::int64_t opset() const override { return raw_.opset; }
    std::string fresh_name(const std::string& hint) override {
        if (names_.empty())
            for (const auto& node : raw_.nodes)
                names_.insert(node.outputs.begin(), node.outputs.end());
        auto name = hint;
        for (int i = 1; ids_.contains(name) || !names_.insert(name).second; ++i)
            name = fmt::format("{}_{}", hint, i);
        return name;
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

    // An operator on constants alone.
    Result<> add_computed(const RawNode& node) {
        std::vector<const Tensor*> operands;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            if (!node.inputs[i].empty())
                if (auto done = check_32_bits(node, i); !done) return done;
            operands.push_back(node.inputs[i].empty() ? nullptr : &graph().tensors[ids_.at(node.inputs[i])]);
        }
        auto made = make_constant(node, operands, [&](const Shape& shape) {
            if (!require_size(node.outputs[0], shape, true)) return false;
            folded_elements_ += elements(shape);
            return folded_elements_ <= max_folded_elements + max_folds_of_stored * stored_elements_;
        });
        if (!made) return fail(made.error());
        return add_constant(*std::move(made));
    }

    // The power of two that is nearest to the scale behind a Trunc divided by the one before it.
    Result<> add_trunc_step(const OperatorInput& in) {
        if (!in[0].is_constant() || !in[1].is_constant())
            return fail(Fault::unsupported, "has scales that are not constants");
        const auto after = numbers_of(in[0]), before = numbers_of(in[1]);
        const auto& longer = after.size() >= before.size() ? in[0] : in[1];
        if (after.size() != before.size() && after.size() != 1 && before.size() != 1)
            return fail(Fault::invalid_input, "has {} scales before and {} behind it", before.size(),
                        after.size());
        RawTensor step{in.node.outputs[0], "FLOAT32", longer.shape, {}};
        for (std::size_t i = 0; i < longer.elements(); ++i) {
            const auto ratio = after[after.size() == 1 ? 0 : i] / before[before.size() == 1 ? 0 : i];
            if (!(ratio > 0) || !std::isfinite(ratio))
                return fail(Fault::invalid_input, "has scales that are not above 0");
            step.values.floats.push_back(
                static_cast<float>(std::exp2(rounded(Rounding::half_even, std::log2(ratio)))));
        }
        return add_constant(std::move(step));
    }

    Result<OperatorInput> operands_of(const RawNode& node, std::size_t least, std::size_t most) {
        OperatorInput in{node, raw_.opset, {}};
        if (node.inputs.size() < least || node.inputs.size() > most)
            return fail(node.inputs.size() < least ? Fault::invalid_input : Fault::unsupported,
                        "has {} operands, and fard reads {} (opset {})", node.inputs.size(),
                        operand_counts(least, most), raw_.opset);
        if (std::count_if(node.outputs.begin(), node.outputs.end(),
                          [](const auto& name) { return !name.empty(); }) != 1 ||
            node.outputs[0].empty())
            return fail(Fault::unsupported, "has {} outputs{}; fard computes its first alone",
                        node.outputs.size(), node.op == "BatchNormalization" ? ", as in training mode" : "");
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
            if (auto done = check_32_bits(node, i); !done) return fail(done.error());
            in.operands.push_back(&operand);
        }
        return in;
    }

    // What does not fit 32 bits may say how far a Slice goes, or be moved on to it.
    Result<> check_32_bits(const RawNode& node, std::size_t operand) const {
        const auto found = beyond_.find(ids_.at(node.inputs[operand]));
        if (found == beyond_.end()) return {};
        constexpr std::string_view moving[] = {"Concat",  "Gather",  "Identity",
                                               "Reshape", "Squeeze", "Unsqueeze"};
        const bool bound = node.op == "Slice" && operand <= 2;
        const bool wide = node.op == "Cast" && AttributeReader(node).integer("to", 0) == 7;
        const bool moved = (operand == 0 || node.op == "Concat") && std::ranges::find(moving, node.op) != std::end(moving);
        if (bound || wide || moved) return {};
        return fail(Fault::unsupported, "reads '{}', which holds {}; fard computes with integers of 32 bits",
                    node.inputs[operand], found->second);
    }

    // Whether a constant that was moved still holds such values, as the nearest ones.
    void keep_beyond(const OperatorInput& in, RawTensor& moved) const {
        const std::size_t moved_operands = in.node.op == "Concat" ? in.node.inputs.size() : 1;
        for (std::size_t i = 0; i < moved_operands; ++i) {
            const auto found = beyond_.find(ids_.at(in.node.inputs[i]));
            if (found == beyond_.end()) continue;
            if (std::ranges::any_of(moved.values.integers, [](auto value) {
                    return value == std::numeric_limits<std::int32_t>::min() ||
                           value == std::numeric_limits<std::int32_t>::max();
                }))
                moved.beyond = found->second;
        }
    }

    // The typed node with its output tensor, whose annotation is checked against what was derived.
    Result<std::pair<Node, Tensor>> draft(const OperatorInput& in, Op op, OperatorResult result,
                                          bool constant = false) {
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
        if (auto done = require_size(output.name, output.shape, constant); !done) return fail(done.error());
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

    // Computes a node of constants by the reference interpreter.
    Result<> fold(const OperatorInput& in, Op op, OperatorResult result) {
        const auto quantized = result.type;
        auto drafted = draft(in, op, std::move(result), true);
        if (!drafted) return fail(drafted.error());
        auto& [node, output] = *drafted;
        std::vector<const Tensor*> operands;
        for (const auto id : node.inputs)
            operands.push_back(&graph().tensors[id]);
        folded_elements_ += output.elements();
        const bool many = folded_elements_ > max_folded_elements + max_folds_of_stored * stored_elements_;
        if (!many && op == Op::dequantize && !read_by_others_.contains(output.name) &&
            makes_fractions(node.as<DequantizeAttributes>().affine, *operands[0]))
            return add_unmade(std::move(output), node);
        const auto work = work_of(node, operands, output);
        const auto most_work = max_fold_work + max_folds_of_stored * stored_elements_;
        if (many || work > most_work - fold_work_)
            return fail(Fault::unsupported,
                        "computes a constant of too many elements; fold it when the model is exported");
        fold_work_ += work;
        std::vector<const Values*> values;
        for (const auto* operand : operands)
            values.push_back(&*operand->constant);
        auto computed = run_node({node, operands, output}, values);
        if (!computed) return fail(computed.error());
        auto codes = codes_of(node, operands, output);
        if (op == Op::quantize && parts_within_ == 0) let_go(node.inputs[0]);
        RawTensor made{output.name, output.declared, output.shape, *std::move(computed)};
        keep_beyond(in, made);
        const bool as_before = operands.size() == 1 && only_moves(node);
        const auto wanted = as_before ? operands[0]->type : quantized.value_or(DataType());
        if (auto done = add_constant(std::move(made), wanted); !done) return done;
        if (codes) built_.codes.emplace(ids_.at(output.name), *std::move(codes));
        return {};
    }

    // The fractions that weights are stored as take four bytes each, and nobody else reads them.
    void let_go(TensorId fractions) {
        auto& tensor = graph().tensors[fractions];
        if (reads_[tensor.name] == 1) std::vector<float>().swap(tensor.constant->floats);
    }

    // Elements that are read and written.
    static std::uint64_t work_of(const Node& node, const std::vector<const Tensor*>& operands,
                                 const Tensor& output) {
        std::uint64_t work = output.elements();
        const auto times = [&](std::uint64_t each) {
            constexpr auto most = std::numeric_limits<std::uint64_t>::max();
            work = each > 0 && work > most / each ? most : work * each;
        };
        const auto& x = *operands[0];
        if (node.op == Op::conv)
            times(operands[1]->elements() / static_cast<std::uint64_t>(operands[1]->shape[0]));
        else if (node.op == Op::matmul)
            times(static_cast<std::uint64_t>(x.shape.back()));
        else if (node.op == Op::gemm)
            times(static_cast<std::uint64_t>(x.shape[node.as<GemmAttributes>().transpose_a ? 0 : 1]));
        else if (node.op == Op::multi_threshold)
            times(static_cast<std::uint64_t>(operands[1]->shape[1]));
        else if (const auto* pool = std::get_if<PoolAttributes>(&node.attributes))
            times(static_cast<std::uint64_t>(pool->kernel.height * pool->kernel.width));
        for (const auto* operand : operands)
            work += operand->elements();
        return work;
    }

    // Whether any of these integers stands for a number that is not whole: only then are they fractions to all who
    // read them, whether or not these take the codes.
    static bool makes_fractions(const Affine& affine, const Tensor& codes) {
        const auto& values = codes.constant->integers;
        const auto channels = affine.scale.size();
        std::size_t inner = 1;
        if (channels > 1) inner = elements(Shape(codes.shape.begin() + affine.axis + 1, codes.shape.end()));
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto c = channels == 1 ? 0 : i / inner % channels;
            const auto value =
                static_cast<float>((static_cast<double>(values[i]) - affine.zero_point[c]) * affine.scale[c]);
            if (value != std::rint(value) || std::abs(value) >= 0x1p31F) return true;
        }
        return false;
    }

    // A constant that products alone read: by its codes, as long as they can.
    Result<> add_unmade(Tensor output, const Node& node) {
        const auto id = static_cast<TensorId>(graph().tensors.size());
        output.layout = Layout::none;
        output.constant.emplace();
        built_.codes.emplace(id, StoredCodes{node.inputs[0], {}, node.as<DequantizeAttributes>().affine, {}});
        return add(std::move(output));
    }

    // What else than a product's second operand reads.
    void find_other_readers() {
        for (const auto& node : raw_.nodes) {
            const bool product =
                node.domain.empty() && (node.op == "Conv" || node.op == "Gemm" || node.op == "MatMul");
            for (std::size_t i = 0; i < node.inputs.size(); ++i) {
                ++reads_[node.inputs[i]];
                if (!product || i != 1) read_by_others_.insert(node.inputs[i]);
            }
        }
        for (const auto& output : raw_.outputs) {
            ++reads_[output.name];
            read_by_others_.insert(output.name);
        }
    }

    // The integers behind a constant of fractions: before a dequantize, or what a move makes of them.
    std::optional<StoredCodes> codes_of(const Node& node, const std::vector<const Tensor*>& operands,
                                        const Tensor& output) const {
        if (node.op == Op::dequantize)
            return StoredCodes{node.inputs[0], {}, node.as<DequantizeAttributes>().affine, {}};
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
        const auto type = own.tensor ? built_.graph[*own.tensor].type : own.type;
        return StoredCodes{std::nullopt, std::move(result->integers), std::move(affine), type};
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
            graph().outputs.push_back(id);  // whatever shape the file promises: exporters guess some
        }
        return {};
    }

    RawGraph raw_;
    Draft built_;
    std::unordered_map<std::string, TensorId> ids_;
    std::unordered_set<std::string> read_by_others_;
    std::unordered_map<std::string, std::size_t> reads_;  // of each tensor, by nodes of the file and as output
    std::unordered_set<std::string> names_;  // of the file, and those that are given here
    std::unordered_map<TensorId, std::int64_t>
        beyond_;                         // constants with values of more than 32 bits, and one of these
    std::size_t parts_ = 0;
    int parts_within_ = 0;               // how deep the node that is added is within those that are made of others
    std::uint64_t stored_elements_ = 0;  // of the file's constants
    std::uint64_t fold_work_ = 0, folded_elements_ = 0;
};

}  // namespace

Result<Draft> build_graph(RawGraph raw) {
    return Builder(std::move(raw)).run();
}

}  // namespace fard::model
