// A planned stage as its package's manifest has it.
#pragma once

#include <utility>
#include <vector>

#include "overlays/package/hardware.hpp"
#include "splitter/estimates/describe.hpp"
#include "splitter/search/search.hpp"

namespace fard::splitter {

// The units of a planned stage, in the network's order, and how each is folded.
using PlannedUnits = std::vector<std::pair<model::FinnUnit, UnitFolding>>;
PlannedUnits planned_units(const Description& description, const PlannedStage& stage);

// `units` by the names that FINN gives them, each folded as the next planned one of its kind, if that fits it. One that is not planned
// (a stage's border may need thresholds or a sum of its own) is folded as little as takes no more than `cycles`. `layers`: of the units.
std::vector<NamedFolding> named_foldings(const std::vector<model::FinnUnit>& units, const PlannedUnits& planned,
                                         const std::vector<model::Layer>& layers, std::int64_t cycles, model::FinnFlow flow);

// What a stage in a fabric takes and how fast it is, by the estimates of the plan, for the part of its first board.
Hardware hardware_of(const Description& description, const Cluster& cluster, const Found& found, std::size_t stage);

// A stage of a model as one board of this kind has it: as fast as fits into these fractions of it, by the mended estimates.
// Errors: refused (it does not fit, with what and by how much), those of describe().
Result<Hardware> plan_hardware(const model::Model& stage, const BoardProfile& profile, const Fractions& fractions = {});

}  // namespace fard::splitter
