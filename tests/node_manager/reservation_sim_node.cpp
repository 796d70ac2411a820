#include "tests/node_manager/reservation_sim_node.hpp"

#include <algorithm>

#include "runtime/peer/messages_mesh.hpp"

namespace fard::sim {

using namespace std::chrono_literals;

namespace {

std::string text(const RunId& run, Epoch epoch) {
    return fmt::format("{}@{}.{}", run.hex, epoch.attempt, epoch.wiring);
}

bool accepted(const wire::Body& body) {
    return !body.is<wire::Refused>();
}

}  // namespace

// ---- board

SimBoard::SimBoard(Surroundings& around, SimPeer& peer, std::vector<wire::DeviceState> devices)
    : around_(around),
      peer_(peer),
      table_(std::move(devices),
             {[this](const PeerId& to, const wire::Grant& grant) {
                  peer_.requests().ask(to, grant, lease_time, [](const Result<wire::Body>&) {});
              },
              [this](const PeerId& to, const wire::Wounded& wounded) {
                  around_.note(Event::wound);
                  peer_.requests().ask(to, wounded, lease_time, [](const Result<wire::Body>&) {});
              },
              [this](const RunId& run, Epoch up_to) { end_jobs(run, up_to); }}) {}

void SimBoard::handle(const PeerId& from, const wire::Body& body, const Reply& reply) {
    dirty_ = true;
    auto answer = [&](const RunId& run, Epoch epoch, wire::Body said) {
        if (accepted(said)) heard_[{run, epoch}] = now();
        reply(std::move(said));
    };
    if (const auto* reserve = body.as<wire::Reserve>()) {
        auto said = table_.reserve(from, *reserve, now());
        observe(*reserve, accepted(said));
        answer(reserve->run, reserve->epoch, std::move(said));
    } else if (const auto* commit = body.as<wire::Commit>()) {
        answer(commit->run, commit->epoch, table_.commit(from, *commit, now()));
    } else if (const auto* renew = body.as<wire::Renew>()) {
        answer(renew->run, renew->epoch, table_.renew(from, *renew, now()));
    } else if (const auto* release = body.as<wire::Release>()) {
        table_.release(from, *release, now(), reply);
        auto& asked = asked_[release->run];
        if (release->epoch >= asked.highest) asked.released = asked.highest = release->epoch;
    } else if (const auto* wanted = body.as<wire::Spawn>()) {
        spawn(*wanted, reply);
    }
    arm();
}

// Commands that were overtaken have no effect for as long as the board must remember.
void SimBoard::observe(const wire::Reserve& reserve, bool taken) {
    auto& asked = asked_[reserve.run];
    const bool over = reserve.epoch < asked.highest || (asked.released && reserve.epoch <= *asked.released);
    if (taken && over && now() - asked.at < epoch_memory) {
        violated("took a RESERVE that is over: " + text(reserve.run, reserve.epoch));
    }
    if (taken || reserve.epoch > asked.highest) {
        asked.highest = reserve.epoch;
        asked.slots = reserve.slots;
        asked.at = now();
    }
}

// The packages are here at once, or must be fetched first.
void SimBoard::spawn(const wire::Spawn& spawn, const Reply& reply) {
    table_.expire(now());
    if (auto may = table_.may_spawn(spawn.run, spawn.epoch, now()); !may) return reply(refused(may.error()));
    if (around_.random().chance(0.7)) return start_jobs(spawn, reply);
    peer_.loop().call_after(around_.random().between(1ms, 300ms),
                            [this, spawn, reply] { start_jobs(spawn, reply); });
}

void SimBoard::start_jobs(const wire::Spawn& spawn, const Reply& reply) {
    dirty_ = true;
    table_.expire(now());
    if (auto may = table_.may_spawn(spawn.run, spawn.epoch, now()); !may) return reply(refused(may.error()));
    const auto& asked = asked_[spawn.run];
    const auto heard = heard_.find({spawn.run, spawn.epoch});
    if (asked.highest != spawn.epoch)
        violated("spawned below the highest epoch: " + text(spawn.run, spawn.epoch));
    if (heard == heard_.end() || now() - heard->second >= lease_time) {
        violated("spawned without a living lease: " + text(spawn.run, spawn.epoch));
    }
    table_.jobs_started(spawn.run, spawn.epoch);
    for (const auto& slot : asked.slots) {
        const auto device = std::find_if(table_.devices().begin(), table_.devices().end(),
                                         [&](const auto& state) { return state.id == slot.device; });
        jobs_.push_back(
            {{spawn.run, spawn.epoch}, static_cast<std::size_t>(device - table_.devices().begin())});
    }
    if (around_.tracing()) around_.trace(peer_.id().hex + ": jobs of " + text(spawn.run, spawn.epoch));
    reply(wire::Spawned{});
}

void SimBoard::end_jobs(const RunId& run, Epoch up_to) {
    dirty_ = true;
    const auto now_left = heard_.find({run, up_to});
    if (now_left != heard_.end() && now() - now_left->second >= lease_time) around_.note(Event::expired_jobs);
    auto& random = around_.random();
    const auto time = random.chance(0.05) ? random.between(500ms, 4s) : random.between(0ms, 60ms);
    peer_.loop().call_after(time, [this, run, up_to] { reap(run, up_to); });
}

void SimBoard::reap(const RunId& run, Epoch up_to) {
    dirty_ = true;
    std::erase_if(jobs_, [&](const Job& job) { return job.of.first == run && job.of.second <= up_to; });
    if (around_.tracing()) around_.trace(peer_.id().hex + ": reaped " + text(run, up_to));
    table_.jobs_ended(run, up_to, now());
    arm();
}

void SimBoard::kill_own_jobs(const RunId& run) {
    for (const auto& job : jobs_) {
        if (job.of.first == run) return reap(run, Epoch(job.of.second));
    }
}

void SimBoard::arm() {
    const auto next = table_.next_expiry();
    if (!next || *next >= armed_) return;  // the timer that is set will look again
    peer_.loop().cancel(timer_);
    armed_ = *next;
    timer_ = peer_.loop().call_at(*next, [this] {
        dirty_ = true;
        armed_ = TimePoint::max();
        table_.expire(now());
        arm();
    });
}

Duration SimBoard::silent_for(const RunId& run, Epoch epoch) const {
    const auto heard = heard_.find({run, epoch});
    return heard == heard_.end() ? Duration{} : now() - heard->second;
}

bool SimBoard::firm_or_run_out(const RunId& run, Epoch epoch, const PeerId& coordinator) const {
    const auto asked = asked_.find(run);
    if (asked == asked_.end()) return false;
    if (asked->second.highest != epoch) return asked->second.highest > epoch;
    const auto heard = heard_.find({run, epoch});
    if (heard == heard_.end() || now() - heard->second >= lease_time) return true;
    for (const auto& row : table_.rows()) {
        if (row.run == run && row.epoch == epoch && row.coordinator == coordinator) {
            return row.standing == LeaseTable::Standing::firm;
        }
    }
    return false;
}

// ---- what must hold after each step

void SimBoard::violated(const std::string& what) {
    std::string state;
    static const char* const standings[] = {"queued", "tentative", "firm", "ending"};
    for (const auto& row : table_.rows()) {
        state += fmt::format("\n    {} ticket {} {}{} slots {}", text(row.run, row.epoch), row.ticket,
                             standings[static_cast<int>(row.standing)], row.jobs ? " with jobs" : "",
                             fmt::join(row.slots, ","));
    }
    for (const auto& job : jobs_) {
        state += fmt::format("\n    job of {} on {}", text(job.of.first, job.of.second),
                             table_.devices()[job.device].id);
    }
    around_.violated("board " + peer_.id().hex + ": " + what + state);
}

void SimBoard::check() {
    if (!dirty_) return;
    dirty_ = false;
    check_slots();
    check_leases();
    check_order();
}

// No slot has two holders: neither leases, nor jobs that live, nor both of different runs or epochs.
void SimBoard::check_slots() {
    const auto rows = table_.rows();
    const auto& devices = table_.devices();
    for (std::size_t d = 0; d < devices.size(); ++d) {
        std::uint32_t held = 0, alive = 0;
        for (const auto& row : rows) {
            if (row.standing != LeaseTable::Standing::queued) held += row.slots[d];
        }
        for (const auto& job : jobs_)
            alive += job.device == d;
        if (held > devices[d].slots) violated("more leases than slots on " + devices[d].id);
        if (alive > devices[d].slots) violated("more jobs than slots on " + devices[d].id);
        if (table_.slots_free()[d] + held != devices[d].slots)
            violated("wrong count of free slots on " + devices[d].id);
    }
    for (const auto& job : jobs_) {
        std::uint32_t mine = 0, held = 0;
        for (const auto& other : jobs_)
            mine += other.of == job.of && other.device == job.device;
        for (const auto& row : rows) {
            const bool holds =
                row.standing == LeaseTable::Standing::firm || row.standing == LeaseTable::Standing::ending;
            if (holds && row.run == job.of.first && row.epoch == job.of.second) held += row.slots[job.device];
        }
        if (mine > held)
            violated("a job of " + text(job.of.first, job.of.second) + " lives on a slot that is not its");
    }
}

// No lease outlives its coordinator's silence, and none is of an epoch that was replaced.
void SimBoard::check_leases() {
    for (const auto& row : table_.rows()) {
        if (row.standing == LeaseTable::Standing::ending) continue;
        if (now() - heard_[{row.run, row.epoch}] > lease_time)
            violated("a lease outlived its time: " + text(row.run, row.epoch));
        if (row.epoch != asked_[row.run].highest)
            violated("a replaced epoch holds on: " + text(row.run, row.epoch));
    }
}

// The oldest run that waits could not be served, and nobody younger was given what it waits for.
void SimBoard::check_order() {
    auto rows = table_.rows();
    const auto before = std::exchange(before_, rows);
    const auto free = table_.slots_free();
    const LeaseTable::Row* oldest = nullptr;
    auto older = [](const auto& a, const auto& b) {
        return std::tie(a.ticket, a.run) < std::tie(b.ticket, b.run);
    };
    for (const auto& row : rows) {
        if (row.standing == LeaseTable::Standing::queued && (!oldest || older(row, *oldest))) oldest = &row;
    }
    if (!oldest) return;
    auto reachable = free;
    for (const auto& row : rows) {
        if (row.standing != LeaseTable::Standing::tentative || !older(*oldest, row)) continue;
        for (std::size_t d = 0; d < free.size(); ++d)
            reachable[d] += row.slots[d];
        const bool is_new = std::none_of(before.begin(), before.end(), [&](const auto& was) {
            return was.run == row.run && was.epoch == row.epoch &&
                   was.standing != LeaseTable::Standing::queued;
        });
        for (std::size_t d = 0; is_new && d < free.size(); ++d) {
            if (row.slots[d] > 0 && free[d] < oldest->slots[d]) {
                violated(text(row.run, row.epoch) + " was given what the older " + oldest->run.hex +
                         " waits for");
            }
        }
    }
    for (std::size_t d = 0; d < free.size(); ++d) {
        if (reachable[d] < oldest->slots[d]) return;
    }
    violated("the oldest waiting run " + oldest->run.hex + " could have its slots");
}

// ---- node

Node::Node(Surroundings& around, SimPeer& peer, std::vector<wire::DeviceState> devices)
    : around_(around), peer_(peer), board_(around, peer, std::move(devices)) {
    peer_.requests().serve([this](const PeerId& from, const wire::Body& body, const Reply& reply) {
        handle(from, body, reply);
    });
}

void Node::handle(const PeerId& from, const wire::Body& body, const Reply& reply) {
    if (const auto* grant = body.as<wire::Grant>()) {
        reply(to_reserver(from, *grant));
    } else if (const auto* wounded = body.as<wire::Wounded>()) {
        reply(to_reserver(from, *wounded));
    } else {
        board_.handle(from, body, reply);
    }
}

template <typename Decision>
wire::Body Node::to_reserver(const PeerId& from, const Decision& decision) {
    const auto attempt = attempts_.find({decision.run, decision.epoch.attempt});
    if (attempt == attempts_.end()) return refused({Fault::not_found, "no such run here"});
    if constexpr (std::is_same_v<Decision, wire::Grant>) {
        return attempt->second->reserver().on_grant(from, decision);
    } else {
        return attempt->second->reserver().on_wounded(from, decision);
    }
}

void Node::start_attempt(const RunId& run, std::uint64_t ticket, std::uint32_t attempt, std::uint32_t jobs,
                         Duration work) {
    auto& place = attempts_[{run, attempt}];
    place = std::make_unique<Attempt>(around_, peer_, run, ticket, attempt, jobs, work);
    place->start();
}

void Node::peer_gone(const PeerId& peer) {
    peer_.requests().forget(peer, "silent");
    for (auto& [key, attempt] : attempts_)
        attempt->board_gone(peer);
}

void Node::lose_job(const RunId& run) {
    for (auto& [key, attempt] : attempts_) {
        if (key.first == run) attempt->lose_job();
    }
}

bool Node::attempts_ended() const {
    return std::all_of(attempts_.begin(), attempts_.end(),
                       [](const auto& entry) { return entry.second->ended(); });
}

bool Node::attempt_since_before(const RunId& run, std::uint32_t attempt, TimePoint time) const {
    const auto found = attempts_.find({run, attempt});
    return found != attempts_.end() && found->second->started() < time;
}

}  // namespace fard::sim
