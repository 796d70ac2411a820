// A node manager's way to the helper of its board: a child of its own, or one that listens on a socket (a service of the
// system's).
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/child_process.hpp"
#include "overlays/helper/messages.hpp"
#include "overlays/zynq/fabric_setup.hpp"

namespace fard::helper {

struct LinkOptions {
    std::filesystem::path socket;   // where one listens; "": a child
    std::filesystem::path program;  // of the child
    zynq::FabricSetup setup;        // what the child is told; one that listens was told by whoever started it
};

// Lives on the loop. The child goes when this does, or the process ends.
class HelperLink {
  public:
    // Waits for what the helper says first. Errors: not_found (no such program), unreachable (nobody listens, or it ended at once),
    // timed_out, io.
    static Result<std::unique_ptr<HelperLink>> open(Loop& loop, LinkOptions options);

    ~HelperLink();
    HelperLink(const HelperLink&) = delete;
    HelperLink& operator=(const HelperLink&) = delete;

    // Why the fabric is not this node manager's, where the helper said so: refused (another one has it), io.
    const std::optional<Error>& complaint() const { return complaint_; }

    // For a job with this package, the one that it may have loaded: the job's end of its session. A helper that has gone
    // meanwhile is started or looked for once more. Errors: as open.
    Result<OwnedFd> session(const std::string& package, const std::filesystem::path& directory);

  private:
    HelperLink(Loop& loop, LinkOptions options) : loop_(loop), options_(std::move(options)) {}
    Result<> connect();
    Result<> start_child();
    Result<> hear_greeting();

    Loop& loop_;
    LinkOptions options_;
    std::unique_ptr<ChildProcess> child_;
    OwnedFd channel_;
    std::optional<Error> complaint_;
};

// The job's half of what session() begins: what it must know of the board. Errors: those of receive; corrupt.
Result<Board> await_board(int session);

}  // namespace fard::helper
