#include "runtime/node_manager/board.hpp"

#include <spdlog/spdlog.h>

#include <set>

#include "runtime/node_manager/descriptor_room.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard {

namespace {

constexpr Duration notice_deadline =
    std::chrono::seconds(3);  // GRANT, WOUNDED: the coordinator asks again anyway
constexpr Duration fetch_interest = std::chrono::seconds(60);  // of a SPAWN in a package that it needs
constexpr Duration loss_deadline = std::chrono::seconds(10);  // JOB_LOST

// A package that cannot be had here and now is no verdict on the run: another board, or the client, may have it.
Error of_a_package(Error error) {
    if (error.fault != Fault::io && error.fault != Fault::refused) error.fault = Fault::unreachable;
    return error;
}

}  // namespace

struct Board::PendingSpawn {
    PeerId from;
    wire::Spawn spawn;
    Reply reply;
    std::size_t missing = 1;  // packages that are being fetched, and the loop that starts them
    std::optional<Error> error;
    std::vector<OverlayStore::Hold> holds;
};

Board::Board(Loop& loop, Courier& courier, OverlayStore& store, PackageFetch& packages, JobSpawner& spawner,
             BoardOptions options, std::function<void(const wire::BoardState&)> publish_state,
             std::function<std::uint32_t()> runs)
    : loop_(loop),
      courier_(courier),
      store_(store),
      packages_(packages),
      spawner_(spawner),
      publish_(std::move(publish_state)),
      runs_(std::move(runs)),
      publish_interval_(options.publish_interval),
      labels_(options.labels),
      leases_(options.devices,
              {.grant =
                   [this](const PeerId& to, const wire::Grant& grant) {
                       courier_.ask(to, grant, notice_deadline, [](auto) {});
                   },
               .wound =
                   [this](const PeerId& to, const wire::Wounded& wounded) {
                       courier_.ask(to, wounded, notice_deadline, [](auto) {});
                   },
               .end_jobs = [this](const RunId& run, Epoch up_to) { end_jobs(run, up_to, [] {}); }}),
      jobs_(loop, spawner, std::move(options.jobs), [this](const wire::JobLost& lost) { job_lost(lost); }),
      expiry_(loop),
      publish_alarm_(loop) {
    publish();
}

bool Board::serve(const PeerId& from, const wire::Body& body, Reply& reply) {
    const auto now = loop_.now();
    leases_.expire(now);  // we may have slept
    if (const auto* reserve = body.as<wire::Reserve>()) {
        reply(leases_.reserve(from, *reserve, now));
    } else if (const auto* commit = body.as<wire::Commit>()) {
        reply(leases_.commit(from, *commit, now));
    } else if (const auto* renew = body.as<wire::Renew>()) {
        auto answer = leases_.renew(from, *renew, now);
        if (auto* standing = answer.as<wire::Reserved>()) standing->jobs = jobs_.progress(renew->run, renew->epoch);
        reply(std::move(answer));
    } else if (const auto* release = body.as<wire::Release>()) {
        leases_.release(from, *release, now, reply);
    } else if (const auto* spawn_wish = body.as<wire::Spawn>()) {
        spawn(from, *spawn_wish, std::move(reply));
    } else if (const auto* wire_wish = body.as<wire::Wire>()) {
        jobs_.wire(*wire_wish, [reply](const Result<>& result) {
            reply(result ? wire::Body(wire::Done{}) : wire::Body(refused(result.error())));
        });
    } else if (const auto* drain_wish = body.as<wire::Drain>()) {
        drain(*drain_wish, std::move(reply));
    } else {
        return false;
    }
    watch_leases();
    changed();
    return true;
}

// ---- jobs

// Under a firm lease: fetch what is missing, look at the lease again, start the jobs.
void Board::spawn(const PeerId& from, const wire::Spawn& spawn, Reply reply) {
    if (auto may = leases_.may_spawn(spawn.run, spawn.epoch, loop_.now()); !may)
        return reply(refused(may.error()));
    auto pending = std::make_shared<PendingSpawn>(PendingSpawn{from, spawn, std::move(reply), 1, {}});
    auto one_less = [this, pending](const Result<>& result) {
        if (!result && !pending->error) pending->error = result.error();
        if (--pending->missing == 0) packages_ready(pending);
    };
    std::set<std::string> asked;
    for (const auto& job : spawn.jobs) {
        const auto& overlay = job.spec.overlay;
        if (overlay.empty() || !asked.insert(overlay).second) continue;
        pending->holds.push_back(store_.hold(overlay));
        ++pending->missing;  // one that is here is looked at once more
        packages_.fetch(overlay, spawn.sources, fetch_interest, one_less);
    }
    one_less({});
}

void Board::packages_ready(const std::shared_ptr<PendingSpawn>& pending) {
    const auto& spawn = pending->spawn;
    const auto now = loop_.now();
    leases_.expire(now);
    if (pending->error) return pending->reply(refused(of_a_package(*pending->error)));
    if (auto may = leases_.may_spawn(spawn.run, spawn.epoch, now); !may)
        return pending->reply(refused(may.error()));
    if (auto room = check_descriptor_room(descriptors_of_a_job * spawn.jobs.size()); !room)
        return pending->reply(refused(room.error()));
    std::map<std::string, std::filesystem::path> dirs;
    for (const auto& job : spawn.jobs) {
        if (job.spec.overlay.empty()) continue;
        const auto dir = store_.path(job.spec.overlay);
        if (!dir)
            return pending->reply(refused({Fault::unreachable, "package " + job.spec.overlay + " has gone meanwhile"}));
        dirs[job.spec.overlay] = *dir;
    }
    leases_.jobs_started(spawn.run, spawn.epoch);
    started_[{spawn.run, spawn.epoch}] = {pending->from, std::move(pending->holds)};
    jobs_.spawn(spawn, dirs, [this, pending](Result<wire::Spawned> spawned) {
        if (spawned) return pending->reply(std::move(*spawned));
        end_jobs(pending->spawn.run, pending->spawn.epoch,
                 [pending, error = spawned.error()] { pending->reply(refused(error)); });
    });
}

void Board::drain(const wire::Drain& drain, Reply reply) {
    jobs_.drain(drain.run, drain.epoch,
                [this, drain, reply = std::move(reply)](Result<wire::Drained> drained) {
                    if (!drained) return reply(refused(drained.error()));
                    end_jobs(drain.run, drain.epoch, [reply, drained] { reply(*drained); });
                });
}

// Kills what is left of them, and frees their slots once all are reaped.
void Board::end_jobs(const RunId& run, Epoch up_to, std::function<void()> then) {
    jobs_.kill(run, up_to, [this, run, up_to, then = std::move(then)] {
        std::erase_if(started_, [&](const auto& entry) {
            return entry.first.first == run && entry.first.second <= up_to;
        });
        leases_.jobs_ended(run, up_to, loop_.now());
        then();
        watch_leases();
        changed();
    });
}

void Board::job_lost(const wire::JobLost& lost) {
    const auto started = started_.find({lost.job.run, lost.job.epoch});
    if (started == started_.end()) return;
    courier_.ask(started->second.coordinator, lost, loss_deadline, [](auto) {});
}

// ---- time

void Board::watch_leases() {
    const auto next = leases_.next_expiry();
    if (!next) return expiry_.clear();
    expiry_.set_at(*next, [this] {
        leases_.expire(loop_.now());
        watch_leases();
        changed();
    });
}

void Board::set_devices(std::vector<wire::DeviceState> devices) {
    leases_.set_devices(std::move(devices), loop_.now());
    watch_leases();
    changed();
}

wire::BoardState Board::state() const {
    return {leases_.devices(), leases_.slots_free(), store_.list(), runs_(), labels_, spawner_.programs()};
}

void Board::changed() {
    if (std::exchange(publishing_, true)) return;
    loop_.post(lifetime_.guarded([this] {
        publishing_ = false;
        if (state() != published_) publish();
    }));
}

void Board::publish() {
    published_ = state();
    publish_(published_);
    publish_alarm_.set(publish_interval_, [this] { publish(); });
}

}  // namespace fard
