// FINN's reports: what units took in a build, which is better than any estimate of them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "splitter/estimates/hardware.hpp"

namespace fard::splitter {

// What a report says of one unit; what it does not say is estimated.
struct UnitFigures {
    std::optional<std::int64_t> lut, ff, bram18, uram, dsp, cycles;
    void put_into(UnitCost& cost) const;
};

struct ReportFile {
    std::map<std::pair<model::FinnKind, int>, UnitFigures> units;  // by kind and running number
};

// Adds a report to those that were read before: estimate_layer_resources.json, estimate_layer_resources_hls.json (where a zero
// means that nothing is known), post_synth_resources.json (where it means none), or estimate_layer_cycles.json. Of two that say
// something of a figure the later one counts. Errors: invalid_input, with the unit and what is wrong.
Result<> add_report(ReportFile& report, std::string_view json, const std::string& where);

}  // namespace fard::splitter
