#include "overlays/soft/lower/floats.hpp"

#include <algorithm>
#include <cmath>

#include "model/functions.hpp"
#include "overlays/soft/kernels/kernels.hpp"
#include "overlays/soft/steps/batch_step.hpp"
#include "overlays/soft/steps/float_steps.hpp"

namespace fard::soft {
namespace {

using model::Node;
using model::Op;
using model::Tensor;
using model::TensorId;

std::vector<double> numbers(const Tensor& constant) {
    const auto& values = *constant.constant;
    if (!values.integers.empty()) return {values.integers.begin(), values.integers.end()};
    return {values.floats.begin(), values.floats.end()};
}

// Whether a float times any of them is exact in double.
bool have_exact_products(const Tensor& constant) {
    return std::ranges::all_of(constant.constant->integers,
                               [](std::int64_t each) { return std::abs(each) <= std::int64_t{1} << 29; });
}

class Finder {
  public:
    Finder(const Surroundings& around, const Node& node, BufferId out_buffer, bool relu, Place place)
        : around_(around),
          node_(node),
          graph_(around.graph),
          in_(node.inputs[0]),
          out_(node.outputs[0]),
          from_(around.storages[in_]),
          to_(around.storages[out_]),
          out_buffer_(out_buffer),
          relu_(relu),
          place_(place) {}

    StepPtr find() const {
        if (graph_[in_].is_constant() || from_.kind != Storage::Kind::f32 || to_.kind != Storage::Kind::f32)
            return nullptr;
        switch (node_.op) {
            case Op::conv:
                return convolution();
            case Op::matmul:
            case Op::gemm:
                return product();
            case Op::max_pool:
            case Op::average_pool:
                return pool(node_.as<model::PoolAttributes>(), node_.op == Op::average_pool);
            case Op::global_average_pool:
                return pool({{graph_[in_].shape[2], graph_[in_].shape[3]}, {}, {}, {}}, true);
            case Op::batch_normalization:
                return normalization();
            case Op::softmax:
                return softmax();
            case Op::add:
            case Op::sub:
            case Op::mul:
            case Op::div:
                return graph_[node_.inputs[1]].is_constant() ? with_constant() : pair();
            default:
                return model::is_function(node_.op) ? function() : nullptr;
        }
    }

  private:
    BufferId in_buffer() const { return around_.buffers[in_]; }

    StepPtr each_image(StepPtr step, std::size_t images) const {
        auto out_bytes = to_.bytes() / images;
        if (place_.pitch != 0) out_bytes = out_bytes / static_cast<std::size_t>(to_.shape.back()) * place_.pitch;
        return for_each_image(std::move(step), images, from_.bytes() / images, out_bytes);
    }

    StepPtr convolution() const {
        const auto& weights = graph_[node_.inputs[1]];
        if (!from_.channels_last || !to_.channels_last || !weights.is_constant() ||
            !have_exact_products(weights))
            return nullptr;
        const auto& attributes = node_.as<model::ConvAttributes>();
        FloatLayer layer{in_buffer(), out_buffer_, {}};
        layer.relu = relu_;
        layer.exact = graph_.exact_fractions;
        layer.out_pitch = place_.pitch, layer.out_first = place_.first;
        layer.window = window_of(from_.shape, to_.shape, attributes.kernel, attributes.strides,
                                 attributes.dilations, attributes.pads);
        layer.channels = static_cast<std::size_t>(weights.shape[0]);
        layer.groups = static_cast<std::size_t>(attributes.group);
        layer.depth = weights.elements() / layer.channels;
        layer.weights = numbers(weights);
        if (node_.inputs.size() > 2) {
            if (!graph_[node_.inputs[2]].is_constant()) return nullptr;
            layer.start = numbers(graph_[node_.inputs[2]]);
        }
        return each_image(make_float_layer_step(*around_.kernels.floats, std::move(layer)),
                          static_cast<std::size_t>(from_.shape[0]));
    }

    StepPtr product() const {
        const auto& weights = graph_[node_.inputs[1]];
        if (!from_.in_graph_order() || !to_.in_graph_order() || !weights.is_constant() ||
            weights.shape.size() != 2 || !have_exact_products(weights) || graph_[in_].shape.empty())
            return nullptr;
        const auto rows = static_cast<std::size_t>(weights.shape[0]),
                   columns = static_cast<std::size_t>(weights.shape[1]);
        bool transposed = false;
        FloatLayer layer{in_buffer(), out_buffer_, {}};
        layer.relu = relu_;
        layer.exact = graph_.exact_fractions;
        layer.out_pitch = place_.pitch, layer.out_first = place_.first;
        if (node_.op == Op::gemm) {
            const auto& attributes = node_.as<model::GemmAttributes>();
            if (attributes.alpha != 1 || attributes.beta != 1 || attributes.transpose_a) return nullptr;
            transposed = attributes.transpose_b;
        }
        layer.channels = transposed ? rows : columns;
        layer.depth = transposed ? columns : rows;
        if (node_.inputs.size() > 2) {
            const auto& bias = graph_[node_.inputs[2]];
            if (!bias.is_constant() || bias.elements() != layer.channels || bias.shape.empty() ||
                bias.shape.back() != static_cast<std::int64_t>(layer.channels))
                return nullptr;
            layer.end = numbers(bias);
        }
        layer.weights = numbers(weights);
        if (!transposed) {
            const auto straight = layer.weights;
            for (std::size_t k = 0; k < rows; ++k)
                for (std::size_t c = 0; c < columns; ++c)
                    layer.weights[c * rows + k] = straight[k * columns + c];
        }
        layer.window.channels = layer.depth;
        layer.window.in_height = layer.window.out_height =
            static_cast<std::int64_t>(from_.elements() / layer.depth);
        return make_float_layer_step(*around_.kernels.floats, std::move(layer));
    }

    StepPtr pool(const model::PoolAttributes& attributes, bool average) const {
        if (!from_.channels_last || !to_.channels_last) return nullptr;
        return make_float_pool_step(*around_.kernels.floats, attributes, average, in_buffer(), from_, out_buffer_, to_);
    }

    StepPtr map(std::string_view kind, RowFunction of_row) const {
        if (!from_.same_places(to_)) return nullptr;
        return make_float_map_step(kind, std::move(of_row), in_buffer(), out_buffer_, to_);
    }

    StepPtr function() const {
        if (node_.op == Op::relu)
            return map("map", [](const float* x, float* y, std::size_t count, double*) {
                for (std::size_t i = 0; i < count; ++i)
                    y[i] = x[i] < 0 ? 0 : x[i];
            });
        return map("map", [&node = node_](const float* x, float* y, std::size_t count, double*) {
            for (std::size_t i = 0; i < count; ++i)
                y[i] = static_cast<float>(model::apply_function(node, x[i]));
        });
    }

    // The graph axis that lies last in memory.
    int last_axis() const { return to_.channels_last ? 1 : static_cast<int>(graph_[out_].shape.size()) - 1; }

    StepPtr softmax() const {
        const auto& attributes = node_.as<model::SoftmaxAttributes>();
        if (attributes.axis != static_cast<int>(graph_[out_].shape.size()) - 1 || to_.channels_last)
            return nullptr;
        return map("softmax", [](const float* x, float* y, std::size_t count, double* powers) {
            double largest = x[0], sum = 0;
            for (std::size_t i = 0; i < count; ++i)
                largest = std::max(largest, static_cast<double>(x[i]));
            for (std::size_t i = 0; i < count; ++i)
                sum += powers[i] = std::exp(x[i] - largest);
            for (std::size_t i = 0; i < count; ++i)
                y[i] = static_cast<float>(powers[i] / sum);
        });
    }

    StepPtr normalization() const {
        std::vector<std::vector<double>> lists;
        for (std::size_t i = 1; i < 5; ++i) {
            if (!graph_[node_.inputs[i]].is_constant()) return nullptr;
            lists.push_back(numbers(graph_[node_.inputs[i]]));
        }
        if (last_axis() != 1) return nullptr;
        const auto epsilon = node_.as<model::BatchNormalizationAttributes>().epsilon;
        for (auto& variance : lists[3])
            variance = std::sqrt(variance + epsilon);
        return map("map", [lists](const float* x, float* y, std::size_t count, double*) {
            for (std::size_t c = 0; c < count; ++c)
                y[c] = static_cast<float>((x[c] - lists[2][c]) / lists[3][c] * lists[0][c] + lists[1][c]);
        });
    }

    StepPtr pair() const {
        const auto second = node_.inputs[1];
        const auto& other = around_.storages[second];
        if (other.kind != Storage::Kind::f32 || !other.same_places(to_) || !from_.same_places(to_))
            return nullptr;
        return make_float_pair_step(node_.op, in_buffer(), around_.buffers[second], out_buffer_, to_);
    }

    // One constant for all, or one for each index of the last dimension in memory.
    StepPtr with_constant() const {
        const auto& constant = graph_[node_.inputs[1]];
        const auto& shape = graph_[out_].shape;
        const auto list = numbers(constant);
        if (shape.empty() || constant.shape.size() > shape.size()) return nullptr;
        const auto lead = shape.size() - constant.shape.size();
        for (std::size_t i = 0; i < constant.shape.size(); ++i)
            if (constant.shape[i] != 1 && static_cast<int>(i + lead) != last_axis()) return nullptr;
        const auto op = node_.op;
        return map("map", [list, op](const float* x, float* y, std::size_t count, double*) {
            for (std::size_t i = 0; i < count; ++i) {
                const double a = x[i], b = list[list.size() == 1 ? 0 : i];
                y[i] = static_cast<float>(op == Op::add   ? a + b
                                          : op == Op::sub ? a - b
                                          : op == Op::mul ? a * b
                                                          : a / b);
            }
        });
    }

    const Surroundings& around_;
    const Node& node_;
    const model::Graph& graph_;
    TensorId in_, out_;
    const Storage &from_, &to_;
    BufferId out_buffer_;
    bool relu_;  // behind a linear layer
    Place place_;
};

}  // namespace

std::optional<model::TensorId> result_of_float_layer(const std::vector<Storage>& storages,
                                                     const std::vector<const Node*>& sole_reader, const Node& node) {
    const auto out = node.outputs[0];
    if ((node.op != Op::conv && node.op != Op::matmul && node.op != Op::gemm) || storages[out].kind != Storage::Kind::f32)
        return std::nullopt;
    const Node* next = sole_reader[out];
    const bool joins = next && next->op == Op::relu && storages[next->outputs[0]].same_places(storages[out]);
    return joins ? next->outputs[0] : out;
}

std::optional<FoundElementwise> lower_floats(const Surroundings& around, const Node& node, BufferId out_buffer,
                                             Place place) {
    const auto out = node.outputs[0];
    const auto result = result_of_float_layer(around.storages, around.sole_reader, node).value_or(out);
    const Node* next = result != out ? around.sole_reader[out] : nullptr;
    auto step = Finder(around, node, out_buffer, next != nullptr, place).find();
    if (!step) return std::nullopt;
    return FoundElementwise{std::move(step), result, next};
}

}  // namespace fard::soft
