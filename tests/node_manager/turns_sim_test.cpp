// Pipelines whose positions take turns, with replicas and parallel parts, from a seed: TurnKeeper and TurnState as the node managers and
// the jobs use them, over links with credits, boards with slots, words that are late, an input that comes as it likes, and jobs that are
// killed. After each step no slot may have two users; at the end every chunk has come out once.
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
#include <set>

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
        while (results_.size() < chunks_) {
            if (!wrong_.empty()) return wrong_;
            if (events_.empty() || now_ > limit_) return standing();
            auto event = events_.top();
            events_.pop();
            now_ = event.at;
            if (event.wiring == wiring_ || event.wiring == 0) event.what();
        }
        return wrong_;
    }

    std::uint64_t turns = 0, kills = 0, spread = 0;  // of pipelines with replicas or parts

  private:
    struct Event {
        std::uint64_t at, order, wiring;  // of which it is; 0: of the world's
        std::function<void()> what;
        friend bool operator<(const Event& a, const Event& b) { return std::pair(a.at, a.order) > std::pair(b.at, b.order); }
    };
    struct Position {
        std::size_t first = 0, count = 1;  // its jobs
        bool parts = false, shared = false;
        std::uint64_t room = 0;
    };
    struct LinkIn {
        std::uint64_t taken = 0, held = 0, ahead = 0;  // as Inlet has them
    };
    struct LinkOut {
        std::uint64_t sent = 0, limit = 0, confirmed = 0;
        bool owed = true;  // it lacks the chunk that is being sent to each
    };
    // The chunks that come to a job, or to who coordinates the run, by several links.
    struct Inbox {
        std::vector<LinkIn> links;
        std::deque<std::size_t> came;              // from which link, of those that are not taken yet
        std::map<std::uint64_t, std::size_t> pieces;
        std::deque<std::uint64_t> chunks;          // complete, ascending
    };
    struct Job {
        std::size_t position = 0, replica = 0, slot = 0, board = 0;
        bool shared = false;
        std::uint64_t compute = 0, depth = 1;
        TurnState turn;
        Inbox inbox;
        std::deque<std::uint64_t> outbox, inside;
        std::vector<LinkOut> out;
        bool loaded = false;
        std::uint64_t busy_until = 0;
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
        every_ = chance(50) ? 0 : pick(1, 900) * ms;
        asks_ = chance(10);  // the client sends when it has the results of what it sent
        const bool alone = chance(40);  // no replicas, no parts
        for (auto& position : positions_) {
            position.first = jobs_.size();
            if (!alone && chance(40)) position.count = pick(2, 3);
            position.parts = position.count > 1 && chance(50);
            spread += position.count > 1;
            for (std::size_t replica = 0; replica < position.count; ++replica) {
                auto& job = jobs_.emplace_back();
                job.position = static_cast<std::size_t>(&position - positions_.data());
                job.replica = replica;
            }
        }
        limit_ = (chunks_ + 1) * (every_ + jobs_.size() * (2 * reload_ + (2 * patience_ + 500) * ms + 100 * ms)) * 4 + 60'000 * ms;
        const bool even = chance(60);
        for (std::size_t j = 0; j < jobs_.size(); ++j) {
            jobs_[j].slot = even ? j % slots_.size() : pick(0, slots_.size() - 1);
            jobs_[j].board = jobs_[j].slot % boards_;
            jobs_[j].compute = pick(0, 60) * ms;
            jobs_[j].depth = pick(1, 3);
        }
        for (auto& job : jobs_) {
            job.shared = std::ranges::count(jobs_, job.slot, &Job::slot) > 1;
            positions_[job.position].shared |= job.shared;
            turning_ |= job.shared;
        }
        for (auto& position : positions_)
            position.room = std::min(2 * batch_, window_);
        link_window_ = pick(1, 4);
        shuffled_ = chance(30);
        if (chance(30)) kill_at_ = pick(1, 10'000) * ms;
        if (kill_at_) at(kill_at_, 0, [this] { kill(); });
        for (std::uint64_t i = 0; i < chunks_; ++i)
            if (every_ > 0 && !asks_) at(i * every_, 0, [this, i] { came_ = i + 1, feed(); });
        if (every_ == 0) came_ = chunks_;
    }

    void at(std::uint64_t when, std::uint64_t wiring, std::function<void()> what) { events_.push({when, ++order_, wiring, std::move(what)}); }
    void soon(std::function<void()> what) { at(now_ + pick(0, 3) * ms, wiring_, std::move(what)); }

    std::string standing() const {
        auto text = fmt::format("it stands still at {} ms: {} of {} delivered, {} fed, window {}, batch {}, counted {}, patience {}, asks {}, every {}", now_ / ms,
                                results_.size(), chunks_, fed_, window_, batch_, miscount_, patience_, asks_, every_ / ms);
        for (const auto& job : jobs_) {
            text += fmt::format("\n  position {} ({} {} of {}) on slot {}{}: {} wait, {} in pieces, {} inside, {} to be sent{};", job.position,
                                positions_[job.position].parts ? "part" : "replica", job.replica, positions_[job.position].count, job.slot,
                                job.shared ? " shared" : "", job.inbox.chunks.size(), job.inbox.pieces.size(), job.inside.size(), job.outbox.size(),
                                job.turn.on() ? ", its turn" : "");
            for (const auto& link : job.out)
                text += fmt::format(" {} of {} sent", link.sent, link.limit);
        }
        return text;
    }

    // ---- a wiring

    void wire() {
        ++wiring_;
        fed_ = 0;
        while (results_.contains(delivered_))
            ++delivered_;
        first_ = delivered_;
        words_.clear();
        const auto left = miscount_ == chunks_ ? chunks_ - results_.size() : miscount_;
        for (auto& slot : slots_)
            slot.user = nobody;
        for (std::size_t j = 0; j < jobs_.size(); ++j) {
            auto& job = jobs_[j];
            const bool last = job.position + 1 == positions_.size();
            job.turn = TurnState(job.shared && !last && positions_[job.position + 1].shared ? batch_ : 0);
            job.inbox = {};
            job.inbox.links.resize(job.position == 0 ? 1 : positions_[job.position - 1].count);
            job.outbox.clear(), job.inside.clear();
            job.out.assign(last ? 1 : positions_[job.position + 1].count, {});
            for (auto& link : job.out)
                link.limit = last ? ~std::uint64_t{0} : positions_[job.position + 1].room;
            job.loaded = !job.shared;
            job.busy_until = now_;
            at(now_ + pick(0, 50) * ms, wiring_, [this, j] { keepers_[jobs_[j].board]->up(j); });
            at(now_ + 100 * ms, wiring_, [this, j] { look(j); });
        }
        make_keepers(left);
        feeders_.assign(positions_.front().count, {});
        for (auto& link : feeders_)
            link.limit = positions_.front().room;
        sink_ = {};
        sink_.links.resize(positions_.back().count);
        feed();
    }

    void make_keepers(std::uint64_t left) {
        std::vector<TurnKeeper::Job> kinds;
        for (const auto& job : jobs_) {
            const auto& position = positions_[job.position];
            kinds.emplace_back();
            if (!position.parts) kinds.back().share = TurnKeeper::share_of(left, batch_, job.replica, position.count);
        }
        keepers_.clear();
        for (std::size_t board = 0; board < boards_; ++board) {
            std::vector<TurnKeeper::Slot> slots;
            for (std::size_t s = board; s < slots_.size(); s += boards_) {
                TurnKeeper::Slot slot;
                for (std::size_t j = 0; j < jobs_.size(); ++j)
                    if (jobs_[j].shared && jobs_[j].slot == s) slot.order.push_back(j);
                if (shuffled_ && !slot.order.empty()) {
                    const auto again = slot.order[pick(0, slot.order.size() - 1)];
                    slot.order.push_back(again);
                    std::ranges::shuffle(slot.order, random_);
                }
                if (!slot.order.empty()) slots.push_back(slot);
            }
            keepers_.push_back(std::make_unique<TurnKeeper>(TurnKeeper::Terms{batch_, left, patience_}, kinds, slots,
                                                            [this](std::size_t j, const wire::JobTurn& turn) { say(j, [this, j, turn] { take_turn(j, turn); }); }));
        }
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

    void kill() {
        ++kills;
        const auto victim = pick(0, jobs_.size() - 1);
        keepers_[jobs_[victim].board]->lost(victim);
        wire();
    }

    // ---- a job

    // Replicas have one overlay, parts one each.
    std::size_t overlay_of(std::size_t j) const { return positions_[jobs_[j].position].parts ? j : positions_[jobs_[j].position].first; }

    void take_turn(std::size_t j, const wire::JobTurn& turn) {
        auto& job = jobs_[j];
        const auto begins = job.turn.take(turn, now_);
        if (!begins) wrong_ = begins.error().message;
        if (begins && *begins) {
            ++turns;
            auto& slot = slots_[job.slot];
            if (slot.user != nobody) wrong_ = fmt::format("jobs {} and {} both have slot {}", slot.user, j, job.slot);
            slot.user = j;
            job.loaded = slot.holds == overlay_of(j);
            if (!job.loaded)
                at(now_ + reload_, wiring_, [this, j] {
                    jobs_[j].loaded = true;
                    slots_[jobs_[j].slot].holds = overlay_of(j);
                    go_on(j);
                });
        }
        go_on(j);
    }

    TurnState::Around around(const Job& job) const {
        TurnState::Around around;
        around.inbox = job.inbox.chunks.size();
        around.outbox = job.outbox.size();
        around.inside = job.inside.size();
        around.depth = job.depth;
        const auto next = !job.inside.empty() ? job.inside.front() : !job.inbox.chunks.empty() ? job.inbox.chunks.front() : 0;
        around.room = room(job, next, job.turn.reserves());
        around.loaded = job.loaded;
        around.now_ns = now_;
        return around;
    }

    void go_on(std::size_t j) {
        auto& job = jobs_[j];
        send(j);
        const bool alone = !job.shared && !job.inbox.chunks.empty() && job.outbox.empty() && job.inside.size() < job.depth;
        if (alone || (job.shared && job.loaded && job.turn.may_start(around(job)))) {
            if (job.shared && slots_[job.slot].user != j) wrong_ = fmt::format("job {} computes without its slot", j);
            job.inside.push_back(job.inbox.chunks.front());
            job.inbox.chunks.pop_front();
            if (job.shared) job.turn.started();
            job.busy_until = std::max(job.busy_until, now_) + job.compute;
            at(job.busy_until, wiring_, [this, j] { computed(j); });
            return go_on(j);
        }
        if (!job.shared) return;
        if (job.turn.may_end(around(job))) {
            job.turn.end();
            slots_[job.slot].user = nobody;
        }
        if (const auto news = job.turn.news(around(job)))
            say(jobs_.size() + j, [this, j, told = *news] { keepers_[jobs_[j].board]->said(j, told); });
    }

    void computed(std::size_t j) {
        auto& job = jobs_[j];
        job.outbox.push_back(job.inside.front());
        job.inside.pop_front();
        if (job.shared) job.turn.made();
        go_on(j);
    }

    // ---- links, as Outlet and Inlet have them

    std::size_t by_index(std::uint64_t index, std::uint64_t row, std::size_t links) const {
        return static_cast<std::size_t>((index - std::min(index, first_)) / row % links);
    }
    // How many chunks in a row each receiver gets; 0: who has the fewest gets the next.
    std::uint64_t row_of(std::size_t position, bool from_parts) const {
        if (positions_[position].count == 1 || positions_[position].parts) return 0;
        return turning_ ? batch_ : from_parts ? 1 : 0;
    }

    std::uint64_t room(const Job& job, std::uint64_t index, std::uint64_t wanted) const {
        const auto next = job.position + 1;
        std::uint64_t all = 0, least = ~std::uint64_t{0};
        std::vector<std::uint64_t> rooms;
        for (const auto& link : job.out) {
            rooms.push_back(link.limit - link.sent);
            all += std::min(wanted, rooms.back());
            least = std::min(least, rooms.back());
        }
        if (next == positions_.size()) return wanted;
        const auto row = row_of(next, positions_[job.position].parts);
        if (row == 0) return std::min(wanted, positions_[next].parts ? least : all);
        std::uint64_t found = 0;
        while (found < wanted && rooms[by_index(index + found, row, rooms.size())] > 0) {
            --rooms[by_index(index + found, row, rooms.size())];
            ++found;
        }
        return found;
    }

    // To whom a chunk could be sent now; `each` has it until all have. False: not to all that must have it.
    template <typename Deliver>
    bool push(std::vector<LinkOut>& links, std::size_t position, bool from_parts, std::uint64_t chunk, Deliver deliver) {
        const auto go = [&](std::size_t to) {
            if (links[to].sent >= links[to].limit) return false;
            ++links[to].sent;
            deliver(to);
            return true;
        };
        if (position < positions_.size() && positions_[position].parts) {
            bool all = true;
            for (std::size_t to = 0; to < links.size(); ++to) {
                if (links[to].owed) links[to].owed = !go(to);
                all = all && !links[to].owed;
            }
            if (all)
                for (auto& link : links)
                    link.owed = true;
            return all;
        }
        if (links.size() == 1) return go(0);
        if (const auto row = row_of(position, from_parts)) return go(by_index(chunk, row, links.size()));
        std::size_t fewest = links.size();
        for (std::size_t to = 0; to < links.size(); ++to)
            if (links[to].sent < links[to].limit &&
                (fewest == links.size() || links[to].sent - links[to].confirmed < links[fewest].sent - links[fewest].confirmed))
                fewest = to;
        return fewest < links.size() && go(fewest);
    }

    void send(std::size_t j) {
        auto& job = jobs_[j];
        const bool last = job.position + 1 == positions_.size();
        while (!job.outbox.empty()) {
            const auto chunk = job.outbox.front();
            const bool sent = push(job.out, job.position + 1, positions_[job.position].parts, chunk, [&](std::size_t to) {
                const auto receiver = last ? nobody : positions_[job.position + 1].first + to;
                say(channel(j, to), [this, receiver, from = job.replica, chunk] { arrive(receiver, from, chunk); });
            });
            if (!sent) return;
            job.outbox.pop_front();
            taken(j);
        }
    }

    std::size_t channel(std::size_t sender, std::size_t to) const { return 1000 + 100 * sender + to; }

    void arrive(std::size_t j, std::size_t link, std::uint64_t chunk) {
        auto& inbox = j == nobody ? sink_ : jobs_[j].inbox;
        const auto position = j == nobody ? positions_.size() : jobs_[j].position;
        if (position == 0 || !positions_[position - 1].parts) {
            inbox.came.push_back(link);
            inbox.chunks.insert(std::ranges::upper_bound(inbox.chunks, chunk), chunk);
        } else {
            ++inbox.links[link].held;
            if (++inbox.pieces[chunk] == inbox.links.size()) {
                inbox.pieces.erase(chunk);
                inbox.chunks.insert(std::ranges::upper_bound(inbox.chunks, chunk), chunk);
            } else if (j != nobody) {
                make_place(j);
            }
        }
        if (j == nobody) return deliver();
        if (position == 0 || !positions_[position - 1].parts)
            if (inbox.chunks.size() > positions_[position].room * inbox.links.size()) wrong_ = fmt::format("job {} holds more chunks than it has room for", j);
        go_on(j);
    }

    // A chunk has left the job.
    void taken(std::size_t j) {
        auto& job = jobs_[j];
        auto& inbox = job.inbox;
        if (job.position == 0 || !positions_[job.position - 1].parts) {
            const auto link = inbox.came.front();
            inbox.came.pop_front();
            return credit(j, link);
        }
        for (std::size_t link = 0; link < inbox.links.size(); ++link) {
            auto& one = inbox.links[link];
            --one.held;
            if (one.ahead > 0) --one.ahead;
            else credit(j, link);
        }
        make_place(j);
    }

    // Pieces of which none is complete.
    void make_place(std::size_t j) {
        auto& inbox = jobs_[j].inbox;
        if (!inbox.chunks.empty() || !jobs_[j].inside.empty() || !jobs_[j].outbox.empty()) return;
        const auto most = positions_[jobs_[j].position].shared ? 1 : std::max<std::uint64_t>(2, link_window_);
        for (std::size_t link = 0; link < inbox.links.size(); ++link)
            for (auto& one = inbox.links[link]; one.held - one.ahead >= most; ++one.ahead)
                credit(j, link);
    }

    void credit(std::size_t j, std::size_t link) {
        const auto& job = jobs_[j];
        const auto told = ++jobs_[j].inbox.links[link].taken, limit = told + positions_[job.position].room;
        const auto sender = job.position == 0 ? nobody : positions_[job.position - 1].first + link;
        say(500'000 + channel(j, link), [this, sender, to = job.replica, told, limit] {
            auto& out = sender == nobody ? feeders_[to] : jobs_[sender].out[to];
            out.limit = std::max(out.limit, limit);
            out.confirmed = std::max(out.confirmed, told);
            sender == nobody ? feed() : go_on(sender);
        });
    }

    // Without an event: ten times a second.
    void look(std::size_t j) {
        go_on(j);
        at(now_ + 100 * ms, wiring_, [this, j] { look(j); });
    }

    // ---- the ends

    void feed() {
        if (asks_) came_ = delivered_ == asked_ ? asked_ = std::min(chunks_, delivered_ + 1 + delivered_ % 3) : asked_;
        for (; fed_ < std::min({came_, chunks_, delivered_ + window_}); ++fed_) {
            if (results_.contains(fed_)) continue;
            const bool sent = push(feeders_, 0, false, fed_, [&](std::size_t to) {
                say(900'000 + to, [this, to, chunk = fed_] { arrive(positions_.front().first + to, 0, chunk); });
            });
            if (!sent) return;
        }
    }

    void deliver() {
        for (const auto chunk : sink_.chunks)
            if (!results_.insert(chunk).second) wrong_ = fmt::format("chunk {} came out twice", chunk);
        sink_.chunks.clear();
        while (results_.contains(delivered_))
            ++delivered_;
        feed();
    }

    std::mt19937_64 random_;
    std::uint64_t now_ = 0, order_ = 0, wiring_ = 0, limit_ = 0;
    std::priority_queue<Event> events_;
    std::string wrong_;
    std::uint64_t batch_ = 1, chunks_ = 1, window_ = 1, reload_ = 0, patience_ = 0, miscount_ = 0, every_ = 0, kill_at_ = 0, link_window_ = 1;
    std::size_t boards_ = 1;
    bool asks_ = false, turning_ = false, shuffled_ = false;
    std::vector<Position> positions_;
    std::vector<Job> jobs_;
    std::vector<Slot> slots_;
    std::vector<std::unique_ptr<TurnKeeper>> keepers_;
    std::map<std::size_t, std::deque<std::function<void()>>> words_;
    std::set<std::uint64_t> results_;
    std::uint64_t came_ = 0, fed_ = 0, delivered_ = 0, asked_ = 0, first_ = 0;  // delivered: all before it have come out
    std::vector<LinkOut> feeders_;
    Inbox sink_;
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

TEST_CASE("turns from a seed: no slot has two users, nothing stands still, every chunk comes out once") {
    const auto only = number_from("FARD_SIM_SEED", 0);
    std::uint64_t turns = 0, kills = 0, spread = 0;
    for (std::uint64_t seed = only ? only : 1; seed <= (only ? only : number_from("FARD_SIM_SCHEDULES", schedules)); ++seed) {
        Sim sim(seed);
        const auto wrong = sim.run();
        turns += sim.turns;
        kills += sim.kills;
        spread += sim.spread;
        CHECK_MESSAGE(wrong.empty(), "FARD_SIM_SEED=", seed, ": ", wrong);
        if (!wrong.empty()) return;
    }
    MESSAGE(turns, " turns, ", kills, " kills, ", spread, " positions with replicas or parts");
}
