#include "runtime/node_manager/leases.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "runtime/peer/courier.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard {
namespace {

std::string text(Epoch epoch) {
    return fmt::format("{}.{}", epoch.attempt, epoch.wiring);
}

wire::Body refuse(tl::unexpected<Error> error) {
    return refused(error.value());
}

}  // namespace

LeaseTable::LeaseTable(std::vector<wire::DeviceState> devices, Effects effects)
    : devices_(std::move(devices)), effects_(std::move(effects)), used_(devices_.size(), 0) {}

// ---- requests

wire::Body LeaseTable::reserve(const PeerId& from, const wire::Reserve& reserve, TimePoint now) {
    expire(now);
    auto run = runs_.try_emplace(reserve.run).first;
    if (auto ok = check_epoch(run->second, reserve.run, reserve.epoch); !ok) {
        return refused(ok.error());
    }
    if (run->second.released && reserve.epoch <= *run->second.released) {
        return refuse(fail(Fault::refused, "run {} has released this board up to epoch {}", reserve.run.hex,
                           text(*run->second.released)));
    }
    const auto& claim = run->second.claim;
    wire::Body answer = claim && claim->epoch == reserve.epoch
                            ? reserve_again(run->second, from, reserve, now)
                            : claim_anew(run, from, reserve, now);
    note_if_idle(run, now);
    flush();
    return answer;
}

// A repetition, or a higher round: the slots are kept, but only tentatively.
wire::Body LeaseTable::reserve_again(Run& run, const PeerId& from, const wire::Reserve& reserve,
                                     TimePoint now) {
    Claim& claim = *run.claim;
    if (from != claim.coordinator) {
        return refuse(fail(Fault::refused, "epoch {} of run {} is coordinated by {}", text(claim.epoch),
                           reserve.run.hex, claim.coordinator.hex));
    }
    if (reserve.round < claim.round) {
        return refuse(fail(Fault::refused, "round {} of run {} is over: round {} was seen", reserve.round,
                           reserve.run.hex, claim.round));
    }
    if (reserve.round > claim.round) {
        auto slots = fit(reserve.slots);
        if (!slots) return refused(slots.error());
        if (claim.jobs || *slots != claim.slots || reserve.ticket != claim.ticket.number) {
            return refuse(
                fail(Fault::refused,
                     "run {} asks anew within epoch {} although its jobs run or its request changed: "
                     "that needs a higher epoch",
                     reserve.run.hex, text(claim.epoch)));
        }
        claim.round = reserve.round;
        claim.decision = ++decisions_;
        if (claim.standing == Standing::firm) claim.standing = Standing::tentative;
    }
    claim.expires = now + lease_time;
    settle(&claim);
    return wire::Reserved{claim.standing != Standing::queued, claim.decision};
}

// The first RESERVE of this epoch here, or the first after the lease ran out. Takes the place of lower
// epochs.
wire::Body LeaseTable::claim_anew(Runs::iterator run, const PeerId& from, const wire::Reserve& reserve,
                                  TimePoint now) {
    run->second.highest = reserve.epoch;
    if (run->second.claim) drop_claim(run);
    auto slots = fit(reserve.slots);
    if (!slots) {
        settle();
        return refused(slots.error());
    }
    run->second.claim = Claim{};
    Claim& claim = *run->second.claim;
    claim.ticket = {reserve.ticket, reserve.run};
    claim.coordinator = from;
    claim.epoch = reserve.epoch;
    claim.round = reserve.round;
    claim.slots = std::move(*slots);
    claim.decision = ++decisions_;
    claim.expires = now + lease_time;
    claims_.emplace(claim.ticket, run);
    settle(&claim);
    return wire::Reserved{claim.standing != Standing::queued, claim.decision};
}

wire::Body LeaseTable::commit(const PeerId& from, const wire::Commit& commit, TimePoint now) {
    expire(now);
    auto claim = own_claim(from, commit.run, commit.epoch);
    if (!claim) return refused(claim.error());
    if ((*claim)->standing == Standing::queued || (*claim)->decision != commit.decision) {
        return refuse(
            fail(Fault::refused, "the grant {} of run {} no longer stands", commit.decision, commit.run.hex));
    }
    (*claim)->standing = Standing::firm;
    (*claim)->expires = now + lease_time;
    return wire::Done{};
}

wire::Body LeaseTable::renew(const PeerId& from, const wire::Renew& renew, TimePoint now) {
    expire(now);
    auto claim = own_claim(from, renew.run, renew.epoch);
    if (!claim) return refused(claim.error());
    (*claim)->expires = now + lease_time;
    return wire::Reserved{(*claim)->standing != Standing::queued, (*claim)->decision};
}

void LeaseTable::release(const PeerId& from, const wire::Release& release, TimePoint now,
                         std::function<void(wire::Body)> done) {
    expire(now);
    auto found = runs_.try_emplace(release.run).first;
    Run& run = found->second;
    auto ok = check_epoch(run, release.run, release.epoch);
    if (ok && run.claim && run.claim->epoch == release.epoch && run.claim->coordinator != from) {
        ok = fail(Fault::refused, "epoch {} of run {} is coordinated by {}", text(release.epoch),
                  release.run.hex, run.claim->coordinator.hex);
    }
    if (!ok) {
        done(refused(ok.error()));
        return;
    }
    run.highest = release.epoch;
    run.released = release.epoch;
    if (run.claim) drop_claim(found);
    run.releasing.push_back({release.epoch, std::move(done)});
    answer_releases(run);
    note_if_idle(found, now);
    settle();
    flush();
}

// ---- jobs

Result<> LeaseTable::may_spawn(const RunId& id, Epoch epoch, TimePoint now) const {
    auto run = runs_.find(id);
    if (run == runs_.end()) return fail(Fault::refused, "run {} holds nothing on this board", id.hex);
    if (auto ok = check_epoch(run->second, id, epoch); !ok) return ok;
    const auto& claim = run->second.claim;
    if (!claim || claim->epoch != epoch || claim->expires <= now) {
        return fail(Fault::refused, "run {} has no lease of epoch {} on this board, or it ran out", id.hex,
                    text(epoch));
    }
    if (claim->standing != Standing::firm) {
        return fail(Fault::refused, "the lease of run {} on this board is not committed", id.hex);
    }
    return {};
}

void LeaseTable::jobs_started(const RunId& id, Epoch epoch) {
    auto run = runs_.find(id);
    const bool held = run != runs_.end() && run->second.claim && run->second.claim->epoch == epoch &&
                      run->second.claim->standing == Standing::firm;
    if (held) {
        run->second.claim->jobs = true;
    } else {
        effects_due_.push_back([this, id, epoch] { effects_.end_jobs(id, epoch); });
        flush();
    }
}

void LeaseTable::jobs_ended(const RunId& id, Epoch up_to, TimePoint now) {
    expire(now);
    auto found = runs_.find(id);
    if (found == runs_.end()) return;
    Run& run = found->second;
    if (run.claim && run.claim->epoch <= up_to) run.claim->jobs = false;
    std::erase_if(run.endings, [&](const Ending& ending) {
        if (ending.epoch > up_to) return false;
        give_back(ending.slots);
        return true;
    });
    answer_releases(run);
    note_if_idle(found, now);
    settle();
    flush();
}

// ---- time

void LeaseTable::expire(TimePoint now) {
    bool freed = false;
    for (auto at = claims_.begin(); at != claims_.end();) {
        auto run = (at++)->second;  // drop_claim erases it
        if (run->second.claim->expires > now) continue;
        drop_claim(run);
        note_if_idle(run, now);
        freed = true;
    }
    forget_runs(now);
    if (!freed) return;
    settle();
    flush();
}

std::optional<TimePoint> LeaseTable::next_expiry() const {
    std::optional<TimePoint> next;
    auto consider = [&](TimePoint when) { next = next ? std::min(*next, when) : when; };
    for (const auto& [ticket, run] : claims_)
        consider(run->second.claim->expires);
    if (!forget_.empty()) consider(forget_.front().first);
    return next;
}

void LeaseTable::note_if_idle(Runs::iterator run, TimePoint now) {
    if (!run->second.idle() || run->second.forget == now + epoch_memory) return;
    run->second.forget = now + epoch_memory;
    forget_.emplace_back(run->second.forget, run->first);
}

void LeaseTable::forget_runs(TimePoint now) {
    for (; !forget_.empty() && forget_.front().first <= now; forget_.pop_front()) {
        auto run = runs_.find(forget_.front().second);
        if (run != runs_.end() && run->second.idle() && run->second.forget <= now) runs_.erase(run);
    }
}

// ---- devices

bool LeaseTable::can_hold(const Counts& slots) const {
    for (std::size_t d = 0; d < slots.size(); ++d)
        if (slots[d] > (devices_[d].healthy ? devices_[d].slots : 0)) return false;
    return true;
}

void LeaseTable::set_devices(std::vector<wire::DeviceState> devices, TimePoint now) {
    assert(std::ranges::equal(devices, devices_, {}, &wire::DeviceState::id, &wire::DeviceState::id));
    expire(now);
    devices_ = std::move(devices);
    for (auto at = claims_.begin(); at != claims_.end();) {
        auto run = (at++)->second;  // drop_claim erases it
        if (can_hold(run->second.claim->slots)) continue;
        drop_claim(run);
        note_if_idle(run, now);
    }
    settle();
    flush();
}

// ---- what people and tests see

std::vector<std::uint32_t> LeaseTable::slots_free() const {
    std::vector<std::uint32_t> free(devices_.size(), 0);
    for (std::size_t d = 0; d < free.size(); ++d) {
        if (devices_[d].healthy) free[d] = devices_[d].slots - std::min(devices_[d].slots, used_[d]);
    }
    return free;
}

std::vector<LeaseTable::Row> LeaseTable::rows() const {
    std::vector<Row> rows;
    for (const auto& [ticket, run] : claims_) {
        const Claim& claim = *run->second.claim;
        rows.push_back({ticket.run, ticket.number, claim.epoch, claim.coordinator, claim.standing,
                        claim.slots, claim.jobs});
    }
    for (const auto& [id, run] : runs_) {
        for (const auto& ending : run.endings) {
            rows.push_back(
                {id, ending.ticket, ending.epoch, ending.coordinator, Standing::ending, ending.slots, true});
        }
    }
    return rows;
}

// ---- inside

Result<LeaseTable::Counts> LeaseTable::fit(const std::vector<wire::SlotRequest>& slots) const {
    if (slots.empty()) return fail(Fault::invalid_input, "a reservation of no slots at all");
    Counts counts(devices_.size(), 0);
    for (const auto& slot : slots) {
        auto device = std::find_if(devices_.begin(), devices_.end(),
                                   [&](const wire::DeviceState& state) { return state.id == slot.device; });
        if (device == devices_.end()) {
            return fail(Fault::refused, "this board has no device '{}'", slot.device);
        }
        if (!device->healthy) {
            return fail(Fault::refused, "device '{}' is unhealthy: {}", device->id, device->detail);
        }
        if (++counts[device - devices_.begin()] > device->slots) {
            return fail(Fault::refused, "device '{}' has {} slots, and the run wants more of it", device->id,
                        device->slots);
        }
    }
    return counts;
}

Result<> LeaseTable::check_epoch(const Run& run, const RunId& id, Epoch epoch) const {
    if (epoch >= run.highest) return {};
    // A higher attempt means that the client has gone on elsewhere: nothing that this coordinator tries can help.
    const auto fault = run.highest.attempt > epoch.attempt ? Fault::cancelled : Fault::refused;
    return fail(fault, "epoch {} of run {} is over: this board has seen epoch {}", text(epoch), id.hex,
                text(run.highest));
}

Result<LeaseTable::Claim*> LeaseTable::own_claim(const PeerId& from, const RunId& id, Epoch epoch) {
    auto run = runs_.find(id);
    if (run != runs_.end()) {
        if (auto ok = check_epoch(run->second, id, epoch); !ok) return fail(ok.error());
        auto& claim = run->second.claim;
        if (claim && claim->epoch == epoch && claim->coordinator == from) return &*claim;
    }
    return fail(Fault::refused, "run {} has no reservation of epoch {} by {} on this board, or it ran out",
                id.hex, text(epoch), from.hex);
}

// Jobs keep the slots until they are reaped.
void LeaseTable::drop_claim(Runs::iterator run) {
    Claim claim = std::move(*run->second.claim);
    run->second.claim.reset();
    claims_.erase(claim.ticket);
    if (claim.standing == Standing::queued) return;
    if (!claim.jobs) {
        give_back(claim.slots);
        return;
    }
    run->second.endings.push_back(
        {claim.ticket.number, claim.coordinator, claim.epoch, std::move(claim.slots)});
    effects_due_.push_back([this, id = run->first, epoch = claim.epoch] { effects_.end_jobs(id, epoch); });
}

void LeaseTable::answer_releases(Run& run) {
    std::erase_if(run.releasing, [&](Releasing& releasing) {
        for (const auto& ending : run.endings) {
            if (ending.epoch <= releasing.epoch) return false;
        }
        effects_due_.push_back([done = std::move(releasing.done)] { done(wire::Done{}); });
        return true;
    });
}

void LeaseTable::give_back(const Counts& slots) {
    for (std::size_t d = 0; d < slots.size(); ++d)
        used_[d] -= slots[d];
}

// ---- who gets what

struct LeaseTable::Room {
    Counts free;  // slots that the next claim in line may have
    Counts owed;  // what older claims still wait for beyond the free slots, which they have been promised

    void add(const Counts& slots) {
        for (std::size_t d = 0; d < slots.size(); ++d) {
            const auto promised = std::min(owed[d], slots[d]);
            owed[d] -= promised;
            free[d] += slots[d] - promised;
        }
    }
    void promise(const Counts& slots) {
        for (std::size_t d = 0; d < slots.size(); ++d) {
            const auto now = std::min(free[d], slots[d]);
            free[d] -= now;
            owed[d] += slots[d] - now;
        }
    }
};

// One pass over the waiting claims, oldest first. A claim gets its slots if they are free or held tentatively
// by younger runs; else what it waits for is promised to it, and nobody after it in line gets that. A run
// that is wounded on the way comes later in the same pass. Run after whatever may have freed a slot or added
// a claim.
void LeaseTable::settle(const Claim* answered) {
    Room room{slots_free(), Counts(devices_.size(), 0)};
    for (auto& [ticket, run] : claims_) {
        Claim& claim = *run->second.claim;
        if (claim.standing != Standing::queued) continue;
        const bool granted = make_room(claim, room, answered);
        room.promise(claim.slots);
        if (!granted) continue;
        for (std::size_t d = 0; d < used_.size(); ++d)
            used_[d] += claim.slots[d];
        claim.standing = Standing::tentative;
        claim.decision = ++decisions_;
        if (&claim == answered) continue;
        effects_due_.push_back(
            [this, to = claim.coordinator, grant = wire::Grant{ticket.run, claim.epoch, claim.decision}] {
                effects_.grant(to, grant);
            });
    }
}

// Whether the claim can have its slots. If so they are free afterwards; the youngest are wounded first.
bool LeaseTable::make_room(const Claim& claim, Room& room, const Claim* answered) {
    auto lacks = [&](std::size_t d, std::uint32_t available) {
        return available < claim.slots[d] + room.owed[d];
    };
    auto short_of_any = [&](const Counts& available) {
        for (std::size_t d = 0; d < available.size(); ++d) {
            if (claim.slots[d] > 0 && lacks(d, available[d])) return true;
        }
        return false;
    };
    if (!short_of_any(room.free)) return true;

    Counts within_reach = room.free;
    for (auto at = claims_.rbegin(); at->first != claim.ticket; ++at) {
        const Claim& younger = *at->second->second.claim;
        if (younger.standing != Standing::tentative) continue;
        for (std::size_t d = 0; d < within_reach.size(); ++d)
            within_reach[d] += younger.slots[d];
    }
    if (short_of_any(within_reach)) return false;

    for (auto at = claims_.rbegin(); short_of_any(room.free); ++at) {
        Claim& younger = *at->second->second.claim;
        if (younger.standing != Standing::tentative) continue;
        for (std::size_t d = 0; d < claim.slots.size(); ++d) {
            if (younger.slots[d] == 0 || claim.slots[d] == 0 || !lacks(d, room.free[d])) continue;
            wound(younger, room, answered);
            break;
        }
    }
    return true;
}

void LeaseTable::wound(Claim& claim, Room& room, const Claim* answered) {
    give_back(claim.slots);
    room.add(claim.slots);
    claim.standing = Standing::queued;
    claim.decision = ++decisions_;
    if (&claim == answered) return;
    effects_due_.push_back([this, to = claim.coordinator,
                            wounded = wire::Wounded{claim.ticket.run, claim.epoch, claim.decision}] {
        effects_.wound(to, wounded);
    });
}

// Effects may call back into the table; what those calls cause is run by the call that began.
void LeaseTable::flush() {
    if (flushing_) return;
    flushing_ = true;
    while (!effects_due_.empty()) {
        auto effect = std::move(effects_due_.front());
        effects_due_.pop_front();
        effect();
    }
    flushing_ = false;
}

}  // namespace fard
