// The files of a user's local cluster: $XDG_RUNTIME_DIR/fard, or /tmp/fard-UID, of mode 0700.
//
//   nodes        every front door, one per line
//   node.ipc     the first of them
//   NAME.lock    locked by the node manager NAME as long as it lives; holds its process id
//   NAME.log     its standard error
//   NAME/        its sockets and packages
//
// A node manager that was started by hand may have its own files beside them; they are never touched.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/owned_fd.hpp"
#include "base/result.hpp"
#include "runtime/peer/endpoint.hpp"

namespace fard {

std::filesystem::path user_cluster_directory();

// Makes sure that the directory is the user's own and closed to others, and makes it if `create`. Errors:
// not_found (it is not there, without `create`), refused (it belongs to somebody else, others may write to
// it), io.
Result<> check_cluster_directory(const std::filesystem::path& directory, bool create);

// Makes the directory if it is missing, and locks it for who starts a cluster there, until the descriptor and those that
// processes inherited are closed. Nothing: it is locked, by a cluster or by somebody who starts one. Errors: as above.
Result<std::optional<OwnedFd>> lock_cluster_directory(const std::filesystem::path& directory);

// The front doors of the cluster there, whether anybody lives behind them or not; empty for none.
std::vector<Address> listed_doors(const std::filesystem::path& directory);
Result<> list_doors(const std::filesystem::path& directory, const std::vector<Address>& doors);

// The lock of one node manager: opened and taken here, handed to it as a descriptor that it keeps open, let
// go by the kernel when it ends. Owns the descriptor.
class BoardLock {
  public:
    static Result<BoardLock> take(const std::filesystem::path& directory, const std::string& name);
    BoardLock(BoardLock&& other) noexcept;
    BoardLock& operator=(BoardLock&& other) noexcept;
    ~BoardLock();
    int fd() const { return fd_; }
    void write_pid(pid_t pid) const;

  private:
    explicit BoardLock(int fd) : fd_(fd) {}
    int fd_;
};

struct LivingBoard {
    std::string name;
    pid_t pid = 0;  // 0: not known
};
// The node managers of the directory's cluster that live: those that hold their locks, and those that run with a state
// directory in it, should their files be gone.
std::vector<LivingBoard> living_boards(const std::filesystem::path& directory);

// The process of a node manager that lives in the directory itself and was not started by `fard up`; 0 where only its
// lock tells of it.
std::optional<pid_t> stranger_in(const std::filesystem::path& directory);

// Removes what a cluster left there, nothing else; then the directory, if nothing is left. Only when nobody of it lives.
void clear_cluster_files(const std::filesystem::path& directory);
void remove_cluster_files(const std::filesystem::path& directory);

}  // namespace fard
