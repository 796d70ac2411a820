// The directory that one node manager has to itself: sockets, links, overlay packages.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.hpp"

namespace fard {

class StateDir {
  public:
    // Makes the directory if it is missing (mode 0700), locks it, and removes what a node manager that was
    // killed left in it. Errors: invalid_input (not ours, or open to others: says what to do), io (another
    // node manager has it, or the system said no).
    static Result<std::unique_ptr<StateDir>> take(const std::filesystem::path& dir);
    ~StateDir();  // removes the links; packages stay
    StateDir(const StateDir&) = delete;
    StateDir& operator=(const StateDir&) = delete;

    std::filesystem::path overlays() const { return dir_ / "overlays"; }
    std::filesystem::path links() const { return dir_ / "links"; }

  private:
    StateDir(std::filesystem::path dir, int lock);
    std::filesystem::path dir_;
    int lock_;
};

}  // namespace fard
