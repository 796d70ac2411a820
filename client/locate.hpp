// Which cluster: --node, else FARD_NODE, else the user's local cluster, else nobody. And asking node managers
// one thing, for commands that need no more.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/body.hpp"
#include "runtime/peer/resolver.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

struct Whereabouts {
    std::vector<Address> doors;  // front doors, the one that answered first; empty: no cluster
    std::string note;                // what to say on standard error, "" for nothing
};

struct LocateOptions {
    std::string node;                 // --node, "" when it was not given
    std::string environment;          // FARD_NODE, "" when it is not set
    std::filesystem::path directory;  // of the user's cluster
    Duration local_limit =
        std::chrono::milliseconds(300);  // a local cluster answers by then or counts as none,
    Duration living_limit = std::chrono::milliseconds(3000);  // or by then, while processes of it live
    Duration name_limit = std::chrono::milliseconds(3000);  // a named node's name is resolved by then
    Duration node_limit = std::chrono::milliseconds(1000);  // a named node answers by then or is unreachable
};
LocateOptions locate_options(const std::string& node);  // with the environment and the user's directory

// Blocks. Errors: invalid_input (not an address), unreachable (a node that was named does not answer, or its name is not known),
// not_found (FARD_KEYS names a directory that is not there).
Result<Whereabouts> locate(const LocateOptions& options);

struct NodeAnswer {
    Address door;
    wire::Body body;
};
// Asks all of them at once and waits for every one; the answers in the doors' order. Blocks.
std::vector<Result<wire::Body>> ask_all(const std::vector<Address>& doors, const wire::Body& body,
                                        Duration deadline);

// Asks them in their order, the next one as soon as one is late or refuses, and returns the first answer that is no
// refusal; blocks, for about the deadline at most. Errors: a refusal if that is all that came, unreachable naming every door.
// `ask_first_as`: as somebody else than this client's user.
Result<NodeAnswer> ask_first_as(Identity identity, const std::vector<Address>& doors, const wire::Body& body,
                                Duration deadline);
Result<NodeAnswer> ask_first(const std::vector<Address>& doors, const wire::Body& body,
                             Duration deadline);

}  // namespace fard
