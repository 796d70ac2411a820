// Every control message of fard, as plain structs. docs/protocol.md is the same table in prose; a test holds the two
// together. A struct names its type number (never reused), version, size cap, and its fields once, in `fields`; the
// codec (codec.hpp) is generated from that.
//
// Who speaks to whom:  peer -> peer over the mesh;  client <-> node manager over its front door (ROUTER/DEALER);
// node manager <-> job over a SOCK_SEQPACKET pair that the job inherits.
#pragma once

#include <tuple>

#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_job.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard::wire {

// The one table. Codec, caps, docs/protocol.md and the fuzz target are made from it. The chunk header (type 92) has a
// form of its own (chunk_header.hpp), because it is patched in place.
using Table = std::tuple<Done, Refused, Hello, Welcome, Leave, Ping, Pong, Beacon, Allowed, Join, Joined, Ticket, News, Digest, Sync, BoardState,
                         Reserve, Reserved, Grant, Wounded, Commit, Renew, Release, Spawn, Spawned, Wire, Drain,
                         Drained, JobLost, Fetch, Piece, Holds, Held, Gather, Gathered, Submit, Admitted, RunState, Offer, ClientAlive, Cancel,
                         Finish, Query, Status, Shutdown, Mend, Logs, LogLines, Check, Checked, Fill, Filled, Probe, Probed,
                         JobConfig, JobUp, JobConnect, JobLinked, JobFailed, JobDrain, JobDrained, JobDevice, JobTurn, JobReady, LinkOpen, Credit>;

}  // namespace fard::wire
