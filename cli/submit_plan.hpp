// How `fard submit` asks the planner: batch, window and order of turns of a run, and what is to be expected of it.
#pragma once

#include <optional>
#include <string>

#include "cli/forecast.hpp"
#include "cli/report.hpp"
#include "client/api.hpp"

namespace fard::cli {

struct Planning {
    std::optional<std::uint64_t> batch;  // 0: auto, the planner's
    std::optional<double> latency_s;     // no chunk takes longer
    std::string schedule;                // as text, "" for none: then it is followed
    std::uint64_t chunks = 0;
    bool asked() const { return batch || latency_s || !schedule.empty(); }
};

struct Prepared {
    std::optional<Forecast> forecast;  // nothing: too little is known of the boards or the app
    std::string remark;                // for people, "" for none

    // What was expected, and what it came to.
    std::optional<Expected> expected(const RunSummary& summary) const;
};

// Sets the app's batch, window and schedule for where it goes. What the planner knows too little of is left to the boards, as long as no
// latency was asked for. Errors: invalid_input (a schedule that is none), refused (nothing keeps the latency, or nothing is known of it).
Result<Prepared> plan_submission(PackedApp& packed, const Planning& planning, const ApiOptions& place);

}  // namespace fard::cli
