// This board as coordinators see it: it answers their requests for slots and jobs, and publishes its state.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/alarm.hpp"
#include "base/lifetime.hpp"
#include "runtime/node_manager/job_host.hpp"
#include "runtime/node_manager/leases.hpp"
#include "runtime/node_manager/overlay_store.hpp"
#include "runtime/node_manager/package_fetch.hpp"
#include "runtime/peer/courier.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard {

struct BoardOptions {
    std::vector<wire::DeviceState> devices;
    JobHostOptions jobs;
    std::vector<std::string> labels = {};  // what positions may ask for besides the board's name
    Duration publish_interval = std::chrono::seconds(1);
};

// Lives on the node manager's loop; all that it is given outlives it.
class Board {
  public:
    // `publish` is called each second and after a change; `runs` says how many runs this board coordinates.
    Board(Loop& loop, Courier& courier, OverlayStore& store, PackageFetch& packages, JobSpawner& spawner,
          BoardOptions options, std::function<void(const wire::BoardState&)> publish,
          std::function<std::uint32_t()> runs);

    // Answers RESERVE, COMMIT, RENEW, RELEASE, SPAWN, WIRE and DRAIN, in that sense idempotent: what was done
    // under an epoch is not done twice. False: none of them; the reply is untouched.
    bool serve(const PeerId& from, const wire::Body& body, Reply& reply);

    void set_devices(std::vector<wire::DeviceState> devices);  // see LeaseTable::set_devices
    wire::BoardState state() const;
    void changed();  // publishes soon, if the state is another than before
    std::size_t jobs() const { return jobs_.jobs(); }
    const LeaseTable& leases() const { return leases_; }

  private:
    struct PendingSpawn;
    void spawn(const PeerId& from, const wire::Spawn& spawn, Reply reply);
    void packages_ready(const std::shared_ptr<PendingSpawn>& pending);
    void drain(const wire::Drain& drain, Reply reply);
    void end_jobs(const RunId& run, Epoch up_to, std::function<void()> then);
    void job_lost(const wire::JobLost& lost);
    void watch_leases();
    void publish();

    Loop& loop_;
    Courier& courier_;
    OverlayStore& store_;
    PackageFetch& packages_;
    JobSpawner& spawner_;
    std::function<void(const wire::BoardState&)> publish_;
    std::function<std::uint32_t()> runs_;
    Duration publish_interval_;
    std::vector<std::string> labels_;
    LeaseTable leases_;
    JobHost jobs_;
    struct Started {  // jobs of one run and epoch
        PeerId coordinator;
        std::vector<OverlayStore::Hold> packages;
    };
    std::map<std::pair<RunId, Epoch>, Started> started_;
    wire::BoardState published_;
    bool publishing_ = false;  // is posted
    Alarm expiry_, publish_alarm_;
    Lifetime lifetime_;
};

}  // namespace fard
