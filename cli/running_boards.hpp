// The boards of a cluster that is up, as the splitter plans for them.
#pragma once

#include <filesystem>

#include "base/result.hpp"
#include "runtime/peer/messages_client.hpp"
#include "splitter/cost/cluster.hpp"

namespace fard::cli {

// A board whose node manager has a profile's name as a label is such a board, any other a plain computer; slots are those of its
// FPGA where it has one, else of its CPU. Boards without a healthy device are left out. The client's port is that of an emulated board, where
// there are some; else 1 Gbit/s, and the board that answered coordinates what is submitted there, unless it is on this machine.
// `client_on_board`: the client is on that board, chunks come from there and results go there. Errors: invalid_input (no board is left; or
// not that one), those of the profiles.
Result<splitter::Cluster> running_boards(const wire::Status& status, const std::filesystem::path& profiles,
                                         const splitter::Fractions& fractions, bool client_on_board = false);

}  // namespace fard::cli
