#include "splitter/estimates/describe.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

namespace fard::splitter {
namespace {

using model::FinnKind;
using model::FinnUnit;

// Where a file's thresholds stand beside matrix units rather than in them: FINN's RTL units have none of their own.
bool has_separate_thresholds(const FoldingFile& file, const model::LayerView& view) {
    std::size_t thresholds = 0, matrices = 0;
    for (const auto& [key, folding] : file.units) {
        thresholds += key.first == FinnKind::thresholding;
        matrices += key.first == FinnKind::mvau;
    }
    std::size_t alone = 0;
    for (const auto& layer : view.layers)
        alone += layer.kind == model::LayerKind::threshold;
    return thresholds > alone && thresholds * 2 > matrices;
}

class Describer {
  public:
    Describer(const model::Model& model, const DescribeSettings& settings)
        : model_(model), settings_(settings), view_(model::layers_of(model.graph())) {}

    Result<Description> run() {
        auto& finn = result_.finn;
        finn.flow = settings_.estimates.flow;
        finn.dsp48e1 = settings_.dsp48e1;
        finn.separate_thresholds = settings_.folding ? has_separate_thresholds(*settings_.folding, view_) : splits_thresholds();
        units_ = model::finn_units(view_, finn);
        result_.estimates = settings_.estimates.mode;
        result_.network.name = model_.graph().name;
        result_.network.stage = stage_overhead(settings_.estimates.mode);
        result_.units.resize(view_.layers.size());
        for (const auto& unit : units_.units)
            result_.units[unit.layer].push_back(unit);
        if (settings_.folding)
            if (auto r = check_folding(); !r) return fail(r.error());
        if (settings_.report)
            if (auto r = check_report(); !r) return fail(r.error());
        for (std::size_t i = 0; i < view_.layers.size(); ++i)
            if (auto r = layer(i); !r) return fail(r.error());
        cuts();
        result_.layers = view_.layers;
        result_.part_options.resize(view_.layers.size());
        result_.outputs = model_.outputs().size();
        if (!settings_.processors) note();
        return std::move(result_);
    }

  private:
    // Thresholds of their own let FINN take its RTL matrix units, on DSPs; worth it where weights have 4 bits or more.
    bool splits_thresholds() const {
        if (settings_.estimates.flow == model::FinnFlow::early) return false;
        return std::ranges::any_of(view_.layers, [](const model::Layer& layer) {
            return layer.activation && layer.weights && layer.weights->narrowest.is_integer() && layer.weights->narrowest.bits() >= 4;
        });
    }

    // Every matrix unit of the file must be one of the network, and its factors must divide.
    Result<> check_folding() const {
        std::map<std::pair<FinnKind, int>, const FinnUnit*> known;
        for (const auto& unit : units_.units)
            known[{unit.kind, unit.number}] = &unit;
        for (const auto& [key, folding] : settings_.folding->units) {
            const auto [kind, number] = key;
            const auto found = known.find(key);
            const bool matters = kind == FinnKind::mvau || kind == FinnKind::vvau;
            if (found == known.end()) {
                if (!matters) continue;
                return fail(Fault::invalid_input, "{}: it folds {}, which this network does not have; it is another network's",
                            settings_.folding_name, name(kind, number));
            }
            const auto limits = foldable(*found->second, view_.layers[found->second->layer]);
            if (!matters || (limits.pe % folding.pe == 0 && limits.simd % folding.simd == 0)) continue;
            return fail(Fault::invalid_input,
                        "{}: {} has PE {} and SIMD {}, and this network's has {} rows and {} columns, which they do not divide; "
                        "it is another network's",
                        settings_.folding_name, name(kind, number), folding.pe, folding.simd, limits.pe, limits.simd);
        }
        return {};
    }

    // Every matrix unit that the report has figures of must be one of the network.
    Result<> check_report() const {
        for (const auto& [key, figures] : settings_.report->units) {
            const auto [kind, number] = key;
            const bool known = std::ranges::any_of(units_.units, [&](const FinnUnit& u) { return u.kind == kind && u.number == number; });
            if (known || (kind != FinnKind::mvau && kind != FinnKind::vvau)) continue;
            return fail(Fault::invalid_input, "{}: it has figures of {}, which this network does not have; it is another network's",
                        settings_.report_name, name(kind, number));
        }
        return {};
    }

    std::string name(FinnKind kind, int number) const {
        FinnUnit unit;
        unit.kind = kind;
        unit.number = unit.number_in_language = number;
        return model::name_of(unit, settings_.estimates.flow);
    }

    Result<> layer(std::size_t index) {
        const auto& from = view_.layers[index];
        auto& units = result_.units[index];
        auto& layer = result_.network.layers.emplace_back();
        layer.name = from.name;
        layer.macs = from.macs;
        layer.parameters = from.parameters;
        auto& options = result_.options.emplace_back();
        const bool outside = std::ranges::find(units_.outside, index) != units_.outside.end();
        if (settings_.processors || (outside && from.macs > 0)) return {};
        if (settings_.folding && !units.empty())
            options.push_back(as_file_says(from, units));
        else
            options = options_of(units, from, settings_.estimates);
        if (!units.empty()) layer.lead = lead_of(from);
        for (const auto& option : options)
            layer.foldings.push_back(option.cost);
        return {};
    }

    LayerOption as_file_says(const model::Layer& layer, std::vector<FinnUnit>& units) {
        LayerOption option;
        for (auto& unit : units) {
            const auto found = settings_.folding->units.find({unit.kind, unit.number});
            if (found == settings_.folding->units.end()) {
                unfolded_.push_back(model::name_of(unit, settings_.estimates.flow));
                option.units.emplace_back();
                continue;
            }
            auto folding = found->second;
            // Other networks number these a little differently; what does not divide is left as it comes.
            const auto limits = foldable(unit, layer);
            if (limits.pe % folding.pe != 0) folding.pe = 1;
            if (limits.simd % folding.simd != 0) folding.simd = 1;
            option.units.push_back(folding);
        }
        option.cost = cost_of(units, layer, option.units, settings_.estimates, settings_.report);
        return option;
    }

    void cuts() {
        const auto& graph = model_.graph();
        const auto bytes = [](const std::vector<TensorDesc>& tensors) {
            std::uint64_t all = 0;
            for (const auto& tensor : tensors)
                all += tensor.wire_bytes();
            return all;
        };
        auto& cuts = result_.network.cuts;
        cuts.push_back({0, bytes(model_.inputs())});
        result_.cut_tensors.emplace_back();
        for (const auto& cut : model::legal_cuts(view_)) {
            cuts.push_back({cut.after + 1, cut.bytes});
            auto& names = result_.cut_tensors.emplace_back();
            for (const auto tensor : cut.tensors)
                names.push_back(graph[tensor].name);
        }
        cuts.push_back({view_.layers.size(), bytes(model_.outputs())});
        result_.cut_tensors.emplace_back();
    }

    void note() {
        std::vector<std::string> computed, passed;
        for (const auto index : units_.outside)
            (view_.layers[index].macs > 0 ? computed : passed).push_back(view_.layers[index].name);
        if (!computed.empty())
            result_.notes.push_back(fmt::format("a processor computes what has no FPGA estimate: {}", fmt::join(computed, ", ")));
        if (!passed.empty())
            result_.notes.push_back(fmt::format("outside of the fabric, and not counted: {}", fmt::join(passed, ", ")));
        if (!unfolded_.empty())
            result_.notes.push_back(fmt::format("not in the folding file, so not folded: {}", fmt::join(unfolded_, ", ")));
    }

    const model::Model& model_;
    const DescribeSettings& settings_;
    model::LayerView view_;
    model::FinnNetwork units_;
    std::vector<std::string> unfolded_;
    Description result_;
};

}  // namespace

void describe_for(const Cluster& cluster, DescribeSettings& settings) {
    settings.processors = std::ranges::all_of(cluster.boards, [](const Board& board) { return board.whole == Resources{}; });
    settings.dsp48e1 = std::ranges::any_of(cluster.boards, [](const Board& board) { return board.part.starts_with("xc7"); });
}

Result<Description> describe(const model::Model& model, const DescribeSettings& settings) {
    return Describer(model, settings).run();
}

std::vector<std::string> not_in_rtl(const Description& description, const DescribeSettings& settings) {
    std::vector<std::string> remarks;
    if (!settings.folding) return remarks;
    std::map<int, const FinnUnit*> matrices;
    for (const auto& units : description.units)
        for (const auto& unit : units)
            if (unit.kind == FinnKind::mvau) matrices[unit.number] = &unit;
    int number = 0;  // among those in RTL, as the file's names have it
    for (const auto& [key, folding] : settings.folding->units) {
        if (key.first != FinnKind::mvau || folding.rtl != true) continue;
        const auto name = fmt::format("MVAU_rtl_{}", number++);
        const auto unit = matrices.find(key.second);
        if (unit == matrices.end() || unit->second->rtl) continue;
        remarks.push_back(fmt::format("{}: {} is layer '{}', of which FINN makes no unit in RTL: {}; it will say so, and make it in HLS",
                                      settings.folding_name, name, description.layers[unit->second->layer].name,
                                      model::why_no_rtl(*unit->second)));
    }
    return remarks;
}

Result<> check_connected(const Description& description) {
    const auto& layers = description.layers;
    std::vector<std::size_t> part(layers.size());  // each points to one of the same part, or to itself
    const auto part_of = [&](std::size_t layer) {
        while (part[layer] != layer)
            layer = part[layer] = part[part[layer]];
        return layer;
    };
    std::map<model::TensorId, std::size_t> readers;  // of the network's inputs: one layer each
    for (std::size_t i = 0; i < layers.size(); ++i) {
        part[i] = i;
        for (std::size_t k = 0; k < layers[i].inputs.size(); ++k) {
            const auto other = layers[i].reads[k] ? *layers[i].reads[k] : readers.try_emplace(layers[i].inputs[k], i).first->second;
            part[part_of(i)] = part_of(other);
        }
    }
    for (std::size_t i = 1; i < layers.size(); ++i)
        if (part_of(i) != part_of(0))
            return fail(Fault::invalid_input,
                        "the network falls into parts: '{}' has no tensor in common with '{}', or with what belongs to it; plan each part as a "
                        "model of its own", layers[i].name, layers[0].name);
    return {};
}

}  // namespace fard::splitter
