// The directories that one node manager has to itself: of its sockets and links, which end with it, and of its
// packages, which stay. They may be the same.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "base/owned_fd.hpp"
#include "base/result.hpp"

namespace fard {

class StateDir {
  public:
    // Makes the directories if they are missing (mode 0700), locks them (the file `lock` holds our process id), and
    // removes the links that a node manager which was killed left. As long as they are locked, systemd-tmpfiles
    // leaves what is in the runtime directory alone. Errors: invalid_input (not ours, or open to others: says what
    // to do), io (another node manager has one of them, or the system said no).
    static Result<std::unique_ptr<StateDir>> take(const std::filesystem::path& state,
                                                  const std::filesystem::path& runtime);
    ~StateDir();  // removes the links; packages stay
    StateDir(const StateDir&) = delete;
    StateDir& operator=(const StateDir&) = delete;

    std::filesystem::path overlays() const { return state_ / "overlays"; }
    std::filesystem::path links() const { return runtime_ / "links"; }

  private:
    StateDir(std::filesystem::path state, std::filesystem::path runtime)
        : state_(std::move(state)), runtime_(std::move(runtime)) {}
    Result<> lock(const std::filesystem::path& dir);
    std::filesystem::path state_, runtime_;
    std::vector<OwnedFd> locks_;
};

}  // namespace fard
