#include <algorithm>

#include "tests/node_manager/reservation_sim_node.hpp"

namespace fard::sim {

using namespace std::chrono_literals;

constexpr Duration client_patience = 5s;

Attempt::Attempt(Surroundings& around, SimPeer& peer, RunId run, std::uint64_t ticket, std::uint32_t attempt,
                 std::uint32_t jobs, Duration work)
    : around_(around),
      peer_(peer),
      run_(run),
      ticket_(ticket),
      jobs_(jobs),
      work_(work),
      epoch_{attempt, 0},
      reserver_(peer.loop(), peer.requests(), run, ticket,
                {[this] { on_reserved(); },
                 [this](const PeerId& board, const Error& why) {
                     if (around_.tracing())
                         around_.trace(run_.hex + " lost " + board.hex + ": " + why.message);
                     if (around_.random().chance(0.7)) avoided_.insert(board);
                     rewire_soon();
                 },
                 [this](const Error&) {
                     around_.note(Event::overslept);
                     end(Outcome::ended);
                 },
                 [](const std::string&) {}}) {}

Attempt::~Attempt() {
    for (auto timer : {rewire_timer_, work_timer_, second_timer_})
        peer_.loop().cancel(timer);
}

void Attempt::start() {
    started_ = last_second_ = peer_.loop().now();
    each_second();
    if (!choose_places()) return end(Outcome::impossible);
    reserver_.reserve(epoch_, wanted_);
}

// Any slots will do, so that runs get in each other's way; now and then more than a board has.
bool Attempt::choose_places() {
    auto& random = around_.random();
    auto offers = around_.offers(peer_.id());
    std::erase_if(offers, [&](const BoardOffer& offer) { return avoided_.contains(offer.board); });
    std::vector<std::pair<PeerId, std::string>> slots;
    for (const auto& offer : offers) {
        for (const auto& device : offer.devices) {
            for (std::uint32_t slot = 0; slot < device.slots; ++slot)
                slots.emplace_back(offer.board, device.id);
        }
    }
    if (slots.size() < jobs_ && !avoided_.empty()) {
        avoided_.clear();
        return choose_places();
    }
    if (slots.size() < jobs_) return false;
    wanted_.clear();
    for (std::uint32_t job = 0; job < jobs_; ++job) {
        const auto pick = slots.begin() + static_cast<std::ptrdiff_t>(random.below(slots.size()));
        wanted_[pick->first].push_back({job, 0, pick->second});
        slots.erase(pick);
    }
    if (random.chance(0.01)) wanted_.begin()->second.push_back({jobs_, 0, "no such device"});
    return true;
}

void Attempt::rewire_soon() {
    if (ending_ || rewire_timer_ != 0) return;
    peer_.loop().cancel(std::exchange(work_timer_, 0));
    rewire_timer_ = peer_.loop().call_after(around_.random().between(0ms, 20ms * ++rewirings_), [this] {
        rewire_timer_ = 0;
        rewire();
    });
}

void Attempt::rewire() {
    around_.note(Event::rewiring);
    if (!choose_places()) return end(Outcome::impossible);
    ++epoch_.wiring;
    reserver_.reserve(epoch_, wanted_);
}

void Attempt::lose_job() {
    if (running()) rewire_soon();
}

void Attempt::board_gone(const PeerId& board) {
    if (ended_) return;
    reserver_.forget(board);
    if (wanted_.contains(board)) rewire_soon();
}

void Attempt::on_reserved() {
    around_.note(Event::firm);
    if (around_.tracing())
        around_.trace(fmt::format("{}@{}.{} is firm", run_.hex, epoch_.attempt, epoch_.wiring));
    for (const auto& [board, slots] : wanted_) {
        if (around_.node(board)->board().firm_or_run_out(run_, epoch_, peer_.id())) continue;
        around_.violated(fmt::format("{} believes that {}@{}.{} is firm on {}", peer_.id().hex, run_.hex,
                                     epoch_.attempt, epoch_.wiring, board.hex));
    }
    spawn();
}

void Attempt::spawn() {
    answers_missing_ = wanted_.size();
    for (const auto& [board, slots] : wanted_) {
        wire::Spawn request;
        request.run = run_;
        request.epoch = epoch_;
        peer_.requests().ask(board, request, 3s, [this, epoch = epoch_](const Result<wire::Body>& answer) {
            if (epoch != epoch_ || ending_) return;
            if (!answer) return rewire_soon();
            if (--answers_missing_ == 0 && rewire_timer_ == 0) work();
        });
    }
}

void Attempt::work() {
    if (!reserver_.firm()) return;
    work_timer_ = peer_.loop().call_after(work_, [this] {
        work_timer_ = 0;
        end(Outcome::finished);
    });
}

// A client that went on elsewhere is silent here. And nobody believes for long what a board ended long ago: 3
// s, two renewals, and a sleep of less than 3 s.
void Attempt::each_second() {
    const bool just_woke = peer_.loop().now() - std::exchange(last_second_, peer_.loop().now()) > 1s;
    for (const auto& [board, slots] : wanted_) {
        if (just_woke || !reserver_.firm() || around_.node(board)->board().silent_for(run_, epoch_) < 9s)
            continue;
        around_.violated(fmt::format("{} still believes that {}@{}.{} is firm on {}", peer_.id().hex,
                                     run_.hex, epoch_.attempt, epoch_.wiring, board.hex));
    }
    if (around_.superseded_for(run_, epoch_.attempt, client_patience)) return end(Outcome::ended);
    second_timer_ = peer_.loop().call_after(1s, [this] { each_second(); });
}

void Attempt::end(Outcome outcome) {
    if (ending_) return;
    ending_ = true;
    for (auto* timer : {&rewire_timer_, &work_timer_, &second_timer_})
        peer_.loop().cancel(std::exchange(*timer, 0));
    reserver_.release([this, outcome] {
        ended_ = true;
        around_.attempt_ended(run_, epoch_.attempt, outcome);
    });
}

}  // namespace fard::sim
