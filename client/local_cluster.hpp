// A cluster of node managers on this machine: several `fardd` processes as children, seeded to each other, on
// ipc sockets in a directory of mode 0700 (or tcp on loopback), with a random cluster id and no beacon.
//
//   embedded   dies with its client, and is taken down with all its files at the end
//   detached   goes on without us (`fard up`), in the user's cluster directory (client/cluster_files.hpp)
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// The program `fardd` of this installation: in FARD_LIBEXEC; else in the running program's own directory (installed) and
// those above it (a build tree), or on the PATH (a client of one's own). Errors: not_found, naming where it looked.
Result<std::filesystem::path> find_fardd();
Result<std::filesystem::path> find_fardd_from(const std::filesystem::path& executable,
                                              const std::string& libexec, const std::string& path = "");

// The job programs that come with that fardd. Errors: not_found.
Result<std::filesystem::path> find_jobs(const std::filesystem::path& fardd);

inline constexpr std::uint32_t most_local_boards = 256;

struct LocalClusterOptions {
    std::uint32_t boards = 1;
    std::uint32_t slots = 0;  // per board, 0: the device's own
    std::string profile = {};              // that each board emulates, "" for none; `slots` are then its fabric's
    std::vector<std::string> faults = {};  // of the first board, as KIND@N
    bool tcp = false;         // tcp on loopback instead of ipc
    bool detached = false;
    std::filesystem::path directory;  // of a detached cluster
    std::filesystem::path fardd;                    // empty: find_fardd()
    std::vector<std::filesystem::path> jobs_dirs;  // searched before the installation's own
    Duration ready_within = std::chrono::seconds(20);
};

// Lives on one loop.
class LocalCluster {
  public:
    using Started = std::function<void(Result<std::unique_ptr<LocalCluster>>)>;

    // Starts all node managers at once; `started` is called once, from the loop, when each of them knows all
    // others and their devices. Errors (nothing is left then): refused (a cluster is up in the directory
    // already), not_found, io, failed (a node manager ended: its last words), timed_out (which are missing).
    // The abort that it returns ends a start that is under way with its error, and does nothing afterwards.
    using Abort = std::function<void(const Error&)>;
    static Abort start(Loop& loop, SocketFactory& sockets, LocalClusterOptions options, Started started);

    // Kills what still runs of an embedded cluster, reaps it, removes its files; a detached one just goes on.
    ~LocalCluster();

    const std::vector<Address>& doors() const;  // front doors, in the boards' order
    static std::string board_name(std::size_t number);

    // Ends an embedded cluster in order; `stopped` is called once all its processes are reaped, at the latest
    // after `limit`, when the rest is killed.
    void stop(Duration limit, std::function<void()> stopped);

  private:
    struct Impl;
    explicit LocalCluster(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// Ends every node manager of the user's cluster (SIGTERM), waits until all are gone, removes the files. Blocks.
// Errors: unreachable (no cluster is up there), refused (who lives there is none of a cluster's), timed_out (which ones did
// not end).
Result<std::size_t> take_down_cluster(const std::filesystem::path& directory, Duration limit);

}  // namespace fard
