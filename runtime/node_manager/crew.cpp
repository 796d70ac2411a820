#include "runtime/node_manager/crew.hpp"

#include <algorithm>
#include <csignal>

#include "runtime/peer/job_page.hpp"
#include "runtime/peer/messages_job.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t longest_cause = 32 * 1024;  // JOB_LOST holds it and the last words

// What would go wrong with any job of this position on any board; all else may go well with the next one.
bool is_fatal(Fault fault) {
    return fault == Fault::failed || fault == Fault::invalid_input || fault == Fault::unsupported;
}

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

Crew::Crew(Around& around, wire::Spawn spawn, std::function<void()> over)
    : around_(around),
      spawn_(std::move(spawn)),
      over_(std::move(over)),
      deadline_(around.loop),
      watch_(around.loop) {}

// ---- starting

void Crew::start(const PackageDirs& package_dirs, SpawnDone done) {
    spawn_done_ = std::move(done);
    share_slots();
    if (const auto lost = turnless(); lost < spawn_.jobs.size())
        return fail_spawn({Fault::invalid_input, fmt::format("SPAWN has no turns for position {} replica {}, which takes turns",
                                                             spawn_.jobs[lost].position, spawn_.jobs[lost].replica)});
    for (const auto& spec : spawn_.jobs) {
        auto& member = *members_.emplace_back(std::make_unique<Member>());
        member.key = {spawn_.run, spawn_.epoch, spec.position, spec.replica};
        member.spec = spec;
        const auto started = start_member(member, package_dirs);
        if (!started && !member.process) leave_seat(member);
        if (!started)
            return fail_spawn({started.error().fault, describe(member) + ": " + started.error().message});
    }
    deadline_.set(around_.options.up_limit, [this] {
        fail_spawn(
            {Fault::timed_out, fmt::format("not up within {:g} s: {}", seconds(around_.options.up_limit),
                                           describe_those([](const Member& member) { return !member.up; }))});
    });
    check_up();
}

Result<> Crew::start_member(Member& member, const PackageDirs& package_dirs) {
    const auto& spec = member.spec;
    const auto package = package_dirs.find(spec.spec.overlay);
    if (!spec.spec.overlay.empty() && package == package_dirs.end())
        return fail(Fault::not_found, "its overlay {} is not on board {}", spec.spec.overlay,
                    around_.options.board);

    auto seat = take_seat(member, package == package_dirs.end() ? std::filesystem::path() : package->second);
    if (!seat) return fail_in("board " + around_.options.board, seat.error());
    member.slot = seat->slot;
    member.seated = true;
    // What is loaded in an FPGA outlives the job; so does what computes in an emulated one's stead.
    const JobStart start{.device = seat->fd.get(),
                         .board = around_.options.devices->board_fd(),
                         .overlay = seat->kind == "emulated" && package != package_dirs.end() ? package->second : std::filesystem::path()};
    auto process = around_.spawner.spawn(
        spec.spec.program, start,
        {.said = [this, &member](const wire::Body& body) { said(member, body); },
         .exited = [this, &member](const ChildExit& exit,
                                   const std::string& words) { exited(member, exit, words); },
         .printed =
             [this, &member](const std::string& line) {
                 around_.options.log->info(spawn_.run, label(member), "{}", line);
             }});
    if (!process) return fail(process.error());
    around_.options.log->info(spawn_.run, label(member), "job {} starts on {}", spec.spec.program, spec.device);
    member.process = std::move(*process);
    wire::JobConfig config;
    config.job = member.key;
    config.app = spawn_.app;
    config.board = around_.options.board;
    config.spec = spec;
    if (!spec.spec.overlay.empty()) config.package_dir = package->second.string();
    config.device_kind = seat->kind;
    config.slot = seat->slot;
    config.descriptors = static_cast<std::uint8_t>((start.device >= 0 ? job_has_device : 0) |
                                                   (start.board >= 0 ? job_has_board : 0));
    config.link_transport = around_.options.link_transport;
    config.security = around_.options.security;
    config.link_place = member.process->link_place();
    config.link_bytes = spawn_.link_bytes;
    tell(member, config);
    return {};
}

// ---- turns

// Who has a slot to itself knows nothing of turns.
void Crew::share_slots() {
    std::vector<TurnKeeper::Slot> slots;
    for (const auto& turns : spawn_.turns) {
        auto& slot = slots.emplace_back();
        for (const auto job : turns.order)
            if (job < spawn_.jobs.size() && spawn_.jobs[job].turns) slot.order.push_back(job);
    }
    std::erase_if(slots, [](const auto& slot) { return slot.order.empty(); });
    if (slots.empty()) return;
    std::vector<TurnKeeper::Job> jobs;
    for (const auto& spec : spawn_.jobs)
        jobs.push_back({.share = TurnKeeper::share_of(spawn_.chunks, spawn_.batch, spec.replica, spec.spec.replicas)});
    turns_ = std::make_unique<TurnKeeper>(TurnKeeper::Terms{spawn_.batch, spawn_.chunks, spawn_.turn_wait_ms}, std::move(jobs),
                                          std::move(slots),
                                          [this](std::size_t job, const wire::JobTurn& turn) { tell_turn(job, turn); });
}

// The first job that waits for turns which nobody gives; past the last one: there is none.
std::size_t Crew::turnless() const {
    std::size_t job = 0;
    while (job < spawn_.jobs.size() && (!spawn_.jobs[job].turns || (turns_ && turns_->shares(job))))
        ++job;
    return job;
}

// The first job of a shared slot chooses it, the others follow.
Result<DeviceKeeper::Seat> Crew::take_seat(const Member& member, const std::filesystem::path& package) {
    auto& devices = *around_.options.devices;
    const auto number = number_of(member);
    if (turns_ && turns_->shares(number))
        for (std::size_t other = 0; other < number; ++other)
            if (members_[other]->seated && turns_->together(number, other))
                return devices.seat_too(member.spec.device, members_[other]->slot, member.spec.spec.overlay, package);
    return devices.seat(member.spec.device, member.spec.spec.overlay, spawn_.app + "." + member.spec.spec.name, package);
}

std::size_t Crew::number_of(const Member& member) const {
    return static_cast<std::size_t>(std::ranges::find(members_, &member, [](const auto& one) { return one.get(); }) - members_.begin());
}

void Crew::tell_turn(std::size_t number, const wire::JobTurn& turn) {
    auto& member = *members_[number];
    if (!member.process || ended_) return;
    if (turn.chunks > 0)
        around_.options.devices->turn(member.spec.device, member.slot, member.spec.spec.overlay,
                                      spawn_.app + "." + member.spec.spec.name);
    tell(member, turn);
}

void Crew::check_up() {
    if (ended_ || up_ || !std::ranges::all_of(members_, [](const auto& member) { return member->up; }))
        return;
    up_ = true;
    deadline_.clear();
    watched_ = around_.loop.now();
    watch_jobs();
    wire::Spawned spawned;
    for (const auto& member : members_)
        spawned.jobs.push_back({member->key, member->links});
    around_.later([done = std::move(spawn_done_), spawned = std::move(spawned)] { done(spawned); });
}

void Crew::fail_spawn(Error error) {
    if (spawn_error_) return;
    spawn_error_ = std::move(error);
    kill_all();
}

// ---- wiring

Result<> Crew::check_wiring(const wire::Wire& wire) const {
    if (ended_ || drain_done_) return fail(Fault::refused, "its jobs are ending");
    if (!up_) return fail(Fault::refused, "its jobs are not up yet");
    if (wired_) return fail(Fault::refused, "its jobs are wired already");
    if (wire.jobs.size() != members_.size())
        return fail(Fault::invalid_input, "WIRE names {} jobs, this board runs {}", wire.jobs.size(),
                    members_.size());
    for (const auto& member : members_) {
        const auto found = std::ranges::find(wire.jobs, member->key, &wire::JobWire::job);
        if (found == wire.jobs.end())
            return fail(Fault::invalid_input, "WIRE leaves out {}", describe(*member));
        if (found->receivers.size() != member->spec.receivers)
            return fail(Fault::invalid_input, "WIRE gives {} {} receivers instead of {}", describe(*member),
                        found->receivers.size(), member->spec.receivers);
        if (!member->process) return fail(Fault::failed, "{}: {}", describe(*member), member->cause);
    }
    return {};
}

void Crew::wire(const wire::Wire& wire, WireDone done) {
    if (auto checked = check_wiring(wire); !checked)
        return around_.later([done = std::move(done), checked] { done(checked); });
    wired_ = true;
    wire_done_ = std::move(done);
    for (const auto& job : wire.jobs) {
        tell(*find(job.job), wire::JobConnect{job.receivers, job.senders});
    }
    deadline_.set(around_.options.link_limit, [this] {
        end_wire(fail(Fault::timed_out, "not linked within {:g} s: {}", seconds(around_.options.link_limit),
                      describe_those([](const Member& member) { return !member.linked; })));
    });
    check_linked();
}

void Crew::check_linked() {
    if (wire_done_ && std::ranges::all_of(members_, [](const auto& member) { return member->linked; }))
        end_wire({});
}

void Crew::end_wire(Result<> result) {
    if (!wire_done_) return;
    deadline_.clear();
    around_.later([done = std::exchange(wire_done_, nullptr), result = std::move(result)] { done(result); });
}

// ---- running

void Crew::said(Member& member, const wire::Body& body) {
    if (const auto* up = body.as<wire::JobUp>()) {
        if (member.up) return;
        if (up->links.size() != member.spec.senders)
            return fail_spawn({Fault::failed, fmt::format("{} bound {} links instead of {}", describe(member),
                                                          up->links.size(), member.spec.senders)});
        member.links = up->links;
        member.up = true;
        if (turns_) turns_->up(number_of(member));
        check_up();
    } else if (body.is<wire::JobLinked>()) {
        member.linked = true;
        check_linked();
    } else if (const auto* failed = body.as<wire::JobFailed>()) {
        member.failure = {static_cast<Fault>(failed->fault), failed->reason.substr(0, longest_cause)};
        member.impatience = std::make_unique<Alarm>(around_.loop);
        member.impatience->set(around_.options.last_words_limit, [&member] {
            if (member.process) member.process->kill();
        });
    } else if (const auto* ready = body.as<wire::JobReady>()) {
        if (turns_ && !ended_) turns_->said(number_of(member), *ready);
    } else if (const auto* drained = body.as<wire::JobDrained>()) {
        member.stats = drained->stats;
    } else if (const auto* device = body.as<wire::JobDevice>()) {
        member.device_busy = device->state != 2;
        // A load for each turn would fill the log.
        if (!device->why.empty() && !(device->state == 1 && member.spec.turns))
            around_.options.log->info(spawn_.run, label(member), "its device: {}", device->why);
        if (member.process->totals().chunks > member.chunks_seen) around_.options.devices->worked(member.spec.device);
        member.chunks_seen = member.process->totals().chunks;
        around_.options.devices->said(member.spec.device, member.slot, *device);
    }
}

// The device is the next job's; what this one did with it says how it is.
void Crew::leave_seat(Member& member) {
    if (!std::exchange(member.seated, false)) return;
    auto& devices = *around_.options.devices;
    if (member.stats && member.stats->chunks > member.chunks_seen) devices.worked(member.spec.device);
    devices.leave(member.spec.device, member.slot);
}

void Crew::exited(Member& member, const ChildExit& exit, const std::string& last_words) {
    if (!member.stats) member.stats = member.process->totals();
    member.process.reset();
    if (turns_) turns_->lost(number_of(member));
    leave_seat(member);
    member.impatience.reset();
    if (!ended_ && !drain_done_) {
        const bool killed = exit.signal == SIGKILL && !member.killed_for.empty();
        member.cause = member.failure ? member.failure->message : killed ? member.killed_for : exit.text();
        around_.options.log->warn(spawn_.run, label(member), "lost: {}", member.cause);
        const auto fault = member.failure ? static_cast<std::uint8_t>(member.failure->fault) : std::uint8_t{0};
        around_.lost({member.key, around_.options.board, member.failure && is_fatal(member.failure->fault), fault,
                      member.cause, last_words});
        const Error error{Fault::failed, describe(member) + ": " + member.cause};
        end_wire(fail(error));
        if (!up_) fail_spawn(error);
    }
    check_reaped();
}

void Crew::watch_jobs() {
    if (ended_) return;
    const auto now = around_.loop.now();
    const auto limit = std::chrono::milliseconds(spawn_.chunk_timeout_ms);
    const auto interval = limit == 0ms ? Duration(1s) : std::clamp<Duration>(limit / 10, 5ms, 1s);
    const bool overslept = now - watched_ > interval + 500ms;  // then the jobs may have slept with us
    watched_ = now;
    for (const auto& member : members_) {
        if (!member->process) continue;
        if (limit != 0ms) watch_chunk(*member);
        watch_life(*member, overslept);
    }
    watch_.set(interval, [this] { watch_jobs(); });
}

// Kills a job that holds one chunk for too long.
void Crew::watch_chunk(Member& member) {
    const auto limit = std::chrono::milliseconds(spawn_.chunk_timeout_ms);
    const auto busy = member.process->busy();
    if (busy && around_.loop.now() - busy->since > limit)
        kill_for(member, fmt::format("held chunk {} for more than {:g} s", busy->chunk, seconds(limit)));
}

// Kills a job that was stopped, or does nothing outside of process(), where it looks around many times a second (its
// memory is on a disk, say).
void Crew::watch_life(Member& member, bool overslept) {
    const auto now = around_.loop.now();
    const auto signs = member.process->signs();
    const bool elsewhere = signs.step == 0 || member.process->busy() || member.failure;
    if ((elsewhere && !signs.stopped) || overslept || signs.looked_ns != member.looked_ns) {
        member.looked_ns = signs.looked_ns;
        member.looked = now;
    } else if (now - member.looked > around_.options.life_limit) {
        kill_for(member, fmt::format("{} for {:g} s",
                                     signs.stopped ? "was stopped" : "gave no sign of life outside of process()",
                                     seconds(around_.options.life_limit)));
    }
}

// A job that takes no message is gone or going: what waits for it ends with its exit, which comes with the cause.
void Crew::tell(Member& member, const wire::Body& body) {
    if (const auto told = member.process->tell(body); !told && !member.failure) kill_for(member, told.error().message);
}

void Crew::kill_for(Member& member, std::string why) {
    if (!member.killed_for.empty()) return;
    member.killed_for = std::move(why);
    member.process->kill();
}

std::vector<wire::JobProgress> Crew::progress() const {
    std::vector<wire::JobProgress> jobs;
    for (const auto& member : members_) {
        if (!member->process) continue;
        const auto signs = member->process->signs();
        jobs.push_back({member->key.position, member->key.replica, signs.step, signs.unopened,
                        member->process->totals().chunks, member->device_busy || member->process->busy().has_value()});
    }
    return jobs;
}

// ---- ending

void Crew::drain(DrainDone done) {
    if (ended_ || drain_done_)
        return around_.later([done = std::move(done)] { done(fail(Fault::refused, "its jobs are ending")); });
    drain_done_ = std::move(done);
    end_wire(fail(Fault::refused, "the run is being drained"));
    for (const auto& member : members_) {
        if (!member->process) continue;
        if (!member->process->tell(wire::JobDrain{})) member->process->kill();
    }
    deadline_.set(around_.options.drain_limit, [this] { kill_all(); });
    check_reaped();
}

void Crew::kill(std::function<void()> reaped) {
    if (!over_) return around_.later(std::move(reaped));  // the end is on its way already
    reaped_.push_back(std::move(reaped));
    kill_all();
}

void Crew::kill_all() {
    ended_ = true;
    deadline_.clear();
    watch_.clear();
    for (const auto& member : members_) {
        if (member->process) member->process->kill();
    }
    check_reaped();
}

// The end, once no process is left: answers whoever waits.
void Crew::check_reaped() {
    if (alive() > 0 || !(ended_ || drain_done_) || !over_) return;
    ended_ = true;
    deadline_.clear();
    watch_.clear();
    const bool killed = !reaped_.empty();
    around_.later([drained = std::exchange(drain_done_, nullptr), report = report(),
                   spawned = std::exchange(spawn_done_, nullptr), error = spawn_error_,
                   wired = std::exchange(wire_done_, nullptr), reaped = std::move(reaped_),
                   over = std::exchange(over_, nullptr), killed] {
        const Error gone{Fault::refused, "its lease on this board has ended"};
        if (spawned) spawned(fail(error.value_or(gone)));
        if (wired) wired(fail(gone));
        if (drained && killed) drained(fail(gone));
        if (drained && !killed) drained(report);
        for (const auto& waiting : reaped)
            waiting();
        over();
    });
}

wire::Drained Crew::report() const {
    wire::Drained drained;
    for (const auto& member : members_) {
        drained.jobs.push_back({member->key.position, member->key.replica, member->spec.spec.name,
                                around_.options.board, member->spec.device, member->spec.spec.overlay,
                                member->stats.value_or(wire::JobStats{})});
    }
    return drained;
}

// ---- helpers

std::size_t Crew::alive() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(members_, [](const auto& member) { return member->process != nullptr; }));
}

Crew::Member* Crew::find(const wire::JobKey& key) {
    const auto found = std::ranges::find_if(members_, [&](const auto& member) { return member->key == key; });
    return found == members_.end() ? nullptr : found->get();
}

std::string Crew::label(const Member& member) {
    const auto replica = member.spec.spec.jobs() > 1 ? fmt::format(".{}", member.key.replica) : "";
    return fmt::format("p{}{} '{}'", member.key.position, replica, member.spec.spec.name);
}

std::string Crew::describe(const Member& member) const {
    return fmt::format("position {} {} {} ('{}')", member.key.position, member.spec.spec.parts.empty() ? "replica" : "part", member.key.replica,
                       member.spec.spec.name);
}

std::string Crew::describe_those(const std::function<bool(const Member&)>& which) const {
    std::string text;
    for (const auto& member : members_) {
        if (which(*member)) text += (text.empty() ? "" : ", ") + describe(*member);
    }
    return text;
}

}  // namespace fard
