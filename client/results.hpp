// What a run did, in figures: the summary that `fard submit --json` prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "runtime/peer/message_parts.hpp"

namespace fard {

// Mean, sample standard deviation and percentiles (linear between the two nearest values), in milliseconds.
struct LatencyMs {
    double mean = 0, sd = 0, p50 = 0, p95 = 0, p99 = 0;
};
LatencyMs latency_of(std::vector<double> milliseconds);  // all 0 for none

struct RunSummary {
    std::string app;
    RunId run;
    std::uint64_t chunks_in = 0;   // handed to the run
    std::uint64_t chunks_out = 0;  // results delivered
    double wall_s = 0;             // from the submission until the run had ended and its boards were free
    double throughput_per_s = 0;   // chunks_out / wall_s
    double placed_wall_s = 0;  // from when the run first had its places to the last result
    double steady_per_s = 0;  // from the first to the last result; throughput_per_s when there is only one
    double first_result_s = 0;  // from the submission to the first result
    LatencyMs latency_ms;     // per chunk, from its (first) sending to its result
    std::vector<wire::JobReport> stages;  // one row per job of the last wiring
    std::uint64_t replays = 0;            // chunks sent again after a loss, by coordinators or by this client
    std::uint64_t duplicates_dropped = 0;
    std::uint64_t reloads = 0;
    std::uint64_t batch = 0;   // chunks of a turn, where positions shared slots at the end; 0: each had its own
    std::uint64_t turns = 0;   // that positions had there
    std::uint32_t attempts = 1;  // coordinators that the run has had
    std::string note;            // what the user should know although the run is done, "" for nothing
};

// Gathers the times of one run. The clock is the caller's loop.
class RunTimes {
  public:
    RunTimes(TimePoint started, std::uint64_t chunks);
    void placed(TimePoint now);                        // the first time counts
    void sent(std::uint64_t index, TimePoint now);     // the same
    void arrived(std::uint64_t index, TimePoint now);  // once per index

    // Fills the figures of time: wall_s, throughput_per_s, steady_per_s, first_result_s, latency_ms, chunks_out.
    void fill(RunSummary& summary, TimePoint now) const;

  private:
    TimePoint started_;
    std::vector<TimePoint> sent_;  // by index; TimePoint{} before
    std::vector<double> latency_ms_;
    std::optional<TimePoint> placed_, first_, last_;
};

}  // namespace fard
