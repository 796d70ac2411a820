// Three steps: which layers FINN takes into others or leaves outside (Streamline), what units the rest becomes
// (UnitMaker), and their numbers.
#include "model/layers/finn_units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "model/layers/finn_accumulator.hpp"
#include "model/layers/streamline.hpp"

namespace fard::model {
namespace {

struct KindNames {
    FinnKind kind;
    std::string_view name;   // of 2026
    std::string_view early;  // before
};

constexpr std::array kind_names = {
    KindNames{FinnKind::mvau, "MVAU", "StreamingFCLayer_Batch"},
    KindNames{FinnKind::mvau, "MatrixVectorActivation", ""},  // between the two
    KindNames{FinnKind::vvau, "VVAU", "Vector_Vector_Activate_Batch"},
    KindNames{FinnKind::vvau, "VectorVectorActivation", ""},
    KindNames{FinnKind::window, "ConvolutionInputGenerator", "ConvolutionInputGenerator"},
    KindNames{FinnKind::padding, "FMPadding", "FMPadding_Batch"},
    KindNames{FinnKind::thresholding, "Thresholding", "Thresholding_Batch"},
    KindNames{FinnKind::max_pool, "StreamingMaxPool", "StreamingMaxPool_Batch"},
    KindNames{FinnKind::pool, "Pool", "Pool_Batch"},
    KindNames{FinnKind::global_pool, "GlobalAccPool", "GlobalAccPool_Batch"},
    KindNames{FinnKind::channelwise, "ChannelwiseOp", "ChannelwiseOp_Batch"},
    KindNames{FinnKind::channelwise, "ElementwiseAdd", ""},
    KindNames{FinnKind::add_streams, "AddStreams", "AddStreams_Batch"},
    KindNames{FinnKind::duplicate_streams, "DuplicateStreams", "DuplicateStreams_Batch"},
    KindNames{FinnKind::concat, "StreamingConcat", "StreamingConcat"},
    KindNames{FinnKind::label_select, "LabelSelect", "LabelSelect_Batch"},
};

Extent2 padded(const LayerWindow& window) {
    return {window.input.height + window.pads.top + window.pads.bottom,
            window.input.width + window.pads.left + window.pads.right};
}

bool is_padded(const LayerWindow& window) {
    return window.pads != Pads{};
}

bool between(int bits, int least, int most) {
    return bits >= least && bits <= most;
}

// FINN's RTL matrix unit: signed weights, both widths 4 to 8 bits (signed inputs to 9); on 7-series DSPs only where
// no weight is the lowest value of their type. It looks at the type before it narrows it.
bool has_rtl_weights(const FinnUnit& unit) {
    return unit.weights.kind() == DataType::Kind::sint && between(unit.weights.bits(), 4, 8);
}

bool has_rtl_inputs(const FinnUnit& unit) {
    return unit.inputs.is_integer() && between(unit.inputs.bits(), 4, unit.inputs.kind() == DataType::Kind::sint ? 9 : 8);
}

class UnitMaker {
  public:
    UnitMaker(const LayerView& view, const Streamlined& streamlined, const FinnSettings& settings)
        : view_(view), streamlined_(streamlined), settings_(settings) {
        for (std::size_t i = 0; i < view.layers.size(); ++i)
            if (streamlined.fate[i] == Fate::unit) last_ = i;
    }

    std::vector<FinnUnit> run() {
        for (std::size_t i = 0; i < view_.layers.size(); ++i) {
            if (streamlined_.fate[i] != Fate::unit) continue;
            index_ = i;
            make(view_.layers[i]);
            if (view_.layers[i].fan_out > 1) put_result(FinnKind::duplicate_streams);
        }
        return std::move(units_);
    }

  private:
    void make(const Layer& layer) {
        switch (layer.kind) {
            case LayerKind::matrix:
            case LayerKind::convolution:
                put_windows(layer, false);
                return put_matrix(layer, FinnKind::mvau);
            case LayerKind::depthwise:
                put_windows(layer, true);
                return put_matrix(layer, FinnKind::vvau);
            case LayerKind::max_pool:
            case LayerKind::average_pool:
                return put_pool(layer);
            case LayerKind::global_pool:
                put_result(FinnKind::global_pool);
                return put_thresholds(layer);
            case LayerKind::add:
                put_result(FinnKind::add_streams);
                return put_thresholds(layer);
            case LayerKind::concat:
                return put_result(FinnKind::concat);
            case LayerKind::select:
                return put_result(FinnKind::label_select);
            case LayerKind::channelwise:
                return put_result(FinnKind::channelwise);
            default:
                return put_thresholds(layer);
        }
    }

    FinnUnit& put(FinnKind kind) {
        const auto& layer = view_.layers[index_];
        FinnUnit unit;
        unit.kind = kind;
        unit.layer = index_;
        unit.rtl = settings_.flow != FinnFlow::early &&
                   (kind == FinnKind::window || kind == FinnKind::padding || kind == FinnKind::thresholding);
        unit.inputs = unit.outputs = streamlined_.inputs[index_].type;
        unit.channels = layer.input_channels;
        unit.input = unit.output = layer.window.input;
        unit.vectors = unit.input.height * unit.input.width;
        if (kind != FinnKind::padding && kind != FinnKind::mvau) {
            unit.kernel = layer.window.kernel, unit.strides = layer.window.strides;
            unit.dilations = layer.window.dilations;
        }
        units_.push_back(unit);
        return units_.back();
    }

    void put_result(FinnKind kind) {
        const auto& layer = view_.layers[index_];
        auto& unit = put(kind);
        unit.outputs = layer.output_type;
        unit.output = layer.window.output;
        unit.vectors = layer.vectors;
    }

    // A vector that was an image is a window over all of it.
    void put_whole_window(Extent2 pixels) {
        auto& unit = put(FinnKind::window);
        unit.input = unit.kernel = pixels;
        unit.output = {1, 1};
        unit.channels /= pixels.height * pixels.width;
        unit.vectors = 1;
    }

    void put_windows(const Layer& layer, bool depthwise) {
        const auto& window = layer.window;
        if (const auto pixels = streamlined_.inputs[index_].pixels;
            layer.kind == LayerKind::matrix && pixels != Extent2{})
            return put_whole_window(pixels);
        if (is_padded(window)) {
            auto& padding = put(FinnKind::padding);
            padding.output = padded(window);
            padding.vectors = padding.output.height * padding.output.width;
        }
        if (window.kernel == Extent2{} && window.strides == Extent2{} && !depthwise) return;
        auto& unit = put(FinnKind::window);
        unit.input = padded(window);
        unit.output = window.output;
        unit.vectors = layer.vectors;
        unit.depthwise = depthwise;
    }

    void put_matrix(const Layer& layer, FinnKind kind) {
        const bool fused = layer.activation && !settings_.separate_thresholds;
        auto& unit = put(kind);
        unit.mw = layer.mw, unit.mh = layer.mh;
        unit.weights = layer.weights->type, unit.narrowest_weights = layer.weights->narrowest;
        unit.output = layer.window.output;
        unit.vectors = layer.vectors;
        unit.steps = fused ? layer.activation->steps : 0;
        auto accumulator = finn_accumulator(*view_.graph, layer, unit.inputs);
        unit.widest_accumulator_bits = widest_finn_accumulator(layer, unit.inputs).bits();
        if (!layer.activation && ends_accelerator()) accumulator = whole_bytes(accumulator);
        unit.accumulator_bits = accumulator.bits();
        unit.outputs = fused ? layer.output_type : accumulator;
        unit.rtl = kind == FinnKind::mvau && fits_rtl(unit);
        if (layer.activation && !fused) put_thresholds(layer);
        if (has_bias_unit()) put_bias(layer);
    }

    void put_bias(const Layer& layer) {
        put_result(FinnKind::channelwise);
        units_.back().channels = layer.output_channels;
    }

    bool has_bias_unit() const {
        const auto& layer = view_.layers[index_];
        const bool biased = !layer.biases.empty() || streamlined_.inputs[index_].is_shifted;
        if (layer.activation || !biased || streamlined_.absorbs_bias[index_]) return false;
        return settings_.flow != FinnFlow::main || settings_.depthwise_steps;
    }

    // Whether nothing behind the matrix itself is in the accelerator.
    bool ends_accelerator() const { return !has_bias_unit() && index_ == last_; }

    // Whether FINN takes its RTL matrix unit.
    bool fits_rtl(const FinnUnit& unit) const {
        if (settings_.flow == FinnFlow::early || unit.steps > 0 || !has_rtl_weights(unit) || !has_rtl_inputs(unit)) return false;
        return !settings_.dsp48e1 || !reaches_lowest(*view_.graph, view_.layers[unit.layer]);
    }

    void put_thresholds(const Layer& layer) {
        if (!layer.activation) return;
        auto& unit = put(FinnKind::thresholding);
        if (layer.nodes[0] != layer.activation->nodes[0]) {
            unit.channels = layer.output_channels;
            if (units_.size() > 1) unit.inputs = units_[units_.size() - 2].outputs;
        }
        unit.outputs = layer.output_type;
        unit.output = layer.window.output;
        unit.vectors = layer.vectors;
        unit.steps = layer.activation->steps;
    }

    void put_pool(const Layer& layer) {
        const auto& window = layer.window;
        const bool streams = layer.kind == LayerKind::max_pool && settings_.flow != FinnFlow::dev &&
                             window.kernel == window.strides && window.dilations == Extent2{} &&
                             !is_padded(window);
        if (streams) return put_result(FinnKind::max_pool);
        put_windows(layer, true);
        put_result(FinnKind::pool);  // a mean loses its lowest bits here
    }

    const LayerView& view_;
    const Streamlined& streamlined_;
    const FinnSettings& settings_;
    std::size_t index_ = 0, last_ = 0;
    std::vector<FinnUnit> units_;
};

void number_units(std::vector<FinnUnit>& units) {
    std::map<FinnKind, int> of_kind;
    std::map<std::pair<FinnKind, bool>, int> in_language;
    for (auto& unit : units) {
        unit.number = of_kind[unit.kind]++;
        unit.number_in_language = in_language[{unit.kind, unit.rtl}]++;
    }
}

}  // namespace

FinnNetwork finn_units(const LayerView& view, const FinnSettings& settings) {
    const auto streamlined = streamline(view, settings);
    FinnNetwork network;
    network.units = UnitMaker(view, streamlined, settings).run();
    number_units(network.units);
    for (std::size_t i = 0; i < view.layers.size(); ++i)
        if (streamlined.fate[i] == Fate::outside) network.outside.push_back(i);
    return network;
}

std::string name_of(const FinnUnit& unit, FinnFlow flow) {
    const auto& names = *std::ranges::find(kind_names, unit.kind, &KindNames::kind);
    if (flow == FinnFlow::early) return std::string(names.early) + "_" + std::to_string(unit.number);
    const bool elementwise = unit.kind == FinnKind::channelwise && flow == FinnFlow::dev;
    return std::string(elementwise ? "ElementwiseAdd" : names.name) + (unit.rtl ? "_rtl_" : "_hls_") +
           std::to_string(unit.number_in_language);
}

std::string why_no_rtl(const FinnUnit& unit) {
    if (unit.steps > 0) return "its thresholds are within it";
    if (!has_rtl_weights(unit)) return "its weights are " + unit.weights.name() + ", not INT4 to INT8";
    if (!has_rtl_inputs(unit)) return "it reads " + unit.inputs.name() + ", not INT4 to INT9 or UINT4 to UINT8";
    return "one of its weights is the lowest of their type, which the DSPs of the 7 series cannot take";
}

std::optional<FinnKey> read_finn_name(std::string_view name) {
    const auto end = name.rfind('_');
    if (end == std::string_view::npos) return std::nullopt;
    const auto digits = name.substr(end + 1);
    int number = 0;
    const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || rest != digits.data() + digits.size() || number < 0) return std::nullopt;
    auto type = name.substr(0, end);
    for (const std::string_view language : {"_hls", "_rtl"})
        if (type.ends_with(language)) type.remove_suffix(language.size());
    for (const auto& row : kind_names)
        if (type == row.name || (!row.early.empty() && type == row.early)) return FinnKey{row.kind, number};
    return std::nullopt;
}

}  // namespace fard::model
