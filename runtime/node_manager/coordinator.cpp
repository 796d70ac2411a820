#include "runtime/node_manager/coordinator.hpp"

#include <algorithm>

#include "runtime/node_manager/descriptor_room.hpp"
#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

constexpr auto ended_memory = 60s;
constexpr std::size_t most_ended = 100;
constexpr auto cancel_deadline = 10s;

wire::Refused unknown_run(const RunId& run) {
    return {static_cast<std::uint8_t>(Fault::not_found),
            fmt::format("no run {} is under way here; `fard status` lists the runs", run.hex)};
}

}  // namespace

Coordinator::Coordinator(RunSurroundings surroundings) : surroundings_(std::move(surroundings)) {}
Coordinator::~Coordinator() = default;

void Coordinator::submit(const PeerId& client, const wire::Submit& submit, Reply reply) {
    forget_old();
    if (const auto found = runs_.find(submit.run); found != runs_.end()) {
        if (submit.attempt == found->second->attempt()) {
            found->second->client_alive(client);
            return reply(found->second->admitted());
        }
        if (submit.attempt < found->second->attempt())
            return reply(refused(
                {Fault::refused, fmt::format("run {} is at attempt {} here, {} is over", submit.run.hex,
                                             found->second->attempt(), submit.attempt)}));
        // The client came back with a higher attempt: its RESERVE takes the leases over, this one just stops.
        runs_.erase(found);
    }
    const auto ended_before = std::ranges::find_if(ended_, [&](const Ended& ended) {
        return ended.state.run == submit.run && ended.attempt >= submit.attempt;
    });
    if (ended_before != ended_.end())
        return reply(refused(
            {Fault::refused, fmt::format("attempt {} of run {} has ended here ({})", ended_before->attempt,
                                         submit.run.hex, ended_before->state.phase)}));
    if (auto room = check_descriptor_room(descriptors_of_a_run); !room) return reply(refused(room.error()));
    auto run = Run::start(surroundings_, client, submit, [this, id = submit.run] { ended(id); });
    if (!run) return reply(refused(run.error()));
    const auto& started = *runs_.emplace(submit.run, std::move(*run)).first->second;
    reply(started.admitted());
}

void Coordinator::ended(const RunId& run) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return;
    ended_.push_back({found->second->state(), found->second->attempt(), surroundings_.loop.now()});
    runs_.erase(found);
    forget_old();
}

void Coordinator::forget_old() {
    const auto now = surroundings_.loop.now();
    while (!ended_.empty() && (ended_.size() > most_ended || now - ended_.front().at > ended_memory))
        ended_.erase(ended_.begin());
}

void Coordinator::finish(const wire::Finish& finish, Reply reply) {
    const auto found = runs_.find(finish.run);
    if (found != runs_.end() && found->second->attempt() == finish.attempt)
        return found->second->finish(std::move(reply));
    const auto before = std::ranges::find_if(ended_, [&](const Ended& ended) {
        return ended.state.run == finish.run && ended.attempt == finish.attempt;
    });
    if (before != ended_.end()) return reply(before->state);
    reply(unknown_run(finish.run));
}

void Coordinator::cancel(const wire::Cancel& cancel, Reply reply) {
    const auto found = runs_.find(cancel.run);
    if (found != runs_.end()) return found->second->cancel("cancelled by request", std::move(reply));
    if (cancel.relayed) return reply(unknown_run(cancel.run));
    relay(cancel, std::move(reply));
}

// Asks every other board; the first that ended the run answers for all, the last refusal if none did.
void Coordinator::relay(const wire::Cancel& cancel, Reply reply) {
    struct Round {
        std::size_t missing = 0;
        bool answered = false;
    };
    auto boards = surroundings_.directory.boards();
    if (!boards.empty()) boards.erase(boards.begin());  // this one
    if (boards.empty()) return reply(unknown_run(cancel.run));
    auto round = std::make_shared<Round>();
    round->missing = boards.size();
    for (const auto& board : boards) {
        surroundings_.courier.ask(board.member.peer, wire::Cancel{cancel.run, true}, cancel_deadline,
                                  [round, reply, run = cancel.run](Result<wire::Body> answer) {
                                      --round->missing;
                                      if (round->answered) return;
                                      round->answered = answer.has_value() || round->missing == 0;
                                      if (answer) return reply(wire::Done{});
                                      if (round->missing == 0) reply(unknown_run(run));
                                  });
    }
}

void Coordinator::client_alive(const PeerId& client, const wire::ClientAlive& alive) {
    const auto found = runs_.find(alive.run);
    if (found != runs_.end() && found->second->attempt() == alive.attempt)
        found->second->client_alive(client);
}

wire::Body Coordinator::grant(const PeerId& board, const wire::Grant& grant) {
    const auto found = runs_.find(grant.run);
    return found == runs_.end() ? wire::Body(unknown_run(grant.run)) : found->second->grant(board, grant);
}

wire::Body Coordinator::wounded(const PeerId& board, const wire::Wounded& wounded) {
    const auto found = runs_.find(wounded.run);
    return found == runs_.end() ? wire::Body(unknown_run(wounded.run))
                                : found->second->wounded(board, wounded);
}

wire::Body Coordinator::job_lost(const PeerId& board, const wire::JobLost& lost) {
    const auto found = runs_.find(lost.job.run);
    return found == runs_.end() ? wire::Body(unknown_run(lost.job.run))
                                : found->second->job_lost(board, lost);
}

void Coordinator::board_lost(const PeerId& board, const std::string& why) {
    for (auto& [id, run] : runs_)
        run->board_lost(board, why);
}

void Coordinator::say_farewell(const std::string& why) {
    for (auto& [id, run] : runs_)
        run->say_farewell(why);
}

void Coordinator::clients_revoked(const std::vector<PublicKey>& keys) {
    for (auto& [id, run] : runs_)
        if (std::ranges::find(keys, surroundings_.key_of(run->client())) != keys.end())
            run->cancel("the key of its client was revoked", nullptr);
}

std::vector<wire::RunState> Coordinator::states() const {
    std::vector<wire::RunState> states;
    for (const auto& [id, run] : runs_)
        states.push_back(run->state());
    for (auto ended = ended_.rbegin(); ended != ended_.rend(); ++ended)
        if (surroundings_.loop.now() - ended->at <= ended_memory) states.push_back(ended->state);
    return states;
}

std::size_t Coordinator::active() const {
    return runs_.size();
}

}  // namespace fard
