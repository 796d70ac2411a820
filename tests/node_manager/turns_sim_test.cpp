// Pipelines whose positions take turns, from a seed: TurnKeeper and TurnState as the node managers and the jobs use them, over links
// with credits, boards with slots, words that are late, an input that comes as it likes, and jobs that are killed. After each step no slot
// may have two users; at the end every chunk has come out once, in order.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>

#include "jobs/turn_state.hpp"
#include "runtime/node_manager/turn_keeper.hpp"

using namespace fard;

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::size_t nobody = ~std::size_t{0};

class Sim {
  public:
    explicit Sim(std::uint64_t seed) : random_(seed) { plan(); }

    std::string run() {
        wire();
        while (delivered_ < chunks_) {
            if (!wrong_.empty()) return wrong_;
            if (events_.empty() || now_ > limit_) return standing();
            auto event = events_.top();
            events_.pop();
            now_ = event.at;
            if (event.wiring == wiring_ || event.wiring == 0) event.what();
        }
        return wrong_;
    }

    std::uint64_t turns = 0, kills = 0;

  private:
    struct Event {
        std::uint64_t at, order, wiring;  // of which it is; 0: of the world's
        std::function<void()> what;
        friend bool operator<(const Event& a, const Event& b) { return std::pair(a.at, a.order) > std::pair(b.at, b.order); }
    };
    struct Position {
        std::size_t slot = 0, board = 0;
        bool shared = false;
        std::uint64_t compute = 0, room = 0, depth = 1;
        TurnState turn;
        std::deque<std::uint64_t> inbox, outbox, inside;
        std::uint64_t sent = 0, limit = 0, taken = 0, told = 0;  // sent by it; taken from it: what the next one says
        bool loaded = false;
        std::uint64_t loads = 0, busy_until = 0;
    };
    struct Slot {
        std::size_t user = nobody;
        std::size_t holds = nobody;
    };

    std::uint64_t pick(std::uint64_t least, std::uint64_t most) { return std::uniform_int_distribution(least, most)(random_); }
    bool chance(int percent) { return pick(1, 100) <= static_cast<std::uint64_t>(percent); }

    void plan() {
        batch_ = pick(1, 9);
        chunks_ = std::vector<std::uint64_t>{1, std::max<std::uint64_t>(1, batch_ - 1), batch_, batch_ + 1, 5 * batch_ + 3, 10 * batch_}[pick(0, 5)];
        window_ = chance(40) ? batch_ : pick(batch_, std::max(batch_, chunks_));
        boards_ = pick(1, 3);
        slots_.resize(boards_ * pick(1, 2));
        positions_.resize(pick(1, 7));
        reload_ = pick(0, 400) * ms;
        patience_ = pick(0, 600);
        miscount_ = chance(20) ? pick(0, 2 * chunks_) : chunks_;
        uncounted_ = chance(15);
        every_ = chance(50) ? 0 : pick(1, 900) * ms;
        asks_ = chance(10);  // the client sends when it has the results of what it sent
        limit_ = (chunks_ + 1) * (every_ + positions_.size() * (2 * reload_ + (2 * patience_ + 500) * ms + 100 * ms)) * 4 + 60'000 * ms;
        for (auto& position : positions_) {
            position.slot = pick(0, slots_.size() - 1);
            position.compute = pick(0, 60) * ms;
            position.depth = pick(1, 3);
        }
        if (chance(60))
            for (std::size_t p = 0; p < positions_.size(); ++p)
                positions_[p].slot = p % slots_.size();
        for (auto& position : positions_) {
            position.board = position.slot % boards_;
            position.shared = std::ranges::count(positions_, position.slot, &Position::slot) > 1;
            position.room = std::min(2 * batch_, window_);
        }
        if (chance(30)) kill_at_ = pick(1, 10'000) * ms;
        if (kill_at_) at(kill_at_, 0, [this] { kill(); });
        for (std::uint64_t i = 0; i < chunks_; ++i)
            if (every_ > 0 && !asks_) at(i * every_, 0, [this, i] { came_ = i + 1, feed(); });
        if (every_ == 0) came_ = chunks_;
    }

    void at(std::uint64_t when, std::uint64_t wiring, std::function<void()> what) { events_.push({when, ++order_, wiring, std::move(what)}); }
    void soon(std::function<void()> what) { at(now_ + pick(0, 3) * ms, wiring_, std::move(what)); }

    std::string standing() const {
        auto text = fmt::format("it stands still at {} ms: {} of {} delivered, {} fed, window {}, batch {}, counted {}, patience {}, asks {}, every {}", now_ / ms, delivered_,
                                chunks_, fed_, window_, batch_, miscount_, patience_, asks_, every_ / ms);
        for (std::size_t p = 0; p < positions_.size(); ++p) {
            const auto& at = positions_[p];
            text += fmt::format("\n  position {} on slot {}{}: {} wait, {} inside, {} to be sent, {} of {} sent{}", p, at.slot, at.shared ? " shared" : "",
                                at.inbox.size(), at.inside.size(), at.outbox.size(), at.sent, at.limit, at.turn.on() ? ", its turn" : "");
        }
        return text;
    }

    // ---- a wiring

    void wire() {
        ++wiring_;
        fed_ = delivered_;
        words_.clear();
        const auto left = miscount_ == chunks_ ? chunks_ - delivered_ : miscount_;
        for (auto& slot : slots_)
            slot.user = nobody;
        for (std::size_t p = 0; p < positions_.size(); ++p) {
            auto& position = positions_[p];
            const bool next_shared = p + 1 < positions_.size() && positions_[p + 1].shared;
            position.turn = TurnState(position.shared && next_shared ? batch_ : 0);
            position.inbox.clear(), position.outbox.clear(), position.inside.clear();
            position.sent = position.taken = position.told = 0;
            position.limit = p + 1 < positions_.size() ? positions_[p + 1].room : ~std::uint64_t{0};
            position.loaded = !position.shared;
            position.busy_until = now_;
            at(now_ + pick(0, 50) * ms, wiring_, [this, p] { up(p); });
            at(now_ + 100 * ms, wiring_, [this, p] { look(p); });
        }
        keepers_.clear();
        for (std::size_t board = 0; board < boards_; ++board) {
            std::vector<TurnKeeper::Slot> slots;
            for (std::size_t s = board; s < slots_.size(); s += boards_) {
                TurnKeeper::Slot slot;
                for (std::size_t p = 0; p < positions_.size(); ++p)
                    if (positions_[p].shared && positions_[p].slot == s) slot.order.push_back(p);
                if (!slot.order.empty()) slots.push_back(slot);
            }
            keepers_.push_back(std::make_unique<TurnKeeper>(
                TurnKeeper::Terms{batch_, left, patience_}, std::vector<TurnKeeper::Job>(positions_.size(), {!uncounted_}), slots,
                [this](std::size_t p, const wire::JobTurn& turn) { say(p, [this, p, turn] { take_turn(p, turn); }); }));
        }
        in_limit_ = positions_.front().room;
        in_sent_ = in_taken_ = 0;
        feed();
    }

    // Words between a job and its node manager come late, and in their order.
    void say(std::size_t channel, std::function<void()> word) {
        words_[channel].push_back(std::move(word));
        soon([this, channel] {
            auto next = std::move(words_[channel].front());
            words_[channel].pop_front();
            next();
        });
    }

    void up(std::size_t p) { keepers_[positions_[p].board]->up(p); }

    void kill() {
        ++kills;
        const auto victim = pick(0, positions_.size() - 1);
        keepers_[positions_[victim].board]->lost(victim);
        wire();
    }

    // ---- a job

    void take_turn(std::size_t p, const wire::JobTurn& turn) {
        auto& position = positions_[p];
        const auto begins = position.turn.take(turn, now_);
        if (!begins) wrong_ = begins.error().message;
        if (begins && *begins) {
            ++turns;
            auto& slot = slots_[position.slot];
            if (slot.user != nobody) wrong_ = fmt::format("positions {} and {} both have slot {}", slot.user, p, position.slot);
            slot.user = p;
            position.loaded = slot.holds == p;
            if (!position.loaded)
                at(now_ + reload_, wiring_, [this, p] {
                    positions_[p].loaded = true;
                    slots_[positions_[p].slot].holds = p;
                    go_on(p);
                });
        }
        go_on(p);
    }

    TurnState::Around around(const Position& position) const {
        TurnState::Around around;
        around.inbox = position.inbox.size();
        around.outbox = position.outbox.size();
        around.inside = position.inside.size();
        around.depth = position.depth;
        around.room = position.limit - position.sent;
        around.loaded = position.loaded;
        around.now_ns = now_;
        return around;
    }

    void go_on(std::size_t p) {
        auto& position = positions_[p];
        send(p);
        const bool alone = !position.shared && !position.inbox.empty() && position.outbox.empty() && position.inside.size() < position.depth;
        if (alone || (position.shared && position.loaded && position.turn.may_start(around(position)))) {
            if (position.shared && slots_[position.slot].user != p) wrong_ = fmt::format("position {} computes without its slot", p);
            position.inside.push_back(position.inbox.front());
            position.inbox.pop_front();
            if (position.shared) position.turn.started();
            position.busy_until = std::max(position.busy_until, now_) + position.compute;
            at(position.busy_until, wiring_, [this, p] { computed(p); });
            return go_on(p);
        }
        if (!position.shared) return;
        if (position.turn.may_end(around(position))) {
            position.turn.end();
            slots_[position.slot].user = nobody;
        }
        if (const auto news = position.turn.news(around(position)))
            say(positions_.size() + p, [this, p, told = *news] { keepers_[positions_[p].board]->said(p, told); });
    }

    void computed(std::size_t p) {
        auto& position = positions_[p];
        position.outbox.push_back(position.inside.front());
        position.inside.pop_front();
        if (position.shared) position.turn.made();
        go_on(p);
    }

    void send(std::size_t p) {
        auto& position = positions_[p];
        const bool last = p + 1 == positions_.size();
        while (!position.outbox.empty() && position.sent < position.limit) {
            const auto chunk = position.outbox.front();
            position.outbox.pop_front();
            ++position.sent;
            soon_in_order(p, [this, p, last, chunk] { last ? deliver(chunk) : arrive(p + 1, chunk); });
            auto& taken = p == 0 ? in_taken_ : positions_[p - 1].taken;
            ++taken;
            // The credit for it.
            soon_in_order(100 + p, [this, p, credit = taken] {
                if (p == 0) return in_limit_ = credit + positions_[p].room, feed();
                positions_[p - 1].limit = credit + positions_[p].room;
                go_on(p - 1);
            });
        }
    }

    void soon_in_order(std::size_t channel, std::function<void()> what) { say(1000 + channel, std::move(what)); }

    void arrive(std::size_t p, std::uint64_t chunk) {
        positions_[p].inbox.push_back(chunk);
        if (positions_[p].inbox.size() > positions_[p].room) wrong_ = fmt::format("position {} holds more chunks than it has room for", p);
        go_on(p);
    }

    // Without an event: ten times a second.
    void look(std::size_t p) {
        go_on(p);
        at(now_ + 100 * ms, wiring_, [this, p] { look(p); });
    }

    // ---- the ends

    void feed() {
        if (asks_) came_ = delivered_ == asked_ ? asked_ = std::min(chunks_, delivered_ + 1 + delivered_ % 3) : asked_;
        while (fed_ < std::min({came_, chunks_, delivered_ + window_}) && in_sent_ < in_limit_) {
            ++in_sent_;
            soon_in_order(99, [this, chunk = fed_] { arrive(0, chunk); });
            ++fed_;
        }
    }

    void deliver(std::uint64_t chunk) {
        if (chunk != delivered_) wrong_ = fmt::format("chunk {} came out, expected {}", chunk, delivered_);
        ++delivered_;
        feed();
    }

    std::mt19937_64 random_;
    std::uint64_t now_ = 0, order_ = 0, wiring_ = 0, limit_ = 0;
    std::priority_queue<Event> events_;
    std::string wrong_;
    std::uint64_t batch_ = 1, chunks_ = 1, window_ = 1, reload_ = 0, patience_ = 0, miscount_ = 0, every_ = 0, kill_at_ = 0;
    std::size_t boards_ = 1;
    bool uncounted_ = false, asks_ = false;
    std::vector<Position> positions_;
    std::vector<Slot> slots_;
    std::vector<std::unique_ptr<TurnKeeper>> keepers_;
    std::map<std::size_t, std::deque<std::function<void()>>> words_;
    std::uint64_t came_ = 0, fed_ = 0, delivered_ = 0, asked_ = 0;
    std::uint64_t in_limit_ = 0, in_sent_ = 0, in_taken_ = 0;
};

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

#ifdef FARD_SLOW_SUITE
constexpr std::uint64_t schedules = 20'000;
#else
constexpr std::uint64_t schedules = 1'000;
#endif

}  // namespace

TEST_CASE("turns from a seed: no slot has two users, nothing stands still, every chunk comes out once and in order") {
    const auto only = number_from("FARD_SIM_SEED", 0);
    std::uint64_t turns = 0, kills = 0;
    for (std::uint64_t seed = only ? only : 1; seed <= (only ? only : number_from("FARD_SIM_SCHEDULES", schedules)); ++seed) {
        Sim sim(seed);
        const auto wrong = sim.run();
        turns += sim.turns;
        kills += sim.kills;
        CHECK_MESSAGE(wrong.empty(), "FARD_SIM_SEED=", seed, ": ", wrong);
        if (!wrong.empty()) return;
    }
    MESSAGE(turns, " turns, ", kills, " kills");
}
