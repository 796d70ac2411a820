#include "splitter/estimates/parts.hpp"

#include <algorithm>

#include "base/suggest.hpp"

namespace fard::splitter {
namespace {

using model::FinnKind;
using model::FinnUnit;

bool is_product(const FinnUnit& unit) { return unit.kind == FinnKind::mvau || unit.kind == FinnKind::vvau; }

bool takes_nothing(const Layer& layer) {
    return layer.foldings.size() == 1 && layer.foldings.front().need == Resources{};
}

// Makes each channel of that channel of what it reads.
bool keeps_channels(model::LayerKind kind) {
    using model::LayerKind;
    return kind == LayerKind::dequantize || kind == LayerKind::quantize || kind == LayerKind::elementwise || kind == LayerKind::channelwise;
}

// The layers between the two cuts around one.
struct Between {
    std::size_t begin = 0, end = 0;  // layers
    std::size_t cut = 0;             // behind them
};
Between around(const Network& network, std::size_t layer) {
    const auto behind = std::ranges::find_if(network.cuts, [&](const Cut& cut) { return cut.layers > layer; });
    return {(behind - 1)->layers, behind->layers, static_cast<std::size_t>(behind - network.cuts.begin())};
}

// Whether the layer alone counts between two cuts, and one tensor with its channels leaves there.
bool stands_alone(const Description& description, std::size_t layer) {
    const auto& network = description.network;
    const auto between = around(network, layer);
    const bool last = between.cut + 1 == network.cuts.size();
    if (last ? description.outputs != 1 : description.cut_tensors[between.cut].size() != 1) return false;
    for (auto other = between.begin; other < between.end; ++other) {
        if (other == layer) continue;
        if (!takes_nothing(network.layers[other]) || (other > layer && !keeps_channels(description.layers[other].kind))) return false;
    }
    return true;
}

// What one of `parts` parts has of the layer and its units.
model::Layer part_of(model::Layer layer, std::int64_t parts) {
    layer.mh /= parts;
    layer.output_channels /= parts;
    layer.macs /= parts;
    layer.parameters /= parts;
    if (layer.kind == model::LayerKind::depthwise) layer.groups /= parts, layer.input_channels /= parts;
    return layer;
}

std::vector<FinnUnit> part_of(std::vector<FinnUnit> units, bool depthwise, std::int64_t parts) {
    const auto main = std::ranges::find_if(units, is_product);
    for (auto unit = units.begin(); unit != units.end(); ++unit) {
        if (depthwise || unit > main) unit->channels /= parts;
        if (unit == main) unit->mh /= parts;
    }
    return units;
}

std::optional<LayerOption> as_file_says(const model::Layer& layer, const std::vector<FinnUnit>& units, const DescribeSettings& settings) {
    LayerOption option;
    for (const auto& unit : units) {
        const auto found = settings.folding->units.find({unit.kind, unit.number});
        auto folding = found == settings.folding->units.end() ? UnitFolding{} : found->second;
        const auto limits = foldable(unit, layer);
        const bool divides = limits.pe % folding.pe == 0 && limits.simd % folding.simd == 0;
        if (!divides && is_product(unit)) return std::nullopt;
        if (!divides) folding.pe = folding.simd = 1;
        option.units.push_back(folding);
    }
    option.cost = cost_of(units, layer, option.units, settings.estimates);
    return option;
}

std::vector<LayerOption> options_of_part(const Description& description, const DescribeSettings& settings, std::size_t index,
                                         std::int64_t parts) {
    const auto& whole = description.layers[index];
    if (whole.output_channels % parts != 0 || whole.mh % parts != 0) return {};
    const auto layer = part_of(whole, parts);
    const auto units = part_of(description.units[index], whole.kind == model::LayerKind::depthwise, parts);
    if (!settings.folding) return options_of(units, layer, settings.estimates);
    const auto option = as_file_says(layer, units, settings);
    return option ? std::vector{*option} : std::vector<LayerOption>();
}

}  // namespace

bool offer_parts(Description& description, const DescribeSettings& settings, std::size_t index) {
    auto& network = description.network;
    auto& layer = network.layers[index];
    const auto& whole = description.layers[index];
    const bool product = whole.kind == model::LayerKind::matrix || whole.kind == model::LayerKind::depthwise ||
                         (whole.kind == model::LayerKind::convolution && whole.groups == 1);
    if (!layer.parts.empty() || layer.foldings.empty() || !product || std::ranges::none_of(description.units[index], is_product) ||
        !stands_alone(description, index))
        return false;
    auto& options = description.part_options[index];
    bool any = false;
    for (std::size_t parts = 2; parts <= most_parts; ++parts) {
        auto& list = layer.parts.emplace_back();
        options.push_back(options_of_part(description, settings, index, static_cast<std::int64_t>(parts)));
        for (const auto& option : options.back())
            list.push_back(option.cost);
        any |= !list.empty();
    }
    if (!any) return false;
    const auto between = around(network, index);
    for (auto other = between.begin; other < between.end; ++other)
        if (other != index) network.layers[other].parts.assign(most_parts - 1, network.layers[other].foldings);
    return true;
}

Result<> demand_parts(Description& description, const DescribeSettings& settings, const std::string& name, std::size_t parts) {
    auto& layers = description.network.layers;
    const auto found = std::ranges::find(layers, name, &Layer::name);
    if (found == layers.end()) {
        std::vector<std::string> names;
        for (const auto& layer : layers)
            names.push_back(layer.name);
        return fail(Fault::invalid_input, "there is no layer '{}'{}", name, did_you_mean(name, names));
    }
    const auto index = static_cast<std::size_t>(found - layers.begin());
    if (parts < 2 || parts > most_parts) return fail(Fault::invalid_input, "layer '{}': {} parts; there can be 2 to {}", name, parts, most_parts);
    offer_parts(description, settings, index);
    if (found->foldings_of(parts).empty())
        return fail(Fault::invalid_input,
                    "layer '{}' cannot be made in {} parts: it must be a product in a fabric, stand alone between two cuts that one tensor "
                    "crosses behind it, and its {} channels must divide",
                    name, parts, description.layers[index].output_channels);
    for (std::size_t count = 2; count <= most_parts; ++count)
        if (count != parts) found->parts[count - 2].clear();
    constexpr auto too_much = std::int64_t{1} << 40;  // no fabric holds the whole
    found->foldings = {{{{too_much, 0, 0, 0, 0}}, found->foldings.front().cycles, 0}};
    return {};
}

}  // namespace fard::splitter
