// From the units that FINN makes of a network to what they take: one unit, folded.
#pragma once

#include <cstdint>
#include <optional>

#include "model/layers/finn_units.hpp"
#include "splitter/finn/estimate.hpp"
#include "splitter/network.hpp"

namespace fard::splitter {

// How one unit is built, in FINN's words; what does not concern its kind means nothing.
struct UnitFolding {
    std::int64_t pe = 1, simd = 1;
    std::optional<bool> rtl;  // none: as FINN chooses
    finn::MemoryMode memory = finn::MemoryMode::decoupled;
    finn::RamStyle ram = finn::RamStyle::automatic;
    finn::RamStyle threshold_ram = finn::RamStyle::automatic;
    bool on_dsp = false;
    bool parallel_window = false;
    std::int64_t bram_from = 0, uram_from = 0;  // RTL thresholds
    friend bool operator==(const UnitFolding&, const UnitFolding&) = default;
};

// `finn`: FINN's arithmetic as it is. `mended`: with its defects repaired and its zeros filled in.
enum class Estimates { finn, mended };

finn::Unit hardware_unit(const model::FinnUnit& unit, const model::Layer& layer, const UnitFolding& folding,
                         model::FinnFlow flow);

struct UnitCost {
    Resources need;
    std::int64_t cycles = 0;
};
UnitCost unit_cost(const model::FinnUnit& unit, const model::Layer& layer, const UnitFolding& folding,
                   model::FinnFlow flow, Estimates mode);

// Bits of its streams, each cycle: what it reads and what it makes.
struct Streams {
    std::int64_t in = 0, out = 0;
};
Streams streams_of(const model::FinnUnit& unit, const UnitFolding& folding);

// What PE and SIMD must divide; 1: the unit has no such folding.
struct Foldable {
    std::int64_t pe = 1, simd = 1;
};
Foldable foldable(const model::FinnUnit& unit, const model::Layer& layer);

// What every stage takes: its two DMAs, the interconnect and the control. Nothing in FINN's own mode.
Resources stage_overhead(Estimates mode);

}  // namespace fard::splitter
