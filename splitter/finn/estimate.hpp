// What FINN prints for a unit: its own arithmetic, defects included, for comparison with its reports. A zero means "not
// modelled" as often as "none"; nothing is placed by these figures alone.
#pragma once

#include <cstdint>

#include "splitter/finn/unit.hpp"

namespace fard::finn {

// Whose formulas. `early` is the one of the published reports (before 2022), which differs in HLS sliding windows,
// accumulators and fused thresholds; `main` and `dev` are those of spring 2026.
enum class Version { early, main, dev };

struct Estimate {
    std::int64_t lut = 0, bram18 = 0, uram = 0, dsp = 0;
    std::int64_t cycles = 0;  // of one image
    friend bool operator==(const Estimate&, const Estimate&) = default;
};

// Folding divides what it folds (pe divides rows, simd divides columns, ...): the caller's word.
Estimate estimate(const Unit& unit, Version version);

Estimate estimate(const MatrixUnit& unit, Version version);
Estimate estimate(const DepthwiseUnit& unit, Version version);
Estimate estimate(const WindowUnit& unit, Version version);
Estimate estimate(const ThresholdUnit& unit);
Estimate estimate(const FifoUnit& unit, Version version);
Estimate estimate(const WidthUnit& unit);

}  // namespace fard::finn
