#include "splitter/estimates/options.hpp"

#include <algorithm>
#include <map>

#include "splitter/finn/folding.hpp"

namespace fard::splitter {
namespace {

using model::FinnKind;
using model::FinnUnit;

constexpr std::int64_t widest_word = 144;     // bits of weights that a matrix unit reads for each PE
constexpr std::int64_t most_parallel = 8192;  // products at once
constexpr std::size_t of_same_cycles = 4;     // options that are kept for one number of cycles

bool multiplies(const FinnUnit& unit) { return unit.kind == FinnKind::mvau || unit.kind == FinnKind::vvau; }

// About how much of a part something takes: LUT, FF, BRAM18, URAM, DSP of a 7Z020 (any URAM is much of it).
double share(const Resources& need) {
    constexpr std::array<double, Resources::kinds> part = {53'200, 106'400, 280, 60, 220};
    double sum = 0;
    for (std::size_t i = 0; i < Resources::kinds; ++i)
        sum += static_cast<double>(need.of[i]) / part[i];
    return sum;
}

class Maker {
  public:
    Maker(std::span<const FinnUnit> units, const model::Layer& layer, const OptionSettings& settings)
        : units_(units), layer_(layer), settings_(settings) {}

    std::vector<LayerOption> run() {
        const auto main = std::ranges::find_if(units_, multiplies);
        if (main == units_.end())
            without_matrix();
        else
            with_matrix(static_cast<std::size_t>(main - units_.begin()));
        return thin_out();
    }

  private:
    UnitCost cost(std::size_t unit, const UnitFolding& folding) const {
        return unit_cost(units_[unit], layer_, folding, settings_.flow, settings_.mode);
    }

    void with_matrix(std::size_t main) {
        const auto& unit = units_[main];
        const auto limits = foldable(unit, layer_);
        const auto rows = finn::divisors(limits.pe), columns = finn::divisors(limits.simd);
        for (const auto pe : rows)
            for (const auto simd : columns) {
                if (pe * simd > most_parallel || simd * unit.weights.bits() > widest_word) continue;
                if (unit.kind == FinnKind::vvau && simd > 1 && pe != limits.pe) continue;
                for (const auto& way : ways(unit, pe, simd))
                    add(main, way);
            }
    }

    // Where products and weights go.
    std::vector<UnitFolding> ways(const FinnUnit& unit, std::int64_t pe, std::int64_t simd) const {
        std::vector<UnitFolding> all;
        UnitFolding way{.pe = pe, .simd = simd};
        if (settings_.flow != model::FinnFlow::early) {
            way.rtl = false;
            if (unit.rtl) {
                auto rtl = way;
                rtl.rtl = true;
                rtl.on_dsp = true;
                all.push_back(rtl);
            }
        }
        for (const auto ram : {finn::RamStyle::automatic, finn::RamStyle::distributed}) {
            way.ram = ram;
            way.on_dsp = false;
            all.push_back(way);
            way.on_dsp = true;
            if (unit.weights.bits() > 1 && !unit.rtl) all.push_back(way);
        }
        if (unit.kind == FinnKind::mvau && unit.rtl)
            if (auto rtl = all.front(); rtl.rtl == true) {
                rtl.ram = finn::RamStyle::distributed;
                all.push_back(rtl);
            }
        return all;
    }

    // The other units keep up with the matrix unit, or are as fast as they get.
    void add(std::size_t main, const UnitFolding& way) {
        LayerOption option;
        const auto target = cost(main, way).cycles;
        for (std::size_t i = 0; i < units_.size(); ++i) {
            if (i == main)
                option.units.push_back(way);
            else
                option.units.push_back(keep_up(i, target, way, units_[main].kind));
        }
        push(std::move(option));
    }

    UnitFolding keep_up(std::size_t i, std::int64_t target, const UnitFolding& main, FinnKind kind) {
        const auto& unit = units_[i];
        // A depthwise unit takes as many channels at once as its window gives.
        if (unit.kind == FinnKind::window && kind == FinnKind::vvau) {
            UnitFolding folding{.simd = main.pe, .parallel_window = main.simd > 1};
            folding.ram = cheapest_ram(i, folding);
            return folding;
        }
        const auto known = kept_up_.find({i, target});
        if (known != kept_up_.end()) return known->second;
        auto folding = keeping_up(unit, layer_, target, settings_);
        if (unit.kind == FinnKind::window) folding = window_keeps_up(i, target, folding);
        kept_up_[{i, target}] = folding;
        return folding;
    }

    // Where all channels at once are too slow, all of the window at once: FINN's RTL unit, with every channel.
    UnitFolding window_keeps_up(std::size_t i, std::int64_t target, UnitFolding folding) const {
        if (settings_.flow != model::FinnFlow::early && cost(i, folding).cycles > target) {
            auto whole = folding;
            whole.simd = units_[i].channels;
            whole.parallel_window = true;
            if (cost(i, whole).cycles < cost(i, folding).cycles) folding = whole;
        }
        folding.ram = cheapest_ram(i, folding);
        return folding;
    }

    finn::RamStyle cheapest_ram(std::size_t i, UnitFolding folding) const {
        auto best = finn::RamStyle::distributed;
        double least = 1e300;
        for (const auto ram : {finn::RamStyle::distributed, finn::RamStyle::block}) {
            folding.ram = ram;
            if (const auto now = share(cost(i, folding).need); now < least) {
                least = now;
                best = ram;
            }
        }
        return best;
    }

    void without_matrix() {
        std::vector<std::int64_t> targets;
        for (std::size_t i = 0; i < units_.size(); ++i) {
            const auto limits = foldable(units_[i], layer_);
            for (const auto divisor : finn::divisors(std::max(limits.pe, limits.simd))) {
                UnitFolding folding;
                (limits.simd > 1 ? folding.simd : folding.pe) = divisor;
                targets.push_back(cost(i, folding).cycles);
            }
        }
        std::ranges::sort(targets);
        const auto rest = std::ranges::unique(targets);
        targets.erase(rest.begin(), rest.end());
        for (const auto target : targets) {
            LayerOption option;
            for (std::size_t i = 0; i < units_.size(); ++i)
                option.units.push_back(keep_up(i, target, {}, FinnKind::mvau));
            push(std::move(option));
        }
    }

    void push(LayerOption option) {
        option.cost = cost_of(units_, layer_, option.units, settings_);
        auto& same = by_cycles_[option.cost.cycles];
        const auto covers = [](const LayerOption& a, const LayerOption& b) { return a.cost.need.fits(b.cost.need); };
        if (std::ranges::any_of(same, [&](const LayerOption& other) { return covers(other, option); })) return;
        std::erase_if(same, [&](const LayerOption& other) { return covers(option, other); });
        same.push_back(std::move(option));
    }

    // Of those with the same cycles the least; none that a faster one is not worse than.
    std::vector<LayerOption> thin_out() {
        std::vector<LayerOption> kept;
        for (auto& [cycles, same] : by_cycles_) {
            std::ranges::sort(same, {}, [](const LayerOption& option) { return share(option.cost.need); });
            std::size_t taken = 0;
            for (auto& option : same) {
                const bool covered = std::ranges::any_of(
                    kept, [&](const LayerOption& faster) { return faster.cost.need.fits(option.cost.need); });
                if (covered || taken == of_same_cycles) continue;
                ++taken;
                kept.push_back(std::move(option));
            }
        }
        std::ranges::reverse(kept);
        return kept;
    }

    std::span<const FinnUnit> units_;
    const model::Layer& layer_;
    OptionSettings settings_;
    std::map<std::pair<std::size_t, std::int64_t>, UnitFolding> kept_up_;
    std::map<std::int64_t, std::vector<LayerOption>> by_cycles_;
};

// Every output needs all of the input.
bool needs_all(const model::Layer& layer) {
    return layer.kind == model::LayerKind::global_pool || (layer.mw > 0 && layer.vectors == 1);
}

}  // namespace

// The rows that its first window lies in, of all rows.
UnitFolding keeping_up(const model::FinnUnit& unit, const model::Layer& layer, std::int64_t cycles, const OptionSettings& settings) {
    const auto limits = foldable(unit, layer);
    UnitFolding folding;
    for (const auto divisor : finn::divisors(std::max(limits.pe, limits.simd))) {
        (limits.simd > 1 ? folding.simd : folding.pe) = divisor;
        if (unit_cost(unit, layer, folding, settings.flow, settings.mode).cycles <= cycles) break;
    }
    return folding;
}

double lead_of(const model::Layer& layer) {
    const auto& window = layer.window;
    if (needs_all(layer) || window.kernel == model::Extent2{}) return 0;
    const auto rows = std::max<std::int64_t>(1, window.input.height);
    const auto first = (window.kernel.height - 1) * window.dilations.height + 1 - window.pads.top;
    return static_cast<double>(std::clamp<std::int64_t>(first, 0, rows)) / static_cast<double>(rows);
}

Folding cost_of(std::span<const FinnUnit> units, const model::Layer& layer, std::span<const UnitFolding> foldings,
                const OptionSettings& settings, const ReportFile* report) {
    Folding cost{.cycles = 1};
    std::int64_t stream = 0;
    for (std::size_t i = 0; i < units.size(); ++i) {
        auto unit = unit_cost(units[i], layer, foldings[i], settings.flow, settings.mode);
        if (report)
            if (const auto better = report->units.find({units[i].kind, units[i].number}); better != report->units.end())
                better->second.put_into(unit);
        cost.need += unit.need;
        cost.cycles = std::max(cost.cycles, unit.cycles);
        const auto streams = streams_of(units[i], foldings[i]);
        const bool converts = settings.mode == Estimates::mended && stream != 0 && stream != streams.in && streams.in > 0;
        if (converts) cost.need.of[0] += finn::estimate(finn::WidthUnit{stream, streams.in}).lut;
        stream = streams.out;
    }
    cost.fill = !units.empty() && needs_all(layer) ? cost.cycles : 0;
    return cost;
}

std::vector<LayerOption> options_of(std::span<const FinnUnit> units, const model::Layer& layer, const OptionSettings& settings) {
    if (units.empty()) return {LayerOption{{}, {{}, 1, 0}}};
    return Maker(units, layer, settings).run();
}

}  // namespace fard::splitter
