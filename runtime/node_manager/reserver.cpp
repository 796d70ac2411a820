#include "runtime/node_manager/reserver.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "runtime/node_manager/leases.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard {
namespace {

constexpr Duration release_deadline = std::chrono::seconds(5);
// A renewal that comes later than this after the last one: this process slept, answers may lie in its queue.
constexpr Duration late_renewal = renew_interval * 3 / 2;

}  // namespace

class Reserver::Impl : public std::enable_shared_from_this<Impl> {
  public:
    Impl(Loop& loop, Courier& courier, RunId run, std::uint64_t ticket, Events events)
        : loop_(loop), courier_(courier), run_(std::move(run)), ticket_(ticket), events_(std::move(events)) {}

    void reserve(Epoch epoch, std::map<PeerId, std::vector<wire::SlotRequest>> wanted);
    wire::Body on_grant(const PeerId& from, const wire::Grant& grant);
    wire::Body on_wounded(const PeerId& from, const wire::Wounded& wounded);
    void forget(const PeerId& board);
    void release(std::function<void()> done);
    void stop();

    bool firm() const { return phase_ == Phase::firm; }
    std::vector<PeerId> waiting_on() const;

  private:
    // broken: a board is out, so this epoch will not be firm (again). over: slept, released or destroyed.
    enum class Phase { idle, reserving, committing, firm, broken, over };

    struct Board {
        std::vector<wire::SlotRequest> slots;
        bool answered = false;   // the RESERVE of this round
        bool granted = false;    // by its latest decision
        bool committed = false;  // the COMMIT of this round
        bool out = false;
        std::uint64_t decision = 0;
        TimePoint confirmed;  // when the last message was sent that it acknowledged as a renewal
    };

    using OnAnswer = void (Impl::*)(const PeerId& id, Board& board, Result<wire::Body> answer,
                                    TimePoint sent);

    void ask(const PeerId& id, wire::Body body, OnAnswer on_answer);
    void ask_all();
    void reserved(const PeerId& id, Board& board, Result<wire::Body> answer, TimePoint sent);
    void heard(Board& board, bool granted, std::uint64_t decision);
    void advance();
    void commit_all();
    void committed(const PeerId& id, Board& board, Result<wire::Body> answer, TimePoint sent);
    void next_round();
    void tick();
    void renewed(const PeerId& id, Board& board, Result<wire::Body> answer, TimePoint sent);
    void lose(const PeerId& id, const Error& why);
    void tell_waiting();
    bool awake();
    bool slept() const { return loop_.now() - last_renewal_ >= lease_time; }
    void end();
    wire::Body decided(const PeerId& from, const RunId& run, Epoch epoch, bool granted,
                       std::uint64_t decision);
    void ask_release(const PeerId& id);
    void released(const PeerId& id);

    Loop& loop_;
    Courier& courier_;
    const RunId run_;
    const std::uint64_t ticket_;
    Events events_;

    Phase phase_ = Phase::idle;
    Epoch epoch_;
    std::uint64_t round_ = 0;
    std::map<PeerId, Board> boards_;  // that this epoch wants
    std::set<PeerId> touched_;        // that may hold something of this run
    TimePoint last_renewal_;
    Loop::TimerId tick_ = 0;
    std::string told_waiting_;
    std::vector<std::function<void()>> on_released_;
    bool releasing_ = false;
    bool stopped_ = false;
};

// ---- asking

void Reserver::Impl::reserve(Epoch epoch, std::map<PeerId, std::vector<wire::SlotRequest>> wanted) {
    if (phase_ == Phase::over) return;
    if (tick_ == 0) {
        last_renewal_ = loop_.now();
        tick_ = loop_.call_after(renew_interval, [this] { tick(); });
    } else if (slept()) {
        return;  // the tick that is due says so
    }
    epoch_ = epoch;
    round_ = 0;
    phase_ = Phase::reserving;
    boards_.clear();
    told_waiting_.clear();
    for (auto& [id, slots] : wanted) {
        boards_[id].slots = std::move(slots);
        boards_[id].confirmed = loop_.now();
    }
    for (const auto& id : std::set(touched_)) {
        if (!boards_.contains(id)) ask_release(id);
    }
    ask_all();
}

// Asks a board; the answer counts only within the round in which it was asked for.
void Reserver::Impl::ask(const PeerId& id, wire::Body body, OnAnswer on_answer) {
    auto answered = [weak = weak_from_this(), id, on_answer, epoch = epoch_, round = round_,
                     sent = loop_.now()](Result<wire::Body> answer) {
        auto self = weak.lock();
        if (!self || self->epoch_ != epoch || self->round_ != round || !self->awake()) return;
        auto board = self->boards_.find(id);
        if (board == self->boards_.end() || board->second.out) return;
        (self.get()->*on_answer)(id, board->second, std::move(answer), sent);
    };
    courier_.ask(id, std::move(body), lease_time, std::move(answered));
}

void Reserver::Impl::ask_all() {
    std::vector<std::pair<PeerId, wire::Reserve>> requests;
    for (auto& [id, board] : boards_) {
        board.answered = board.committed = false;
        requests.emplace_back(id, wire::Reserve{run_, ticket_, epoch_, round_, board.slots});
        touched_.insert(id);
    }
    for (auto& [id, request] : requests)
        ask(id, std::move(request), &Impl::reserved);
}

void Reserver::Impl::reserved(const PeerId& id, Board& board, Result<wire::Body> answer, TimePoint sent) {
    if (!answer) return lose(id, answer.error());
    const auto* standing = answer->as<wire::Reserved>();
    if (!standing)
        return lose(id,
                    {Fault::corrupt, "board " + id.hex + " answered RESERVE with " + wire::name_of(*answer)});
    board.answered = true;
    board.confirmed = std::max(board.confirmed, sent);
    // An answer that came late leaves little of the lease: do not wait for the next renewal.
    if (loop_.now() - sent >= renew_interval) ask(id, wire::Renew{run_, epoch_}, &Impl::renewed);
    heard(board, standing->granted, standing->decision);
    advance();
}

void Reserver::Impl::heard(Board& board, bool granted, std::uint64_t decision) {
    if (decision < board.decision) return;
    board.decision = decision;
    board.granted = granted;
}

void Reserver::Impl::advance() {
    if (phase_ != Phase::reserving && phase_ != Phase::committing) return;
    auto granted = [](const auto& entry) { return entry.second.answered && entry.second.granted; };
    const bool all = std::all_of(boards_.begin(), boards_.end(), granted);
    if (phase_ == Phase::committing) {
        if (!all) next_round();
    } else if (all) {
        commit_all();
    } else {
        tell_waiting();
    }
}

void Reserver::Impl::commit_all() {
    phase_ = Phase::committing;
    std::vector<std::pair<PeerId, wire::Commit>> requests;
    for (const auto& [id, board] : boards_)
        requests.emplace_back(id, wire::Commit{run_, epoch_, board.decision});
    for (auto& [id, request] : requests)
        ask(id, std::move(request), &Impl::committed);
}

void Reserver::Impl::committed(const PeerId& id, Board& board, Result<wire::Body> answer, TimePoint sent) {
    if (phase_ != Phase::committing) return;
    if (!answer) return answer.error().fault == Fault::refused ? next_round() : lose(id, answer.error());
    board.committed = true;
    board.confirmed = std::max(board.confirmed, sent);
    auto done = [](const auto& entry) { return entry.second.committed; };
    if (!std::all_of(boards_.begin(), boards_.end(), done)) return;
    phase_ = Phase::firm;
    events_.reserved();
}

// Some boards may have committed and others not: all of them go back to tentative.
void Reserver::Impl::next_round() {
    phase_ = Phase::reserving;
    ++round_;
    ask_all();
}

// ---- renewing

void Reserver::Impl::tick() {
    auto self = shared_from_this();  // an event may destroy the Reserver
    if (!awake()) return;
    const auto now = loop_.now();
    const bool late = now - last_renewal_ >= late_renewal;
    last_renewal_ = now;
    tick_ = loop_.call_at(now + renew_interval, [this] { tick(); });

    std::vector<PeerId> renewing, silent;
    for (const auto& [id, board] : boards_) {
        if (board.out) continue;
        if (!late && now - board.confirmed >= lease_time) {
            silent.push_back(id);
        } else if (board.answered) {
            renewing.push_back(id);
        }
    }
    for (const auto& id : renewing)
        ask(id, wire::Renew{run_, epoch_}, &Impl::renewed);
    const auto epoch = epoch_;
    for (const auto& id : silent) {
        if (stopped_ || epoch_ != epoch) return;
        lose(id, {Fault::timed_out,
                  "board " + id.hex + " has not acknowledged the lease of run " + run_.hex + " for 3 s"});
    }
}

void Reserver::Impl::renewed(const PeerId& id, Board& board, Result<wire::Body> answer, TimePoint sent) {
    if (answer) {
        board.confirmed = std::max(board.confirmed, sent);
        if (const auto* standing = answer->as<wire::Reserved>()) {
            heard(board, standing->granted, standing->decision);
            advance();
            if (phase_ == Phase::firm && events_.progress) events_.progress(id, standing->jobs);
        }
        return;
    }
    switch (answer.error().fault) {
        case Fault::timed_out:
            return;  // the tick counts the silence
        case Fault::refused:
            // Before it is firm nothing is lost with a lease: ask again, the ticket keeps the place in line.
            if (phase_ == Phase::reserving || phase_ == Phase::committing) return next_round();
            [[fallthrough]];
        default:
            lose(id, answer.error());
    }
}

bool Reserver::Impl::awake() {
    if (phase_ == Phase::idle || phase_ == Phase::over) return false;
    if (!slept()) return true;
    end();
    events_.overslept({Fault::timed_out, "the leases of run " + run_.hex +
                                             " were not renewed for 3 s: this node manager slept"});
    return false;
}

void Reserver::Impl::end() {
    phase_ = Phase::over;
    loop_.cancel(tick_);
    tick_ = 0;
}

void Reserver::Impl::lose(const PeerId& id, const Error& why) {
    boards_.at(id).out = true;
    phase_ = Phase::broken;
    events_.lost(PeerId(id), Error(why));
}

// ---- what boards say

wire::Body Reserver::Impl::decided(const PeerId& from, const RunId& run, Epoch epoch, bool granted,
                                   std::uint64_t decision) {
    auto self = shared_from_this();
    auto board = boards_.find(from);
    if (!awake() || run != run_ || epoch != epoch_ || board == boards_.end() || board->second.out) {
        return refused({Fault::refused,
                        fmt::format("epoch {}.{} of run {} is over", epoch.attempt, epoch.wiring, run.hex)});
    }
    heard(board->second, granted, decision);
    advance();
    return wire::Done{};
}

wire::Body Reserver::Impl::on_grant(const PeerId& from, const wire::Grant& grant) {
    return decided(from, grant.run, grant.epoch, true, grant.decision);
}

wire::Body Reserver::Impl::on_wounded(const PeerId& from, const wire::Wounded& wounded) {
    return decided(from, wounded.run, wounded.epoch, false, wounded.decision);
}

std::vector<PeerId> Reserver::Impl::waiting_on() const {
    std::vector<PeerId> ids;
    for (const auto& [id, board] : boards_) {
        if (!board.out && !(board.answered && board.granted)) ids.push_back(id);
    }
    return ids;
}

void Reserver::Impl::tell_waiting() {
    std::string queued;
    std::size_t count = 0;
    for (const auto& [id, board] : boards_) {
        if (!board.answered || board.granted) continue;
        ++count;
        queued += (queued.empty() ? "" : ", ") + id.hex.substr(0, 8);
    }
    auto why = count == 0 ? ""
                          : fmt::format("queued behind other runs on {} of {} boards: {}", count,
                                        boards_.size(), queued);
    if (why == told_waiting_) return;
    told_waiting_ = why;
    if (!why.empty()) events_.waiting(why);
}

void Reserver::Impl::forget(const PeerId& board) {
    if (auto found = boards_.find(board); found != boards_.end() && !found->second.out) {
        found->second.out = true;
        if (phase_ != Phase::over) phase_ = Phase::broken;
    }
    released(board);
}

// ---- releasing

void Reserver::Impl::ask_release(const PeerId& id) {
    courier_.ask(id, wire::Release{run_, epoch_}, release_deadline,
                 [weak = weak_from_this(), id, epoch = epoch_](const Result<wire::Body>&) {
                     auto self = weak.lock();
                     if (!self || self->stopped_) return;
                     // A later epoch may want the board again, unless everything is being released.
                     if (self->releasing_ ? self->epoch_ == epoch : !self->boards_.contains(id))
                         self->released(id);
                 });
}

void Reserver::Impl::release(std::function<void()> done) {
    if (done) on_released_.push_back(std::move(done));
    if (!releasing_) {
        releasing_ = true;
        end();
        for (const auto& id : std::set(touched_))
            ask_release(id);
    }
    released({});
}

// The board holds nothing any more, or cannot be asked.
void Reserver::Impl::released(const PeerId& id) {
    touched_.erase(id);
    if (!releasing_ || !touched_.empty() || on_released_.empty()) return;
    loop_.post([weak = weak_from_this()] {
        auto self = weak.lock();
        if (!self || self->stopped_) return;
        for (auto& done : std::exchange(self->on_released_, {}))
            done();
    });
}

void Reserver::Impl::stop() {
    stopped_ = true;
    end();
}

// ---- the handle

Reserver::Reserver(Loop& loop, Courier& courier, RunId run, std::uint64_t ticket, Events events)
    : impl_(std::make_shared<Impl>(loop, courier, std::move(run), ticket, std::move(events))) {}

Reserver::~Reserver() {
    impl_->stop();
}

void Reserver::reserve(Epoch epoch, std::map<PeerId, std::vector<wire::SlotRequest>> wanted) {
    impl_->reserve(epoch, std::move(wanted));
}

wire::Body Reserver::on_grant(const PeerId& from, const wire::Grant& grant) {
    return impl_->on_grant(from, grant);
}

wire::Body Reserver::on_wounded(const PeerId& from, const wire::Wounded& wounded) {
    return impl_->on_wounded(from, wounded);
}

void Reserver::forget(const PeerId& board) {
    impl_->forget(board);
}

void Reserver::release(std::function<void()> done) {
    impl_->release(std::move(done));
}

bool Reserver::firm() const {
    return impl_->firm();
}

std::vector<PeerId> Reserver::waiting_on() const {
    return impl_->waiting_on();
}

}  // namespace fard
