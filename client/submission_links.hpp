// The world of a submission over real sockets.
#pragma once

#include <filesystem>
#include <memory>

#include "client/submission_world.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// Where results of a run at `door` can be received: "ipc:DIRECTORY" when the door is an ipc socket, else
// "tcp:ADDRESS" with the address of this machine from which the door is reached. Errors: invalid_input (not a
// front door), io.
Result<std::string> place_for_results(const std::string& door, const std::filesystem::path& directory);

// The loop, the sockets and the directory outlive the world and everything that it makes.
std::unique_ptr<SubmissionWorld> make_socket_world(Loop& loop, SocketFactory& sockets,
                                                   std::filesystem::path directory);

}  // namespace fard
