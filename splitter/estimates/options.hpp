// The ways in which one layer can be built: its units folded alike, each with its costs.
#pragma once

#include <span>
#include <vector>

#include "splitter/estimates/report_file.hpp"

namespace fard::splitter {

// One way for all units of a layer, in their order.
struct LayerOption {
    std::vector<UnitFolding> units;
    Folding cost;
};

struct OptionSettings {
    model::FinnFlow flow = model::FinnFlow::main;
    Estimates mode = Estimates::mended;
};

// Foldings from the smallest to the fastest, of which none is worse than another in everything: the matrix unit by the divisors
// of its rows and columns, on LUTs or DSPs, with its weights in BRAM or in LUTRAM; every other unit as little as keeps up.
std::vector<LayerOption> options_of(std::span<const model::FinnUnit> units, const model::Layer& layer,
                                    const OptionSettings& settings);

// As little of a unit as takes no more cycles, or as much as there is.
UnitFolding keeping_up(const model::FinnUnit& unit, const model::Layer& layer, std::int64_t cycles, const OptionSettings& settings);

// The share of its input that a layer's first output needs; nothing where it needs all of it, which is its fill.
double lead_of(const model::Layer& layer);

// What a layer takes when its units are folded so; `report`: better figures of some units.
Folding cost_of(std::span<const model::FinnUnit> units, const model::Layer& layer, std::span<const UnitFolding> foldings,
                const OptionSettings& settings, const ReportFile* report = nullptr);

}  // namespace fard::splitter
