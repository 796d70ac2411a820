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
// them know is listed once, with its later attempt. Errors: unreachable.
Result<wire::Status> cluster_status(const std::vector<Address>& doors);

}  // namespace fard::cli
