// The world of a submission over real sockets.
#pragma once

#include <memory>

#include "client/submission_world.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// The loop and the sockets outlive the world and everything that it makes.
std::unique_ptr<SubmissionWorld> make_socket_world(Loop& loop, SocketFactory& sockets);

}  // namespace fard
