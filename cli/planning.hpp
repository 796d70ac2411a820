// What `fard split` and `fard plan` have in common: the boards and the network that a command names.
#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"
#include "model/model.hpp"
#include "splitter/estimates/describe.hpp"

namespace fard::cli {

inline constexpr std::size_t most_boards = 64;  // where their number is to be found

// --board, --boards, --cluster, --folding, --estimates, --fraction.
std::vector<OptionSpec> network_options();

struct Boards {
    splitter::Cluster cluster;
    bool counted = false;                   // nobody said how many
    std::vector<splitter::Board> others;    // one of each profile
};
// Errors: invalid_input (neither or both of --board and --cluster), those of profiles and cluster files.
Result<Boards> read_boards(const Options& options);
Result<splitter::Fractions> read_fractions(const Options& options);

// `name`: of the network where the model has none. Errors: invalid_input, those of the folding file and the model.
Result<splitter::Description> read_network(const Options& options, const model::Model& model, const splitter::Cluster& cluster,
                                           const std::string& name);

Result<> write_svg(const std::string& file, const std::string& text);

}  // namespace fard::cli
