// Layer by layer along the one way through a stage: what is there so far (Place), and the nodes that go on from it.
#include "model/layers/finn_form.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <exception>
#include <numeric>

#include "model/bounds.hpp"
#include "model/layers/finn_product.hpp"
#include "model/layers/finn_writer.hpp"

namespace fard::model {
namespace {

Error refusal(const Layer& layer, const std::string& why) {
    return {Fault::unsupported,
            fmt::format("layer '{}' ({}) has no form in FINN: {}", layer.name, name_of(layer.kind), why)};
}

std::string why_outside(const Graph& graph, const Layer& layer, const FinnSettings& settings) {
    if (layer.kind == LayerKind::quantize)
        return "it quantizes fractions, which stay outside of the accelerator; cut behind it";
    if (layer.kind == LayerKind::dequantize) return "it makes fractions; cut before it";
    if (!layer.input_type.is_integer() || !layer.output_type.is_integer()) return "it computes fractions";
    if (layer.weights && !layer.weights->type.is_integer()) return "its weights are fractions";
    if (layer.kind == LayerKind::threshold)
        return "its thresholds differ along another dimension than the channels";
    if (layer.kind == LayerKind::matrix) return "it multiplies columns of an image, not channels";
    if (layer.kind == LayerKind::convolution && layer.groups > 1) return "it has groups and is not depthwise";
    if (settings.flow == FinnFlow::main && !settings.depthwise_steps &&
        (layer.kind == LayerKind::depthwise || layer.kind == LayerKind::channelwise))
        return "FINN's default steps have no such layer";
    if (layer.kind == LayerKind::average_pool) return "it does more than to drop the lowest bits of its sums";
    return fmt::format("FINN has no layer for {}", name_of(graph.nodes[layer.nodes[0]]));
}

// What has been made so far.
struct Place {
    std::string name;
    std::int64_t channels = 1;
    Extent2 pixels;
    bool image = false;  // four dimensions
    DataType type;
};

class FormMaker {
  public:
    FormMaker(const LayerView& view, const FinnSettings& settings)
        : view_(view),
          graph_(*view.graph),
          settings_(settings),
          streamlined_(streamline(view, settings)),
          writer_(graph_.name) {}

    Result<FinnForm> run() {
        if (auto done = check_borders(); !done) return fail(done.error());
        choose_order();
        begin();
        for (std::size_t i = 0; i < view_.layers.size(); ++i) {
            index_ = i;
            if (auto done = add(view_.layers[i]); !done) return fail(done.error());
        }
        if (auto done = check_end(); !done) return fail(done.error());
        form_.output = shape();
        writer_.output({place_.name, form_.output, place_.type}, selects_);
        form_.channels_first = channels_first_;
        form_.onnx = writer_.bytes();
        return std::move(form_);
    }

  private:
    Result<> check_borders() {
        const auto names = [&](const std::vector<TensorId>& ids) {
            std::string list;
            for (const auto id : ids)
                list += (list.empty() ? "'" : ", '") + graph_[id].name + "'";
            return list;
        };
        if (graph_.inputs.size() != 1)
            return fail(Fault::unsupported,
                        "'{}' has no form in FINN: it reads {}, and FINN takes one tensor", graph_.name,
                        names(graph_.inputs));
        if (graph_.outputs.size() != 1)
            return fail(Fault::unsupported,
                        "'{}' has no form in FINN: it makes {}, and FINN drops all but one", graph_.name,
                        names(graph_.outputs));
        for (const auto& layer : view_.layers)
            if (layer.fan_out > 1)
                return fail(refusal(layer, "its result is read twice, and FINN's flow takes no branches"));
        last_unit_ = view_.layers.size();
        for (std::size_t i = 0; i < view_.layers.size(); ++i) {
            const auto& layer = view_.layers[i];
            if (streamlined_.fate[i] == Fate::outside)
                return fail(refusal(layer, why_outside(graph_, layer, settings_)));
            if (streamlined_.fate[i] == Fate::unit) last_unit_ = i;
        }
        if (last_unit_ == view_.layers.size())
            return fail(refusal(view_.layers[0], "nothing in the stage is a layer of FINN's"));
        const auto& input = graph_[graph_.inputs[0]];
        const bool image = input.layout == Layout::nchw && input.shape[0] == 1;
        if (!image && (input.shape.size() != 2 || input.shape[0] != 1))
            return fail(
                refusal(view_.layers[0],
                        fmt::format("it reads '{}', which is neither one image nor one vector", input.name)));
        return {};
    }

    void choose_order() {
        bool only_thresholds = true;
        for (std::size_t i = 0; i < view_.layers.size(); ++i) {
            if (streamlined_.fate[i] != Fate::unit) continue;
            const auto kind = view_.layers[i].kind;
            only_thresholds = only_thresholds && kind == LayerKind::threshold;
            channels_first_ =
                channels_first_ || kind == LayerKind::depthwise || kind == LayerKind::global_pool;
        }
        channels_first_ = channels_first_ || only_thresholds;
    }

    void begin() {
        const auto& input = graph_[graph_.inputs[0]];
        const bool image = input.layout == Layout::nchw;
        place_ = {input.name, input.shape[1], {}, image, input.type};
        if (image) place_.pixels = {input.shape[2], input.shape[3]};
    }

    Shape shape() const {
        if (!place_.image) return {1, place_.channels};
        if (channels_first_) return {1, place_.channels, place_.pixels.height, place_.pixels.width};
        return {1, place_.pixels.height, place_.pixels.width, place_.channels};
    }

    // The input is written where something reads it: by then it is known whether it is an image.
    void need_input() {
        if (!form_.input.empty()) return;
        form_.input = shape();
        writer_.input({place_.name, form_.input, place_.type});
    }

    std::string result_name(bool last_node) {
        const auto& layer = view_.layers[index_];
        if (last_node && index_ == last_unit_) return writer_.fresh(graph_[graph_.outputs[0]].name);
        return writer_.fresh(last_node ? graph_[layer.output].name : layer.name + "_sums");
    }

    void put(const std::string& op, std::vector<std::string> operands, bool last_node, DataType type,
             bool custom = false) {
        operands.insert(operands.begin(), place_.name);
        place_.name = result_name(last_node);
        place_.type = type;
        writer_.node(op, operands, {place_.name, shape(), type}, custom);
    }

    Result<> add(const Layer& layer) {
        if (streamlined_.fate[index_] == Fate::nothing) return add_move(layer);
        if (streamlined_.fate[index_] == Fate::absorbed) return absorb(layer);
        need_input();
        const bool product = layer.kind == LayerKind::matrix || layer.kind == LayerKind::convolution ||
                             layer.kind == LayerKind::depthwise;
        if (!rows_.empty() && !product && layer.kind != LayerKind::threshold)
            return fail(refusal(layer, "it follows a Flatten of several pixels"));
        if (product) return add_product(layer);
        switch (layer.kind) {
            case LayerKind::threshold:
                return add_threshold_layer(layer);
            case LayerKind::channelwise:
                return add_channelwise(layer);
            case LayerKind::max_pool:
                return add_max_pool(layer);
            case LayerKind::average_pool:
                return add_average_pool(layer);
            case LayerKind::global_pool:
                return add_global_pool(layer);
            case LayerKind::select:
                return add_select(layer);
            default:
                return fail(refusal(layer, why_outside(graph_, layer, settings_)));
        }
    }

    // An image becomes a vector. Of one pixel nothing changes; else `rows_` says where each of its elements is in the order
    // of the form, and if nothing is written yet, the input is that vector already.
    Result<> add_move(const Layer& layer) {
        const auto &from = graph_[layer.inputs[0]], &to = graph_[layer.output];
        const auto op = graph_.nodes[layer.nodes[0]].op;
        if (op == Op::identity || from.shape == to.shape) return {};
        const bool flat = to.shape.size() == 2 && to.shape[0] == 1;
        if (op == Op::transpose || !(flat || (place_.pixels == Extent2{} && place_.image)))
            return fail(refusal(layer, "it moves elements in another way than from an image to a vector"));
        if (!place_.image) return {};
        const auto pixels = place_.pixels.height * place_.pixels.width;
        if (pixels == 1) {
            if (form_.input.empty()) place_.image = false;
            return {};
        }
        rows_.resize(static_cast<std::size_t>(pixels * place_.channels));
        for (std::int64_t c = 0; c < place_.channels; ++c)
            for (std::int64_t p = 0; p < pixels; ++p)
                rows_[static_cast<std::size_t>(c * pixels + p)] =
                    static_cast<std::size_t>(p * place_.channels + c);
        if (!form_.input.empty()) return {};
        place_.image = false;
        place_.channels *= pixels, place_.pixels = {};
        return {};
    }

    // A number that is added before a product or thresholds; what is absorbed by a LabelSelect does not matter.
    Result<> absorb(const Layer& layer) {
        const auto& node = graph_.nodes[layer.nodes[0]];
        if (node.op != Op::add && node.op != Op::sub) return {};
        const auto& number =
            graph_[node.inputs[graph_[node.inputs[0]].is_constant() ? 0 : 1]].constant->integers;
        if (number.empty()) return {};
        shift_ += node.op == Op::add ? number[0] : -static_cast<std::int64_t>(number[0]);
        return {};
    }

    // Thresholds for the elements where they are in the form.
    Result<> put_thresholds(const Layer& layer, const Thresholds& thresholds,
                            std::span<const std::size_t> rows) {
        const bool signs = thresholds.lowest == -1 && thresholds.step == 2 && thresholds.steps == 1;
        if (thresholds.steps == 0) return fail(refusal(layer, "its results are all the same"));
        if (thresholds.step != 1 && !signs) return fail(refusal(layer, "its results have gaps"));
        if (std::ranges::find(thresholds.signs, -1) != thresholds.signs.end())
            return fail(refusal(layer, "its results fall where what it reads rises"));
        const auto below =
            std::max<std::int64_t>(0, thresholds.lowest);  // results that every element reaches
        const auto steps = thresholds.steps + below;
        const auto count = thresholds.rows();
        std::vector<std::int64_t> values(count * static_cast<std::size_t>(steps), thresholds.range.min);
        for (std::size_t c = 0; c < count; ++c) {
            const auto at = count > 1 && !rows.empty() ? rows[c] : c;
            const auto to =
                values.begin() + static_cast<std::ptrdiff_t>(at * static_cast<std::size_t>(steps)) + below;
            std::ranges::copy(thresholds.row(c), to);
        }
        const auto constant =
            writer_.constant(graph_[layer.output].name + "_thresholds",
                             {static_cast<std::int64_t>(count), steps}, values, DataType::float32());
        const auto lowest = thresholds.lowest - below;
        const auto type = signs ? DataType::bipolar() : type_of_results(layer, {lowest, lowest + steps});
        put("MultiThreshold", {constant}, true, type, true);
        writer_.attribute("out_dtype", type.name());
        writer_.attribute("out_scale", signs ? 2.0 : 1.0);
        writer_.attribute("out_bias", static_cast<double>(lowest));
        if (place_.image && !channels_first_) writer_.attribute("data_layout", std::string("NHWC"));
        return {};
    }

    // A signed type only where something is negative; as wide as the stage's own, which travels between boards.
    static DataType type_of_results(const Layer& layer, Range range) {
        const auto own = layer.output_type;
        const auto same = range.min < 0 ? DataType::sint(own.bits()) : DataType::uint(own.bits());
        return holds(range_of(same), range) ? same : narrowest(range);
    }

    Result<> add_threshold_layer(const Layer& layer) {
        auto thresholds = thresholds_of(graph_, layer);
        if (!thresholds) return fail(refusal(layer, thresholds.error().message));
        if (shift_ != 0) {
            const std::vector<std::int64_t> bias{shift_};
            const Range range{thresholds->range.min - shift_, thresholds->range.max - shift_};
            thresholds = behind_bias(*thresholds, bias, range);
            shift_ = 0;
        }
        if (thresholds->rows() > 1 && !rows_.empty() && place_.image)
            return fail(refusal(layer, "its thresholds differ from pixel to pixel"));
        return put_thresholds(layer, *thresholds, rows_);
    }

    Result<> add_product(const Layer& layer) {
        const auto product = finn_product(graph_, layer, shift_);
        if (!product) return fail(refusal(layer, product.error().message));
        shift_ = 0;
        if (layer.window.pads != Pads{} && place_.type == DataType::bipolar())
            return fail(refusal(layer, "it pads elements that are -1 or +1, where 0 is neither"));
        const auto rows = std::exchange(rows_, {});
        const bool biased = !product->bias.empty() && !streamlined_.absorbs_bias[index_];
        const bool last_node = !product->thresholds && !biased;
        if (!place_.image)
            put_vector(layer, *product, rows, last_node);
        else if (channels_first_)
            put_convolution(layer, *product, last_node);
        else
            put_lowered(layer, *product, last_node);
        if (product->thresholds) return put_thresholds(layer, *product->thresholds, {});
        if (!biased) return {};
        if (settings_.flow == FinnFlow::main && !settings_.depthwise_steps)
            return fail(refusal(
                layer,
                "its bias stays outside of the accelerator; FINN's default steps have no layer for it"));
        put_constant("Add", layer, product->bias);
        return {};
    }

    void put_vector(const Layer& layer, const FinnProduct& product, std::span<const std::size_t> rows,
                    bool last_node) {
        std::vector<std::int64_t> values(product.weights.size());
        for (std::int64_t k = 0; k < product.depth; ++k) {
            const auto row = rows.empty() ? static_cast<std::size_t>(k) : rows[static_cast<std::size_t>(k)];
            for (std::int64_t m = 0; m < product.outputs; ++m)
                values[row * static_cast<std::size_t>(product.outputs) + static_cast<std::size_t>(m)] =
                    product.weight(m, k);
        }
        put_matrix(layer, product, values, last_node);
    }

    void put_matrix(const Layer& layer, const FinnProduct& product, std::span<const std::int64_t> values,
                    bool last_node) {
        const auto weights = writer_.constant(graph_[layer.weights->tensor].name,
                                              {product.depth, product.outputs}, values, product.type);
        place_.channels = product.outputs;
        put("MatMul", {weights}, last_node, DataType::float32());
    }

    // A vector that was an image is a window over all of it.
    LayerWindow window_of(const Layer& layer) const {
        if (layer.kind != LayerKind::matrix) return layer.window;
        LayerWindow window;
        window.kernel = place_.pixels;
        window.output = {1, 1};
        return window;
    }

    void put_lowered(const Layer& layer, const FinnProduct& product, bool last_node) {
        const auto window = window_of(layer);
        const auto taps = window.kernel.height * window.kernel.width;
        const auto channels = product.depth / taps;
        if (taps > 1 || window.strides != Extent2{} || window.pads != Pads{})
            put_windows(window, product.depth);
        std::vector<std::int64_t> values;
        values.reserve(product.weights.size());
        for (std::int64_t tap = 0; tap < taps; ++tap)
            for (std::int64_t c = 0; c < channels; ++c)
                for (std::int64_t m = 0; m < product.outputs; ++m)
                    values.push_back(product.weight(m, c * taps + tap));
        put_matrix(layer, product, values, last_node);
    }

    void put_windows(const LayerWindow& window, std::int64_t depth) {
        const auto before = fmt::format("({})", fmt::join(shape(), ", "));
        place_.pixels = window.output;
        const auto type = place_.type;
        const auto from = place_.name;
        place_.channels = depth;
        place_.name = writer_.fresh(view_.layers[index_].name + "_windows");
        writer_.node("Im2Col", {from}, {place_.name, shape(), type}, true);
        const auto& [kernel, strides, dilations, pads, in, out] = window;
        writer_.attribute("kernel_size", std::vector{kernel.height, kernel.width});
        writer_.attribute("stride", std::vector{strides.height, strides.width});
        writer_.attribute("dilations", std::vector{dilations.height, dilations.width});
        writer_.attribute("pad_amount", std::vector{pads.top, pads.left, pads.bottom, pads.right});
        writer_.attribute("pad_value", std::int64_t{0});
        writer_.attribute("depthwise", std::int64_t{0});
        writer_.attribute("input_shape", before);
    }

    void put_convolution(const Layer& layer, const FinnProduct& product, bool last_node) {
        const auto window = window_of(layer);
        const auto& [kernel, strides, dilations, pads, in, out] = window;
        const auto channels = product.depth / (kernel.height * kernel.width);
        const auto weights = writer_.constant(graph_[layer.weights->tensor].name,
                                              {product.outputs, channels, kernel.height, kernel.width},
                                              product.weights, product.type);
        place_.channels = product.outputs, place_.pixels = out;
        put("Conv", {weights}, last_node, DataType::float32());
        writer_.attribute("kernel_shape", std::vector{kernel.height, kernel.width});
        writer_.attribute("strides", std::vector{strides.height, strides.width});
        writer_.attribute("dilations", std::vector{dilations.height, dilations.width});
        writer_.attribute("pads", std::vector{pads.top, pads.left, pads.bottom, pads.right});
        writer_.attribute("group", layer.kind == LayerKind::matrix ? std::int64_t{1} : layer.groups);
    }

    // Each channel with a number.
    void put_constant(const std::string& op, const Layer& layer, std::span<const std::int64_t> values) {
        Shape shape{static_cast<std::int64_t>(values.size())};
        if (place_.image && channels_first_) shape = {1, shape[0], 1, 1};
        const auto type = narrowest({std::ranges::min(values), std::ranges::max(values)});
        put(op, {writer_.constant(layer.name + "_" + op, shape, values, type)}, true, layer.output_type);
    }

    Result<> add_channelwise(const Layer& layer) {
        const auto& node = graph_.nodes[layer.nodes[0]];
        const bool first = graph_[node.inputs[0]].is_constant();
        const auto& constant = graph_[node.inputs[first ? 0 : 1]];
        const bool known = node.op == Op::add || node.op == Op::mul || (node.op == Op::sub && !first);
        if (!known || !constant.type.is_integer())
            return fail(
                refusal(layer, fmt::format("FINN has no layer for {} with this constant", name_of(node))));
        std::vector<std::int64_t> values(constant.constant->integers.begin(),
                                         constant.constant->integers.end());
        if (node.op == Op::sub)
            for (auto& value : values)
                value = -value;
        put_constant(node.op == Op::mul ? "Mul" : "Add", layer, values);
        return {};
    }

    Result<> add_max_pool(const Layer& layer) {
        const auto& [kernel, strides, dilations, pads, in, out] = layer.window;
        const auto inside = [](std::int64_t from, std::int64_t k, std::int64_t s, std::int64_t to) {
            return (to - 1) * s + k <= from;
        };
        if (pads != Pads{} || dilations != Extent2{} ||
            !inside(in.height, kernel.height, strides.height, out.height) ||
            !inside(in.width, kernel.width, strides.width, out.width))
            return fail(refusal(layer, "its windows are dilated or reach beyond the image"));
        place_.pixels = out;
        put(channels_first_ ? "MaxPool" : "MaxPoolNHWC", {}, true, place_.type, !channels_first_);
        writer_.attribute("kernel_shape", std::vector{kernel.height, kernel.width});
        writer_.attribute("strides", std::vector{strides.height, strides.width});
        writer_.attribute("pads", std::vector<std::int64_t>(4, 0));
        return {};
    }

    Result<> add_average_pool(const Layer& layer) {
        const auto& [kernel, strides, dilations, pads, in, out] = layer.window;
        if (kernel.height != kernel.width || strides.height != strides.width || pads != Pads{} ||
            dilations != Extent2{})
            return fail(refusal(layer, "its windows are not square, dilated or reach beyond the image"));
        if (place_.type.kind() != DataType::Kind::uint || place_.type.bits() > 16)
            return fail(refusal(layer, "it sums signed integers"));
        const auto largest = static_cast<std::uint64_t>(place_.type.max() * kernel.height * kernel.width);
        const int bits = static_cast<int>(std::bit_width(largest)) - *lost_bits(graph_, layer);
        if (bits < 1 ||
            layer.output_type.max() < static_cast<std::int64_t>(largest >> *lost_bits(graph_, layer)))
            return fail(refusal(layer, "it clamps its sums"));
        const auto input_bits = std::int64_t{place_.type.bits()};
        place_.pixels = out;
        put("QuantAvgPool2d", {}, true, layer.output_type, true);
        writer_.attribute("kernel", kernel.height), writer_.attribute("stride", strides.height);
        writer_.attribute("ibits", input_bits), writer_.attribute("obits", std::int64_t{bits});
        writer_.attribute("signed", std::int64_t{0});
        writer_.attribute("data_layout", std::string(channels_first_ ? "NCHW" : "NHWC"));
        return {};
    }

    // FINN takes the mean of each channel times the number of pixels for what it is, their sum.
    Result<> add_global_pool(const Layer& layer) {
        if (graph_.nodes[layer.nodes[0]].op != Op::reduce_sum)
            return fail(refusal(layer, "it makes fractions"));
        const auto pixels = place_.pixels.height * place_.pixels.width;
        place_.pixels = {};
        put("GlobalAveragePool", {}, false, DataType::float32());
        const std::vector<std::int64_t> factor{pixels};
        const auto constant = writer_.constant(layer.name + "_pixels", {1}, factor, DataType::float32());
        put("Mul", {constant}, !layer.activation, layer.activation ? DataType::float32() : layer.output_type);
        if (!layer.activation) return {};
        const auto thresholds = thresholds_of(graph_, layer);
        if (!thresholds) return fail(refusal(layer, thresholds.error().message));
        return put_thresholds(layer, *thresholds, {});
    }

    // FINN's LabelSelect, which ends a network.
    Result<> add_select(const Layer& layer) {
        const auto& node = graph_.nodes[layer.nodes[0]];
        const auto& x = graph_[layer.inputs[0]];
        const auto* top = std::get_if<TopKAttributes>(&node.attributes);
        const bool along_channels = place_.pixels == Extent2{} && !(place_.image && channels_first_);
        if (node.op != Op::top_k_indices || !top->largest ||
            top->axis + 1 != static_cast<int>(x.shape.size()) || !along_channels || index_ != last_unit_)
            return fail(
                refusal(layer, "FINN has the places of the largest elements of a vector alone, at the end"));
        const auto from = place_.name;
        place_.channels = layer.output_channels;
        place_.name = result_name(true);
        place_.type = layer.output_type;
        writer_.top_k(from, place_.channels, {place_.name, shape(), place_.type});
        selects_ = true;
        return {};
    }

    Result<> check_end() const {
        if (rows_.empty() || std::ranges::is_sorted(rows_)) return {};
        for (const auto& layer : view_.layers)
            if (layer.kind == LayerKind::move)
                return fail(
                    refusal(layer, "the stage ends behind a Flatten of several pixels; cut before it"));
        return {};
    }

    const LayerView& view_;
    const Graph& graph_;
    const FinnSettings& settings_;
    Streamlined streamlined_;
    FinnWriter writer_;
    FinnForm form_;
    Place place_;
    bool channels_first_ = false, selects_ = false;
    std::size_t index_ = 0, last_unit_ = 0;
    std::int64_t shift_ = 0;
    std::vector<std::size_t> rows_;  // behind a Flatten: of each element, its place in the form
};

}  // namespace

Result<FinnForm> finn_form(const Graph& stage, const FinnSettings& settings) try {
    const auto view = layers_of(stage);
    return FormMaker(view, settings).run();
} catch (const std::exception& error) {
    return fail(Fault::failed, "the form of '{}' in FINN could not be written ({})", stage.name,
                error.what());
}

}  // namespace fard::model
