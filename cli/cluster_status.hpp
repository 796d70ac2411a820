// What a whole cluster says of itself, gathered from one door.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard::cli {

// The front doors that `node` (as --node; "" for none) or the environment leads to. Errors: those of locate,
// and unreachable when no cluster is up.
Result<std::vector<Address>> find_cluster(const std::string& node);

// Asks one board for the members and then each of them for the runs that it coordinates; a run that two of
// them know is listed once, with its later attempt. Boards by name, runs by age, the youngest first. Errors: unreachable.
Result<wire::Status> cluster_status(const std::vector<Address>& doors);

inline constexpr std::uint64_t silent_too_long_ms = 4000;  // of a board that is a member: it is not heard at all

bool has_ended(const wire::RunState& run);

// The run that the digits begin. Errors: invalid_input (no digits; several runs begin so), not_found.
Result<RunId> find_run(const wire::Status& status, const std::string& digits, bool ended_too);

// Boards that were given copies of one key directory: a sentence for each key.
std::vector<std::string> shared_keys(const wire::Status& status);

}  // namespace fard::cli
