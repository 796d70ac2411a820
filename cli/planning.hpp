// What `fard split` and `fard plan` have in common: the boards and the network that a command names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/options.hpp"
#include "model/model.hpp"
#include "runtime/peer/messages_client.hpp"
#include "splitter/estimates/describe.hpp"

namespace fard::cli {

inline constexpr std::size_t most_boards = 64;  // where their number is to be found

// --board, --boards, --cluster, --node, --folding, --report, --estimates, --fraction.
std::vector<OptionSpec> network_options();

struct Boards {
    splitter::Cluster cluster;
    bool counted = false;                   // nobody said how many
    std::vector<splitter::Board> others;    // one of each profile
    std::optional<wire::Status> status;     // of the cluster that is up, where it is that one
};
// Errors: invalid_input (not one of --board, --cluster and --node), those of profiles, cluster files and find_cluster.
Result<Boards> read_boards(const Options& options);
// A number above 0, not nothing. Errors: invalid_input, naming the option.
Result<double> read_number(const Options& options, const std::string& name);
Result<splitter::Fractions> read_fractions(const Options& options);

// How a network is described, with the files that the settings refer to: stays where it is.
struct Estimating {
    splitter::DescribeSettings settings;
    splitter::FoldingFile folding;
    splitter::ReportFile report;
    Estimating() = default;
    Estimating(const Estimating&) = delete;
};

// `name`: of the network where the model has none. Errors: invalid_input, those of the folding file, the reports and the model.
Result<splitter::Description> read_network(const Options& options, const model::Model& model, const splitter::Cluster& cluster,
                                           const std::string& name, Estimating& estimating);

// What people should know of turns on these boards: profiles that say nothing of a reload, which is then taken for none.
std::vector<std::string> unknown_reloads(const splitter::Cluster& cluster);

}  // namespace fard::cli
