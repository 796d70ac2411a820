// A run's summary, for scripts and for people.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/scores.hpp"
#include "client/results.hpp"

namespace fard::cli {

struct Judged {  // the best classes of one result
    std::string input;
    std::vector<Score> scores;
};

// What was expected of a run before it began.
struct Expected {
    double wall_s = 0, throughput_per_s = 0, steady_per_s = 0;
    std::uint64_t reloads = 0;
    double bound_per_s = 0;  // over the whole run, whoever sits where
    double period_ms = 0;    // what the busiest thing takes for a chunk
    std::string limit;       // which that is
    std::optional<double> energy_j;
    std::optional<double> measured_energy_j;  // what it came to
};

// One object, the contract of `fard submit --json`; with the best classes of each result where `top` is asked for, named by
// `labels` as far as these go; and what was expected, beside what was measured in the same way.
std::string summary_json(const RunSummary& summary, const std::optional<std::vector<Judged>>& top = std::nullopt,
                         const std::vector<std::string>& labels = {}, const std::optional<Expected>& expected = std::nullopt);
// A few lines and a table of the jobs.
std::string summary_text(const RunSummary& summary, const std::optional<Expected>& expected = std::nullopt);

// `rows` under `head`, columns aligned; numbers in the cells to the right.
std::string table_text(const std::vector<std::string>& head,
                       std::vector<std::vector<std::string>> rows);

// Which emulated devices were late for more than 1 % of their chunks, so that the run's figures do not count; "" for none.
std::string lateness_text(const RunSummary& summary);

}  // namespace fard::cli
