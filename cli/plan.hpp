// What `fard split` and `fard submit MODEL.onnx` have in common: a strategy by its name, a plan or why there is none, and
// the plan as scripts read it.
#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"
#include "splitter/estimates/describe.hpp"
#include "splitter/search/search.hpp"

namespace fard::cli {

// Errors: invalid_input (there is no such strategy: the nearest name).
Result<splitter::Strategy> read_strategy(const Options& options, const std::string& otherwise);

// How many stages there are to be (--stages); nothing where it is not said.
Result<std::optional<std::size_t>> read_stages(const Options& options);

// A board of each profile there is, for advice.
std::vector<splitter::Board> one_of_each(const std::filesystem::path& profiles,
                                         const splitter::Fractions& fractions);

// A search that found nothing, with its causes and what would do. Any other error stays as it is.
Error explained(const Error& error, const splitter::Description& description,
                const splitter::Cluster& cluster, const std::vector<splitter::Board>& others);

// The value's bound, in the unit of the objective: results per second, or milliseconds.
struct Certificate {
    double bound = 0, gap = 0;
};
Certificate certificate_of(const splitter::Found& found, splitter::Strategy strategy);

std::vector<std::string> layers_of(const splitter::Network& network, const splitter::PlannedStage& stage);

double share(std::int64_t part, std::int64_t whole);  // 0 of nothing

// Where stages outnumber slots: how they take turns.
struct Turns {
    std::size_t images = 0, batch = 0, reloads = 0;
    double wall_s = 0;
    std::string bottleneck;  // what is busiest, with how much
    std::string orders;      // the stages of a round, by board
};

// As docs/cli.md lists it. `turns`: none where each stage has a slot of its own.
std::string plan_json(const splitter::Network& network, const splitter::Cluster& cluster, const splitter::Found& found,
                      splitter::Strategy strategy, const Turns* turns = nullptr);

}  // namespace fard::cli
