// A coordinator and the boards, ends and client of its runs, all of them fakes on a loop in virtual time.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "runtime/node_manager/coordinator.hpp"
#include "runtime/node_manager/run.hpp"
#include "runtime/peer/codec.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/fakes/sim_loop.hpp"

namespace fard::testing {

using namespace std::chrono_literals;

// Boards that do what they are asked, unless told otherwise.
class FakeBoards final : public Courier, public Directory {
  public:
    explicit FakeBoards(Loop& loop) : loop_(loop) {}

    void ask(const PeerId& to, wire::Body body, Duration deadline, Answer answer) override {
        const std::string name = wire::name_of(body);
        asked.push_back(to.hex + " " + name);
        if (silent.contains(to.hex)) {
            loop_.call_after(deadline,
                             [answer, to] { answer(fail(Fault::timed_out, "{} did not answer", to.hex)); });
            return;
        }
        auto reply = respond(to, body);
        loop_.call_after(1ms, [answer, reply] {
            if (const auto* no = reply.as<wire::Refused>()) return answer(fail(to_error(*no)));
            answer(reply);
        });
    }

    std::vector<BoardView> boards() const override { return views; }

    void add(const std::string& name, std::uint32_t slots = 2) {
        BoardView view;
        view.member.peer = {name};
        view.member.name = name;
        view.member.front_door = at(name);
        view.state.devices = {{"cpu0", "soft", slots, true, ""}};
        view.state.slots_free = {slots};
        view.state.programs = {"copy"};
        views.push_back(view);
    }

    void remove(const std::string& name) {
        std::erase_if(views, [&](const BoardView& view) { return view.member.name == name; });
    }

    std::size_t count(const std::string& what) const {
        return static_cast<std::size_t>(std::ranges::count(asked, what));
    }

    std::vector<BoardView> views;
    std::vector<std::string> asked;
    std::set<std::string> silent;
    std::map<std::string, wire::Body> instead;  // "board MESSAGE" -> answer
    std::map<std::pair<std::uint32_t, std::uint32_t>, wire::JobSpec> jobs;    // by position and replica, as last spawned
    std::map<std::pair<std::uint32_t, std::uint32_t>, wire::JobWire> wires;  // as last wired
    std::map<std::string, wire::Spawn> spawns;  // by board, the last ones

  private:
    wire::Body respond(const PeerId& to, const wire::Body& body) {
        if (const auto found = instead.find(to.hex + " " + wire::name_of(body)); found != instead.end())
            return found->second;
        if (body.is<wire::Reserve>()) return wire::Reserved{true};
        if (const auto* spawn = body.as<wire::Spawn>()) {
            wire::Spawned spawned;
            spawns[to.hex] = *spawn;
            for (const auto& job : spawn->jobs)
                jobs[{job.position, job.replica}] = job;
            for (const auto& job : spawn->jobs)
                spawned.jobs.push_back({{spawn->run, spawn->epoch, job.position, job.replica},
                                        std::vector<wire::LinkEndpoint>(job.senders, {at("data"), at("credit"), {}})});
            return spawned;
        }
        if (const auto* wiring = body.as<wire::Wire>())
            for (const auto& job : wiring->jobs)
                wires[{job.job.position, job.job.replica}] = job;
        if (body.is<wire::Drain>())
            return wire::Drained{{wire::JobReport{0, 0, "p0", to.hex, "cpu0", "", {}}}};
        return wire::Done{};
    }
    Loop& loop_;
};

// The ends without links: the test admits chunks and hands results in.
struct FakeEnds final : RunEnds {
    FakeEnds(Loop& loop, Events events_in, ChunkLedger& ledger_in)
        : loop_(loop), events(std::move(events_in)), ledger(ledger_in) {}
    ~FakeEnds() override { *alive = false; }
    std::vector<wire::LinkEndpoint> client_ends() const override {
        if (epochs.empty()) return {};
        return {endpoint, endpoint};
    }
    Result<std::vector<wire::LinkEndpoint>> bind_sinks(Epoch epoch, const std::vector<PublicKey>&) override {
        epochs.push_back(epoch);
        return std::vector<wire::LinkEndpoint>(64);
    }
    Result<> connect_feeders(Epoch, const std::vector<wire::LinkEndpoint>&, const std::optional<Spread>&) override {
        loop_.post([this, living = alive] {
            if (*living) events.opened();
        });
        return {};
    }
    void start() override { started = true; }
    void unwire() override { started = false; }
    RunWatch::Ends standing() const override { return ends; }

    Loop& loop_;
    Events events;
    ChunkLedger& ledger;
    wire::LinkEndpoint endpoint{at("in"), at("in"), {}};
    std::vector<Epoch> epochs;
    bool started = false;
    RunWatch::Ends ends;
    std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

struct Bench {
    SimLoop loop;
    FakeBoards boards{loop};
    FakeEnds* ends = nullptr;
    std::set<std::string> packages;
    std::vector<wire::RunState> told;
    std::uint64_t last_ticket = 0;
    Coordinator coordinator{
        {.loop = loop,
         .courier = boards,
         .directory = boards,
         .has_package = [this](const std::string& id) { return packages.contains(id); },
         .tell_client = [this](const PeerId&,
                               const wire::Body& body) { told.push_back(*body.as<wire::RunState>()); },
         .next_ticket = [this] { return ++last_ticket; },
         .key_of = [](const PeerId&) { return PublicKey(); },
         .make_ends =
             [this](const RunEndsTerms&, ChunkLedger& ledger, RunEnds::Events events) {
                 auto made = std::make_unique<FakeEnds>(loop, std::move(events), ledger);
                 ends = made.get();
                 return Result<std::unique_ptr<RunEnds>>(std::move(made));
             }}};

    explicit Bench(std::initializer_list<const char*> names) {
        for (const char* name : names)
            boards.add(name);
    }

    wire::Submit submission(std::size_t positions, std::uint32_t attempt = 0) {
        wire::Submit submit;
        submit.run = {"run"};
        submit.attempt = attempt;
        submit.app.name = "app";
        submit.chunks = 3;
        TensorDesc tensor{"x", {1, 64}, "NC", DataType::uint(8), "UINT8"};
        for (std::size_t p = 0; p < positions; ++p) {
            wire::PositionSpec spec;
            spec.name = "p" + std::to_string(p);
            spec.program = "copy";
            spec.inputs = spec.outputs = {tensor};
            submit.app.positions.push_back(spec);
        }
        return submit;
    }

    wire::Body submit(const wire::Submit& submit) {
        wire::Body got;
        coordinator.submit({"client"}, submit, [&](wire::Body body) { got = std::move(body); });
        return got;
    }

    // The client stays in touch for this long.
    void live(Duration duration, std::uint32_t attempt = 0) {
        for (Duration passed{}; passed < duration; passed += 100ms) {
            coordinator.client_alive({"client"}, {{"run"}, attempt});
            loop.run_for(100ms);
        }
    }

    void results(std::uint64_t from, std::uint64_t to) {
        for (auto index = from; index < to; ++index) {
            Chunk in, out;
            in.index = out.index = index;
            in.tensors.emplace_back("in");
            out.tensors.emplace_back("out");
            ends->ledger.admit(std::move(in));
            ends->ledger.sent(index);
            ends->ledger.result(std::move(out));
        }
    }

    wire::JobLost loss(std::uint32_t position, Epoch epoch, bool fatal = false) {
        return {{{"run"}, epoch, position, 0},
                "b",
                fatal,
                0,
                fatal ? "threw: bad chunk" : "signal 9 (SIGKILL)",
                "last words"};
    }

    std::string phase() const {
        return coordinator.states().empty() ? "none" : coordinator.states().front().phase;
    }
    std::string reason() const { return coordinator.states().front().reason; }
};

}  // namespace fard::testing
