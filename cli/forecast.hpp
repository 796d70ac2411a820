// What a run of a packed app will take: by the figures of its packages, on boards whose profiles are known. The planner's schedule of it is
// what the run follows where positions outnumber FPGAs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/packing.hpp"
#include "client/results.hpp"
#include "planner/arrange.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard::cli {

struct Forecast {
    planner::Pipeline pipeline;
    planner::Schedule schedule;
    planner::Simulated simulated;
    planner::Limit limit;
    std::optional<double> energy_j;
    double bound_s = 0;  // of the wall, whoever sits where and however they take turns

    bool turns() const { return !schedule.turns.empty(); }
};

// Errors: unsupported (nothing is known of a position, or it is placed as no plan has it: which, and why), refused (the boards have no place for
// one; no batch keeps the wished latency).
Result<Forecast> forecast(const PackedApp& packed, const splitter::Cluster& cluster, const planner::Wish& wish);

// The same for a schedule that is given; its boards are found by their names. Errors: the same; invalid_input (it is for another app).
Result<Forecast> forecast_as(const PackedApp& packed, const splitter::Cluster& cluster, planner::Schedule schedule, const planner::Run& run);

// Joules of all boards, of what a run did by its own report: they are at work for as long as jobs say, and ways for as long as their bytes
// take. Nothing where a board's power is not known, or a job was on another board.
std::optional<double> energy_of(const Forecast& forecast, const RunSummary& summary);

// Which position, or part of one, of the app the boards' FPGAs hold now, as Run::loaded has it. `cluster`: what running_boards made of `status`.
std::vector<std::vector<std::optional<planner::Held>>> loaded_now(const wire::AppSpec& app, const splitter::Cluster& cluster,
                                                                const wire::Status& status);

// A profile for each kind of board of the cluster that has a fabric, with its slots; the smallest slots first: what fits into one
// of them fits everywhere. Errors: those of the profiles.
Result<std::vector<BoardProfile>> profiles_of(const splitter::Cluster& cluster, const std::filesystem::path& profiles);

}  // namespace fard::cli
