// From graph to recipe: linear layers first, then operators that only rename elements, then the simple ones;
// what is left is interpreted.
#include <algorithm>
#include <cmath>

#include "overlays/soft/lower/chain.hpp"
#include "overlays/soft/lower/floats.hpp"
#include "overlays/soft/lower/linear.hpp"
#include "overlays/soft/lower/tables.hpp"
#include "overlays/soft/plan.hpp"
#include "overlays/soft/steps/batch_step.hpp"
#include "overlays/soft/steps/general_step.hpp"
#include "overlays/soft/steps/merge_steps.hpp"
#include "overlays/soft/steps/move_step.hpp"
#include "overlays/soft/steps/product_step.hpp"
#include "overlays/soft/steps/simple_steps.hpp"
#include "overlays/soft/steps/table_steps.hpp"

namespace fard::soft {
namespace {

using model::Node;
using model::Op;
using model::Tensor;
using model::TensorId;

// The graph axes in memory order, without those of extent 1.
std::vector<int> memory_axes(const Tensor& tensor, const Storage& storage) {
    std::vector<int> axes;
    const auto rank = static_cast<int>(tensor.shape.size());
    for (int i = 0; i < rank; ++i) {
        const int axis = !storage.channels_last || i == 0 ? i : i == 3 ? 1 : i + 1;
        if (tensor.shape[static_cast<std::size_t>(axis)] > 1) axes.push_back(axis);
    }
    return axes;
}

// The only value of a constant all of whose elements are equal.
std::optional<std::int64_t> uniform(const Tensor& tensor) {
    if (!tensor.is_constant() || !tensor.type.is_integer()) return std::nullopt;
    const auto& values = tensor.constant->integers;
    const bool equal = std::ranges::all_of(values, [&](auto value) { return value == values[0]; });
    return equal ? std::optional<std::int64_t>(values[0]) : std::nullopt;
}

class Compiler {
  public:
    Compiler(std::shared_ptr<const model::Graph> graph, const Kernels& kernels)
        : graph_(*graph),
          kernels_(kernels),
          buffers_(graph_.tensors.size()),
          known_(graph_.tensors.size()),
          placed_(graph_.tensors.size()),
          readers_(readers_of(graph_)),
          done_(graph_.nodes.size()) {
        recipe_.graph = std::move(graph);
        for (const auto& tensor : graph_.tensors)
            storages_.push_back(storage_of(tensor));
    }

    Recipe run() {
        for (const auto id : graph_.inputs)
            recipe_.inputs.push_back({buffer_for(id), storages_[id], graph_[id].type});
        for (const auto& node : graph_.nodes) {
            if (done_[number_of(node)]) continue;
            if (!lower_linear(node) && !lower_renaming(node) && !lower_offset(node) && !lower_functions(node) && !lower_each(node) &&
                !lower_table(node) && !lower_max_pool(node) && !lower_pixel_sum(node) &&
                !lower_channels_first(node) && !lower_requantize(node) && !lower_concat(node) &&
                !lower_product(node) && !lower_move(node) && !lower_as_fractions(node) &&
                !lower_table_row(node))
                lower_general(node);
            recipe_.names.resize(recipe_.steps.size(), node.name);
        }
        for (const auto id : graph_.outputs) {
            if (graph_[id].is_constant() && !known_[id]) {
                const auto buffer = buffer_for(id);
                recipe_.steps.push_back(make_constant_step(*graph_[id].constant, buffer, storages_[id]));
            }
            recipe_.outputs.push_back({buffers_[id], storages_[id], graph_[id].type});
        }
        recipe_.names.resize(recipe_.steps.size(), "constant");
        return std::move(recipe_);
    }

  private:
    std::size_t number_of(const Node& node) const {
        return static_cast<std::size_t>(&node - graph_.nodes.data());
    }

    BufferId buffer_for(TensorId id) {
        buffers_[id] = static_cast<BufferId>(recipe_.buffer_bytes.size());
        known_[id] = true;
        recipe_.buffer_bytes.push_back(storages_[id].bytes());
        return buffers_[id];
    }

    Route route(const Node& node) {
        const auto in = node.inputs[0], out = node.outputs[0];
        return {buffers_[in], buffer_for(out), storages_[in], storages_[out]};
    }

    bool lower_linear(const Node& node) {
        for (auto& found : find_linear(graph_, node, readers_)) {
            found.layer.in_buffer = buffers_[found.input];
            const Node* concat = concat_of(found);
            found.layer.out_buffer = concat ? buffer_of_concat(*concat) : next_buffer();
            if (concat) {
                found.layer.out_pitch = static_cast<std::size_t>(storages_[concat->outputs[0]].shape.back());
                found.layer.out_first = offset_within(*concat, found.output);
            }
            const auto& layer = found.layer;
            auto step =
                for_each_image(make_linear_step(kernels_, layer), layer.images,
                               storages_[found.input].bytes() / layer.images,
                               layer.window.out_pixels() * layer.pixel_pitch() * layer.out.element_bytes());
            if (!step) continue;
            if (concat)
                placed_[found.output] = true;
            else
                buffer_for(found.output);
            recipe_.steps.push_back(std::move(step));
            for (const auto* each : found.nodes)
                done_[number_of(*each)] = true;
            return true;
        }
        return false;
    }

    // The Concat into whose output the layer may write its own at once: it has bytes only, all of the same meaning, and reads
    // the layer alone. (Depthwise layers write whole pixels.)
    const Node* concat_of(const FoundLayer& found) const {
        const Node* next = readers_.sole[found.output];
        if (!next || next->op != Op::concat || found.layer.weights.groups != 1 || !concatenates_pixels(*next))
            return nullptr;
        return next;
    }

    // Whether lower_concat will take it, with bytes or fractions.
    bool concatenates_pixels(const Node& node) const {
        const auto& out = storages_[node.outputs[0]];
        if ((out.kind != Storage::Kind::u8 && out.kind != Storage::Kind::f32) ||
            node.as<model::AxisAttributes>().axis != last_axis(node.outputs[0]))
            return false;
        return std::ranges::all_of(node.inputs, [&](TensorId id) {
            const auto& in = storages_[id];
            return !graph_[id].is_constant() && in.channels_last == out.channels_last &&
                   out.same_elements(in) && in.shape.size() == out.shape.size();
        });
    }

    BufferId buffer_of_concat(const Node& node) {
        const auto out = node.outputs[0];
        return known_[out] ? buffers_[out] : buffer_for(out);
    }

    // Elements of a pixel of the Concat's output before those of its operand `id`.
    std::size_t offset_within(const Node& node, TensorId id) const {
        std::int64_t offset = 0;
        for (const auto input : node.inputs) {
            if (input == id) break;
            offset += storages_[input].shape.back();
        }
        return static_cast<std::size_t>(offset);
    }

    // The output's elements are the input's, in the same order in memory: no step at all.
    bool lower_renaming(const Node& node) {
        const auto in = node.inputs[0], out = node.outputs[0];
        if (graph_[in].is_constant() || !storages_[out].same_elements(storages_[in])) return false;
        const auto in_axes = memory_axes(graph_[in], storages_[in]);
        auto out_axes = memory_axes(graph_[out], storages_[out]);
        bool same = false;
        switch (node.op) {
            case Op::identity:
            case Op::cast:
                same = in_axes == out_axes;
                break;
            case Op::flatten:
            case Op::reshape:
                same = std::ranges::is_sorted(in_axes) && std::ranges::is_sorted(out_axes);
                break;
            case Op::transpose:
                for (auto& axis : out_axes)
                    axis = node.as<model::TransposeAttributes>().permutation[static_cast<std::size_t>(axis)];
                same = in_axes == out_axes;
                break;
            default:
                break;
        }
        if (same) rename(in, out);
        return same;
    }

    void rename(TensorId in, TensorId out) {
        buffers_[out] = buffers_[in];
        known_[out] = true;
    }

    // Codes plus or minus one constant: the same codes from another base, or a table.
    bool lower_offset(const Node& node) {
        if (node.op != Op::add && node.op != Op::sub) return false;
        const auto in = node.inputs[0], out = node.outputs[0];
        const auto constant = uniform(graph_[node.inputs[1]]);
        const auto &from = storages_[in], &to = storages_[out];
        const bool codes = from.kind == Storage::Kind::u8 && to.kind == Storage::Kind::u8;
        if (!constant || !codes || graph_[in].is_constant() || !from.same_places(to)) return false;
        const std::int64_t shift = from.base - to.base + (node.op == Op::add ? *constant : -*constant);
        if (shift == 0 && from.width <= to.width) {
            rename(in, out);
            return true;
        }
        std::vector<std::uint8_t> table(256);
        for (std::int64_t code = 0; code < 256; ++code)
            table[static_cast<std::size_t>(code)] = static_cast<std::uint8_t>(code + shift);
        recipe_.steps.push_back(make_table_step(route(node), std::move(table)));
        return true;
    }

    // From bytes over fractions to bytes.
    bool lower_functions(const Node& node) {
        const Surroundings around{graph_, kernels_, storages_, buffers_, readers_.sole};
        auto found = lower_chain(around, node, next_buffer());
        if (!found) return false;
        for (const auto* each : found->joined)
            done_[number_of(*each)] = true;
        return add_step(std::move(found->step), found->output);
    }

    // Operators that work element by element.
    bool lower_each(const Node& node) {
        const Surroundings around{graph_, kernels_, storages_, buffers_, readers_.sole};
        if (lower_into_concat(node)) return true;
        auto found = lower_floats(around, node, next_buffer());
        if (!found) found = lower_elementwise(around, node, next_buffer());
        if (!found) return false;
        if (found->joined) done_[number_of(*found->joined)] = true;
        return add_step(std::move(found->step), found->output);
    }

    // A linear layer over fractions that writes to its place in the result of a Concat.
    bool lower_into_concat(const Node& node) {
        const auto result = result_of_float_layer(storages_, readers_.sole, node);
        const Node* concat = result && !graph_.exact_fractions ? readers_.sole[*result] : nullptr;
        if (!concat || concat->op != Op::concat || !concatenates_pixels(*concat)) return false;
        const auto out = concat->outputs[0];
        const Surroundings around{graph_, kernels_, storages_, buffers_, readers_.sole};
        const auto buffer = known_[out] ? buffers_[out] : next_buffer();
        auto found = lower_floats(around, node, buffer,
                                  Place{static_cast<std::size_t>(storages_[out].shape.back()), offset_within(*concat, *result)});
        if (!found) return false;
        buffer_of_concat(*concat);
        placed_[found->output] = true;
        if (found->joined) done_[number_of(*found->joined)] = true;
        recipe_.steps.push_back(std::move(found->step));
        return true;
    }

    // Float operators on integers: these as fractions before.
    bool lower_as_fractions(const Node& node) {
        constexpr Op ops[] = {Op::conv,         Op::matmul,  Op::gemm, Op::batch_normalization, Op::average_pool,
                              Op::global_average_pool, Op::softmax};
        const auto in = node.inputs[0], out = node.outputs[0];
        if (std::ranges::find(ops, node.op) == std::end(ops) || graph_[in].is_constant() ||
            storages_[in].kind == Storage::Kind::f32 || storages_[out].kind != Storage::Kind::f32)
            return false;
        const Feed integers{buffers_[in], storages_[in], nullptr, graph_[in].shape};
        Storage fractions = integers.storage;
        fractions.kind = Storage::Kind::f32, fractions.base = fractions.width = 0;
        auto tensor = graph_[in];
        tensor.type = DataType::float32();
        const Outcome outcome{next_buffer(), fractions, tensor, node.name};
        recipe_.buffer_bytes.push_back(fractions.bytes());
        storages_[in] = fractions, buffers_[in] = outcome.buffer;  // while it is looked at
        const Surroundings around{graph_, kernels_, storages_, buffers_, readers_.sole};
        auto found = lower_floats(around, node, next_buffer());
        storages_[in] = integers.storage, buffers_[in] = integers.buffer;
        if (!found) {
            recipe_.buffer_bytes.pop_back();
            return false;
        }
        recipe_.steps.push_back(make_broadcast_step({integers}, outcome,
                                                    [](const double* const* from, double* to, std::size_t count) {
                                                        std::copy_n(from[0], count, to);
                                                    }));
        if (found->joined) done_[number_of(*found->joined)] = true;
        return add_step(std::move(found->step), found->output);
    }

    bool lower_table_row(const Node& node) {
        const Surroundings around{graph_, kernels_, storages_, buffers_, readers_.sole};
        return add_step(lower_tables(around, node, next_buffer()), node.outputs[0]);
    }

    // MultiThreshold on codes: every possible result is known beforehand.
    bool lower_table(const Node& node) {
        if (node.op != Op::multi_threshold) return false;
        const auto in = node.inputs[0], out = node.outputs[0];
        const auto &from = storages_[in], &to = storages_[out];
        const auto& attributes = node.as<model::MultiThresholdAttributes>();
        const auto& thresholds = graph_[node.inputs[1]];
        const int last_axis = from.channels_last ? 1 : static_cast<int>(from.shape.size()) - 1;
        if (from.kind != Storage::Kind::u8 || to.kind != Storage::Kind::u8 || graph_[in].is_constant() ||
            !from.same_places(to) || (thresholds.shape[0] != 1 && attributes.channel_axis != last_axis))
            return false;
        std::vector<std::uint8_t> table(static_cast<std::size_t>(thresholds.shape[0]) * 256);
        if (!fill_table(thresholds, attributes, from, to, table)) return false;
        recipe_.steps.push_back(make_table_step(route(node), std::move(table)));
        return true;
    }

    static bool fill_table(const Tensor& thresholds, const model::MultiThresholdAttributes& attributes,
                           const Storage& from, const Storage& to, std::vector<std::uint8_t>& table) {
        const auto steps = static_cast<std::size_t>(thresholds.shape[1]);
        const auto& values = *thresholds.constant;
        for (std::size_t row = 0; row < table.size() / 256; ++row)
            for (std::int32_t code = 0; code <= from.width; ++code) {
                int passed = 0;
                for (std::size_t t = row * steps; t < (row + 1) * steps; ++t)
                    passed +=
                        code + from.base >= (values.integers.empty() ? static_cast<double>(values.floats[t])
                                                                     : values.integers[t]);
                const double result = attributes.bias + attributes.scale * passed - to.base;
                if (result != std::floor(result) || result < 0 || result > to.width) return false;
                table[row * 256 + static_cast<std::size_t>(code)] = static_cast<std::uint8_t>(result);
            }
        return true;
    }

    bool lower_max_pool(const Node& node) {
        if (node.op != Op::max_pool) return false;
        const auto &from = storages_[node.inputs[0]], &to = storages_[node.outputs[0]];
        if (from.kind != Storage::Kind::u8 || !to.same_elements(from) || !from.channels_last ||
            !to.channels_last || graph_[node.inputs[0]].is_constant())
            return false;
        const auto& attributes = node.as<model::PoolAttributes>();
        const auto window = window_of(from.shape, to.shape, attributes.kernel, attributes.strides,
                                      attributes.dilations, attributes.pads);
        recipe_.steps.push_back(each_image(make_max_pool_step(kernels_, route(node), window), from, to));
        return true;
    }

    bool lower_pixel_sum(const Node& node) {
        if (node.op != Op::reduce_sum) return false;
        const auto &from = storages_[node.inputs[0]], &to = storages_[node.outputs[0]];
        if (from.kind != Storage::Kind::u8 || to.kind == Storage::Kind::f32 || !from.channels_last ||
            node.as<model::ReduceAttributes>().axes != std::vector<int>{2, 3} ||
            graph_[node.inputs[0]].is_constant())
            return false;
        recipe_.steps.push_back(each_image(make_pixel_sum_step(kernels_, route(node)), from, to));
        return true;
    }

    static StepPtr each_image(StepPtr step, const Storage& from, const Storage& to) {
        const auto images = static_cast<std::size_t>(from.shape[0]);
        return for_each_image(std::move(step), images, from.bytes() / images, to.bytes() / images);
    }

    bool lower_channels_first(const Node& node) {
        if (node.op != Op::flatten && node.op != Op::reshape) return false;
        const auto &from = storages_[node.inputs[0]], &to = storages_[node.outputs[0]];
        if (!to.same_elements(from) || !from.channels_last || to.channels_last ||
            graph_[node.inputs[0]].is_constant())
            return false;
        recipe_.steps.push_back(make_channels_first_step(route(node)));
        return true;
    }

    // The graph axis that lies last in memory.
    int last_axis(TensorId id) const {
        return storages_[id].channels_last ? 1 : static_cast<int>(graph_[id].shape.size()) - 1;
    }

    // Nothing if an operand is constant.
    std::optional<std::vector<Source>> sources(const Node& node) const {
        std::vector<Source> sources;
        for (const auto id : node.inputs) {
            if (graph_[id].is_constant()) return std::nullopt;
            sources.push_back({buffers_[id], storages_[id]});
        }
        return sources;
    }

    bool lower_requantize(const Node& node) {
        if (node.op != Op::requantize) return false;
        auto from = sources(node);
        if (!from) return false;
        const auto out = node.outputs[0];
        const auto& attributes = node.as<model::RequantizeAttributes>();
        auto step = make_requantize_step(attributes, std::move(*from), next_buffer(), storages_[out],
                                         attributes.axis == last_axis(out));
        return add_step(std::move(step), out);
    }

    // What layers have written to their places already is not copied.
    bool lower_concat(const Node& node) {
        const auto out = node.outputs[0];
        if (node.op != Op::concat || node.as<model::AxisAttributes>().axis != last_axis(out)) return false;
        std::vector<Piece> pieces;
        std::size_t offset = 0;  // of this place: a tensor may be there more than once
        for (const auto id : node.inputs) {
            const auto here = offset;
            offset += static_cast<std::size_t>(storages_[id].shape.back());
            if (placed_[id]) continue;
            if (graph_[id].is_constant() || storages_[id].channels_last != storages_[out].channels_last)
                return false;
            pieces.push_back({{buffers_[id], storages_[id]}, here});
        }
        if (pieces.empty()) return true;
        const bool begun = known_[out];
        auto step =
            make_concat_step(std::move(pieces), begun ? buffers_[out] : next_buffer(), storages_[out]);
        if (!step) return false;
        if (!begun) buffer_for(out);
        recipe_.steps.push_back(std::move(step));
        return true;
    }

    // A matrix product of two tensors that are computed.
    bool lower_product(const Node& node) {
        const auto from = node.op == Op::matmul ? sources(node) : std::nullopt;
        if (!from) return false;
        const auto out = node.outputs[0];
        return add_step(make_product_step(kernels_, (*from)[0], (*from)[1], next_buffer(), storages_[out]),
                        out);
    }

    bool lower_move(const Node& node) {
        constexpr Op moving[] = {Op::transpose, Op::reshape, Op::flatten,
                                 Op::identity,  Op::slice,   Op::gather, Op::pad};
        const auto in = node.inputs[0], out = node.outputs[0];
        if (std::ranges::find(moving, node.op) == std::end(moving) || node.inputs.size() != 1 ||
            graph_[in].is_constant() || !storages_[out].same_elements(storages_[in]))
            return false;
        const model::NodeView view{node, {&graph_[in]}, graph_[out]};
        return add_step(make_move_step(view, buffers_[in], storages_[in], next_buffer(), storages_[out]),
                        out);
    }

    // The one that buffer_for gives next.
    BufferId next_buffer() const { return static_cast<BufferId>(recipe_.buffer_bytes.size()); }

    bool add_step(StepPtr step, TensorId out) {
        if (!step) return false;
        buffer_for(out);
        recipe_.steps.push_back(std::move(step));
        return true;
    }

    void lower_general(const Node& node) {
        model::NodeView view{node, {}, graph_[node.outputs[0]]};
        std::vector<Operand> operands;
        for (const auto id : node.inputs) {
            view.operands.push_back(&graph_[id]);
            if (graph_[id].is_constant())
                operands.push_back({&*graph_[id].constant, 0, {}});
            else
                operands.push_back({nullptr, buffers_[id], storages_[id]});
        }
        const auto out = node.outputs[0];
        recipe_.steps.push_back(
            make_general_step(std::move(view), std::move(operands), buffer_for(out), storages_[out]));
    }

    const model::Graph& graph_;
    const Kernels& kernels_;
    Recipe recipe_;
    std::vector<BufferId> buffers_;  // by TensorId
    std::vector<bool> known_;        // tensors that have a buffer
    std::vector<bool> placed_;       // tensors that lie within the buffer of the Concat that reads them
    std::vector<Storage> storages_;  // by TensorId
    Readers readers_;
    std::vector<bool> done_;  // nodes that became part of another's step, by their number
};

}  // namespace

Recipe compile(std::shared_ptr<const model::Graph> graph, const Kernels& kernels) {
    return Compiler(std::move(graph), kernels).run();
}

}  // namespace fard::soft
