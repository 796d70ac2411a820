#include "tests/node_manager/reservation_sim.hpp"

#include <algorithm>

namespace fard::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration longest_end = 120s;  // after the last fault

double milliseconds(TimePoint time) {
    return std::chrono::duration<double, std::milli>(time - TimePoint(1h)).count();
}

}  // namespace

void Simulation::Counters::operator+=(const Counters& other) {
    steps += other.steps, runs += other.runs, attempts += other.attempts, firm += other.firm;
    wounds += other.wounds, rewirings += other.rewirings, overslept += other.overslept;
    expired_jobs += other.expired_jobs, stops += other.stops, kills += other.kills;
}

Simulation::Simulation(std::uint64_t seed, bool trace)
    : seed_(seed), trace_(trace), random_(seed), network_(world_, random_.next()) {
    plan();
    plan_faults();
}

Simulation::~Simulation() = default;

// ---- the plan

void Simulation::plan() {
    const auto boards = 2 + random_.below(4);
    for (std::uint64_t b = 0; b < boards; ++b) {
        const PeerId id{std::string(1, static_cast<char>('A' + b))};
        std::vector<wire::DeviceState> devices{
            {"d0", "soft", 1 + static_cast<std::uint32_t>(random_.below(2)), true, ""}};
        if (chance(0.25)) devices.push_back({"d1", "soft", 1, true, ""});
        nodes_.push_back(std::make_unique<Node>(*this, network_.add(id), std::move(devices)));
    }
    const auto count = 2 + random_.below(6);
    const bool at_once = chance(0.5);
    for (std::uint64_t r = 0; r < count; ++r) {
        auto& run = *runs_.emplace_back(std::make_unique<Run>());
        run.id = {"r" + std::to_string(r)};
        run.ticket = 1 + random_.below(10);  // equal ones are told apart by the run
        run.jobs = 1 + static_cast<std::uint32_t>(random_.below(boards + 1));
        run.work = between(1ms, chance(0.4) ? Duration(4s) : Duration(300ms));
        world_.call_after(at_once ? between(0ms, 2ms) : between(0ms, 5s), [this, &run] { submit(run); });
        ++counters_.runs;
    }
    if (!chance(0.2)) change_network();
}

void Simulation::plan_faults() {
    const auto end = between(1s, 10s);
    const auto faults = chance(0.15) ? 0 : 1 + random_.below(10);
    for (std::uint64_t f = 0; f < faults; ++f) {
        world_.call_after(between(0ms, end), [this] { fault(); });
    }
    world_.call_after(end, [this] { heal(); });
}

void Simulation::fault() {
    switch (random_.below(8)) {
        case 0:
        case 1:
        case 2:
            return stop_one();
        case 3:
            return kill_one();
        case 4:
            return cut_one();
        case 5:
            return change_network();
        case 6:
            return suspect_one();
        default: {
            const auto& run = *runs_[random_.below(runs_.size())];
            trace("a job of " + run.id.hex + " dies");
            for (auto* node : running_nodes()) {
                if (chance(0.5)) node->board().kill_own_jobs(run.id);
                node->lose_job(run.id);
            }
        }
    }
}

void Simulation::change_network() {
    SimNetworkOptions options;
    options.loss = chance(0.5) ? 0 : 0.01 * static_cast<double>(random_.below(40));
    options.repetition = chance(0.5) ? 0 : 0.01 * static_cast<double>(random_.below(30));
    const Duration longest[] = {100us, 100us, 2ms, 2ms, 20ms, 20ms, 200ms, 200ms, 1s, 4s};
    options.longest_delay = longest[random_.below(std::size(longest))];
    network_.set_options(options);
    trace(fmt::format("network: loss {}, repetition {}, delay up to {} ms", options.loss, options.repetition,
                      options.longest_delay / 1ms));
}

// Stopped for a while; when it is long, clients go on elsewhere, and the membership may give it up.
void Simulation::stop_one() {
    const auto running = running_nodes();
    if (running.empty()) return;
    Node* node = running[random_.below(running.size())];
    ++counters_.stops;
    trace("stop " + node->id().hex);
    network_.stop(node->id());
    world_.call_after(between(100ms, chance(0.5) ? Duration(2s) : Duration(8s)),
                      [this, node, since = world_.now()] { wake(*node, since); });
    const bool given_up = chance(0.5);
    world_.call_after(between(1500ms, 2500ms), [this, node, given_up] {
        if (node->peer().loop().running()) return;
        for (auto& run : runs_) {
            if (run->coordinator == node->id()) move_on(*run, 0ms);
        }
        for (auto* other : running_nodes()) {
            if (given_up) other->peer_gone(node->id());
        }
    });
}

void Simulation::wake(Node& node, TimePoint slept_since) {
    if (node.killed || node.peer().loop().running()) return;
    trace("wake " + node.id().hex);
    if (world_.now() - slept_since >= lease_time) node.overslept_at = world_.now();
    network_.wake(node.id());
}

void Simulation::kill_one() {
    const auto running = running_nodes();
    if (running.size() < 2) return;
    Node* node = running[random_.below(running.size())];
    ++counters_.kills;
    trace("kill " + node->id().hex);
    node->killed = true;
    network_.kill(node->id());
    world_.call_after(between(1ms, 2s), [this, node] {
        trace("all know that " + node->id().hex + " is gone");
        for (auto& other : nodes_) {
            if (other->killed) continue;
            other->peer().loop().deliver([&other = *other, id = node->id()] { other.peer_gone(id); });
        }
        for (auto& run : runs_) {
            if (run->coordinator == node->id()) move_on(*run, 0ms);
        }
    });
}

void Simulation::cut_one() {
    const auto a = nodes_[random_.below(nodes_.size())]->id(), b = nodes_[random_.below(nodes_.size())]->id();
    if (a == b) return;
    trace("cut " + a.hex + b.hex);
    network_.cut(a, b);
    world_.call_after(between(100ms, 6s), [this, a, b] {
        trace("mend " + a.hex + b.hex);
        network_.mend(a, b);
    });
}

// A client goes on although its coordinator is well: now there are two of them.
void Simulation::suspect_one() {
    auto& run = *runs_[random_.below(runs_.size())];
    if (run.attempt > 0) move_on(run, 0ms);
}

void Simulation::heal() {
    trace("heal");
    healed_ = true;
    network_.set_options({});
    for (auto& a : nodes_) {
        for (auto& b : nodes_)
            network_.mend(a->id(), b->id());
    }
}

// ---- clients

void Simulation::submit(Run& run) {
    if (run.ended) return;
    const auto running = running_nodes();
    if (running.empty()) return (void)world_.call_after(500ms, [this, &run] { submit(run); });
    Node* node = running[random_.below(running.size())];
    run.coordinator = node->id();
    ++run.attempt;
    ++counters_.attempts;
    trace(fmt::format("{} attempt {} at {}: ticket {}, {} jobs", run.id.hex, run.attempt, node->id().hex,
                      run.ticket, run.jobs));
    node->start_attempt(run.id, run.ticket, run.attempt, run.jobs, run.work);
}

void Simulation::move_on(Run& run, Duration after) {
    if (run.ended) return;
    run.moved_on = world_.now();
    world_.call_after(after, [this, &run] { submit(run); });
}

bool Simulation::superseded_for(const RunId& id, std::uint32_t attempt, Duration time) {
    for (const auto& run : runs_) {
        if (run->id == id)
            return (run->ended || run->attempt > attempt) && world_.now() - run->moved_on >= time;
    }
    return true;
}

void Simulation::attempt_ended(const RunId& id, std::uint32_t attempt, Outcome outcome) {
    trace(fmt::format("{} attempt {} ended: {}", id.hex, attempt,
                      outcome == Outcome::finished     ? "finished"
                      : outcome == Outcome::impossible ? "impossible"
                                                       : "ended"));
    for (auto& run : runs_) {
        if (run->id != id || run->attempt != attempt || run->ended) continue;
        if (outcome == Outcome::ended) return move_on(*run, 50ms);
        run->ended = true;
        run->moved_on = world_.now();
    }
}

// ---- what nodes need

std::vector<BoardOffer> Simulation::offers(const PeerId& seen_by) {
    std::vector<BoardOffer> offers;
    for (const auto& node : nodes_) {
        // Even a killed board may be in the membership for a while.
        if (node->killed && (healed_ || chance(0.9) || node->id() == seen_by)) continue;
        offers.push_back({node->id(), node->devices()});
    }
    return offers;
}

Node* Simulation::node(const PeerId& id) {
    for (auto& node : nodes_) {
        if (node->id() == id) return node.get();
    }
    return nullptr;
}

std::vector<Node*> Simulation::running_nodes() {
    std::vector<Node*> running;
    for (auto& node : nodes_) {
        if (!node->killed && node->peer().loop().running()) running.push_back(node.get());
    }
    return running;
}

void Simulation::note(Event event) {
    switch (event) {
        case Event::firm:
            ++counters_.firm;
            break;
        case Event::wound:
            ++counters_.wounds;
            break;
        case Event::rewiring:
            ++counters_.rewirings;
            break;
        case Event::overslept:
            ++counters_.overslept;
            break;
        case Event::expired_jobs:
            ++counters_.expired_jobs;
            break;
    }
}

void Simulation::trace(const std::string& line) {
    if (trace_) fmt::print("{:12.3f} ms  {}\n", milliseconds(world_.now()), line);
}

void Simulation::violated(const std::string& what) {
    if (violation_) return;
    violation_ = fmt::format("seed {}, at {:.3f} ms: {}", seed_, milliseconds(world_.now()), what);
    trace("VIOLATED: " + what);
}

// A coordinator that slept for more than 3 s asks for nothing any more, whatever it was in the middle of.
void Simulation::check_sleeper(const PeerId& from, const wire::Body& body) {
    auto check = [&](const RunId& run, Epoch epoch) {
        const auto& sleeper = *node(from);
        if (!sleeper.attempt_since_before(run, epoch.attempt, sleeper.overslept_at)) return;
        violated(fmt::format("{} slept and still sends {} of {}@{}.{}", from.hex, wire::name_of(body),
                             run.hex, epoch.attempt, epoch.wiring));
    };
    if (const auto* reserve = body.as<wire::Reserve>()) check(reserve->run, reserve->epoch);
    if (const auto* commit = body.as<wire::Commit>()) check(commit->run, commit->epoch);
    if (const auto* renew = body.as<wire::Renew>()) check(renew->run, renew->epoch);
    if (const auto* spawn = body.as<wire::Spawn>()) check(spawn->run, spawn->epoch);
}

// ---- the run

bool Simulation::over() const {
    return std::all_of(runs_.begin(), runs_.end(), [](const auto& run) { return run->ended; }) &&
           std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
               return node->killed || (node->peer().loop().running() && node->attempts_ended());
           });
}

void Simulation::check_end() {
    for (const auto& run : runs_) {
        if (!run->ended) violated("run " + run->id.hex + " has not ended");
    }
    for (const auto& node : nodes_) {
        if (node->killed) continue;
        auto& board = node->board();
        if (!node->attempts_ended()) violated("an attempt at " + node->id().hex + " has not ended");
        if (board.jobs() > 0 || !board.table().rows().empty())
            violated("board " + node->id().hex + " is not free");
    }
}

std::optional<std::string> Simulation::run() {
    network_.on_send = [this](const PeerId& from, const PeerId& to, const wire::Envelope& envelope,
                              const wire::Body& body) {
        check_sleeper(from, body);
        if (trace_) {
            trace(fmt::format("    {} -> {} {}{} {}", from.hex, to.hex, wire::name_of(body),
                              envelope.answer ? " (answer)" : "", envelope.request & 0xffff));
        }
        return false;
    };
    auto step_until = [&](auto done, Duration limit) {
        const auto end = world_.now() + limit;
        while (!violation_ && !done() && world_.next_time() <= end) {
            world_.step();
            ++counters_.steps;
            for (auto& node : nodes_) {
                if (!node->killed) node->board().check();
            }
        }
    };
    step_until([this] { return healed_; }, longest_end);
    step_until([this] { return over(); }, longest_end);
    // Leases of coordinators that were killed may still have to run out, and jobs to be reaped.
    step_until([] { return false; }, lease_time + 5s);
    check_end();
    step_until([] { return false; }, epoch_memory + 5s);
    for (const auto& node : nodes_) {
        if (!node->killed && node->board().table().remembered() > 0)
            violated(node->id().hex + " remembers runs");
    }
    return violation_;
}

}  // namespace fard::sim
