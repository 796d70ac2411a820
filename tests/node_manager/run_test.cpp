#include "runtime/node_manager/run.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>

#include "runtime/node_manager/coordinator.hpp"
#include "runtime/peer/codec.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/fakes/sim_loop.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

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

}  // namespace

TEST_CASE("a run goes from admitted to done, and every step is asked once") {
    Bench bench{"a", "b"};
    const auto answer = bench.submit(bench.submission(3));
    REQUIRE(answer.is<wire::Admitted>());
    CHECK(answer.as<wire::Admitted>()->ticket == 1);
    CHECK(answer.as<wire::Admitted>()->members.size() == 2);
    bench.live(100ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->started);
    bench.results(0, 3);
    wire::Body final;
    bench.coordinator.finish({{"run"}, 0}, [&](wire::Body body) { final = std::move(body); });
    bench.live(100ms);
    REQUIRE(final.is<wire::RunState>());
    CHECK(final.as<wire::RunState>()->phase == "done");
    CHECK(final.as<wire::RunState>()->results == 3);
    CHECK(final.as<wire::RunState>()->jobs.size() == 2);
    for (const char* step : {"RESERVE", "COMMIT", "SPAWN", "WIRE", "DRAIN", "RELEASE"})
        for (const char* board : {"a ", "b "})
            CHECK_MESSAGE(bench.boards.count(std::string(board) + step) == 1, step);
    CHECK(bench.coordinator.active() == 0);
}

namespace {

// Position 1 of three in parts of 40 and 24 channels.
wire::Submit submission_in_parts(Bench& bench) {
    auto submit = bench.submission(3);
    auto& position = submit.app.positions[1];
    for (const std::int64_t channels : {40, 24}) {
        auto tensor = position.outputs[0];
        tensor.shape[1] = channels;
        position.parts.push_back({std::string(64, static_cast<char>('a' + position.parts.size())), {tensor}});
        bench.packages.insert(position.parts.back().overlay);
    }
    return submit;
}

}  // namespace

TEST_CASE("each part is a job with a package and outputs of its own, and its neighbours know") {
    Bench bench{"a", "b", "c"};
    for (auto& view : bench.boards.views)
        view.state.overlays = {std::string(64, 'a'), std::string(64, 'b')};
    const auto submit = submission_in_parts(bench);
    REQUIRE(bench.submit(submit).is<wire::Admitted>());
    bench.live(100ms);
    CHECK(bench.phase() == "running");
    const auto& jobs = bench.boards.jobs;
    REQUIRE(jobs.size() == 4);
    const auto& parts = submit.app.positions[1].parts;
    CHECK(jobs.at({0, 0}).to_each);
    CHECK(jobs.at({0, 0}).receivers == 2);
    CHECK(jobs.at({0, 0}).joins.empty());
    for (const std::uint32_t part : {0, 1}) {
        const auto& job = jobs.at({1, part});
        CHECK(job.spec.overlay == parts[part].overlay);
        CHECK(job.spec.outputs == parts[part].outputs);
        CHECK(job.senders == 1);
        CHECK(job.receivers == 1);
        CHECK(!job.to_each);
        CHECK(job.joins.empty());
        CHECK(bench.boards.wires.at({1, part}).receivers.size() == 1);
    }
    CHECK(jobs.at({2, 0}).joins == parts);
    CHECK(jobs.at({2, 0}).senders == 2);
    CHECK(!jobs.at({2, 0}).to_each);
    CHECK(bench.boards.wires.at({0, 0}).receivers.size() == 2);
    const auto states = bench.coordinator.states();
    for (const auto& place : states.front().places)
        CHECK(place.parts == (place.position == 1 ? 2u : 0u));
}

TEST_CASE("a lost part starts the next wiring, as any lost job does") {
    Bench bench{"a", "b"};
    for (auto& view : bench.boards.views)
        view.state.overlays = {std::string(64, 'a'), std::string(64, 'b')};
    bench.submit(submission_in_parts(bench));
    bench.live(100ms);
    auto loss = bench.loss(1, {0, 0});
    loss.job.replica = 1;
    bench.coordinator.job_lost({"b"}, loss);
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->epochs == std::vector<Epoch>{{0, 0}, {0, 1}});
}

TEST_CASE("parts that do not make up their position are refused") {
    Bench bench{"a", "b", "c"};
    const auto refused = [&](const std::function<void(wire::PositionSpec&)>& spoil) {
        auto submit = submission_in_parts(bench);
        spoil(submit.app.positions[1]);
        const auto answer = bench.submit(submit);
        const auto* no = answer.as<wire::Refused>();
        return no ? no->reason : std::string();
    };
    CHECK(refused([](auto& position) { position.replicas = 2; }).find("replicas and parts") != std::string::npos);
    CHECK(refused([](auto& position) { position.parts.pop_back(); }).find("has 1 parts; 2 to 8") != std::string::npos);
    CHECK(refused([](auto& position) { position.parts[1] = position.parts[0]; }).find("do not make up") != std::string::npos);
    CHECK(refused([](auto& position) { position.parts[0].outputs.clear(); }).find("makes 0 tensors") != std::string::npos);
}

TEST_CASE("a lost job starts the next wiring with new jobs everywhere") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(100ms);
    bench.coordinator.job_lost({"b"}, bench.loss(1, {0, 0}));
    bench.coordinator.job_lost({"a"}, bench.loss(0, {0, 0}));  // of the wiring that is over: no loss any more
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->epochs == std::vector<Epoch>{{0, 0}, {0, 1}});
    CHECK(bench.boards.count("a SPAWN") == 2);
}

TEST_CASE("a position lost three times without a new result in between ends the run, with its last words") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.chunks = 100;
    bench.submit(submission);
    for (std::uint32_t wiring = 0; wiring < 3; ++wiring) {
        bench.live(200ms);
        if (wiring == 1) bench.results(0, 1);  // progress: the count starts anew
        bench.coordinator.job_lost({"b"}, bench.loss(1, {0, wiring}));
    }
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    bench.coordinator.job_lost({"b"}, bench.loss(1, {0, 3}));
    bench.live(200ms);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason().find(
              "position 1 ('p1') was lost 3 times without a new result, last on board b: signal 9") == 0);
    CHECK(bench.reason().find("last words") != std::string::npos);
    CHECK(bench.boards.count("b RELEASE") == 1);
}

TEST_CASE("a job that throws ends the run at once") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(100ms);
    bench.coordinator.job_lost({"b"}, bench.loss(1, {0, 0}, true));
    bench.live(100ms);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason().find("position 1 ('p1') on board b: threw: bad chunk") == 0);
}

TEST_CASE("an overlay that a board's fabric refuses goes to another kind; what fits nowhere ends the run at once, with the numbers") {
    Bench bench{"a", "b", "c"};
    for (std::size_t i = 0; i < 3; ++i) {
        auto& device = bench.boards.views[i].state.devices[0];
        device.slots = bench.boards.views[i].state.slots_free[0] = 1;
        device.part = i < 2 ? "xc7z020clg484-1" : "xczu9eg-ffvb1156-2-e";
    }
    auto submission = bench.submission(1);
    const std::string large(64, 'a');
    submission.app.positions[0].overlay = large;
    bench.packages.insert(large);
    for (auto& view : bench.boards.views)
        view.state.overlays = {large};
    bench.submit(submission);
    bench.live(200ms);
    CHECK(bench.boards.count("a SPAWN") == 1);
    auto refused = bench.loss(0, {0, 0});
    refused.fault = static_cast<std::uint8_t>(Fault::refused);
    refused.cause = "it takes 12 dsp of 10 (2 too many)";
    bench.coordinator.job_lost({"a"}, refused);
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.boards.count("b SPAWN") == 0);  // which is like a
    CHECK(bench.boards.count("c SPAWN") == 1);
    refused.job.epoch = {0, 1};
    bench.coordinator.job_lost({"c"}, refused);
    bench.live(200ms);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason().find("no board of the cluster can take it: position 0 ('p0') on board a: it takes 12 dsp of 10 (2 too many)") == 0);
    CHECK(bench.reason().find("on board c") != std::string::npos);
    for (const char* board : {"a RELEASE", "c RELEASE"})
        CHECK(bench.boards.count(board) >= 1);
}

TEST_CASE("a lost board's jobs go elsewhere; with too few slots left the run waits for some, then says so") {
    Bench bench{"a", "b", "c"};
    bench.submit(bench.submission(3));
    bench.live(100ms);
    bench.boards.remove("b");
    bench.boards.silent.insert("b");
    bench.coordinator.board_lost({"b"}, "killed");
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.boards.count("b SPAWN") == 1);
    bench.boards.remove("c");
    bench.boards.silent.insert("c");
    bench.coordinator.board_lost({"c"}, "killed");
    bench.live(5s);
    CHECK(bench.phase() == "admitted");
    CHECK(bench.reason().find("slots: board c was lost (killed): app 'app' needs 3 device slots at once") == 0);
    bench.live(6s);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason().find("needs 3 device slots at once, the cluster has 2") != std::string::npos);
}

TEST_CASE("a run goes on when a board is back within some seconds") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(3));
    bench.live(100ms);
    bench.boards.remove("b");
    bench.coordinator.board_lost({"b"}, "its cable was out");
    bench.live(4s);
    CHECK(bench.phase() == "admitted");
    bench.boards.add("b");
    bench.live(300ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->epochs == std::vector<Epoch>{{0, 0}, {0, 1}});
}

TEST_CASE("more positions than slots are refused at the door") {
    Bench bench{"a"};
    const auto answer = bench.submit(bench.submission(3));
    REQUIRE(answer.is<wire::Refused>());
    CHECK(answer.as<wire::Refused>()->reason.find("needs 3 device slots at once, the cluster has 2") !=
          std::string::npos);
}

TEST_CASE("a client that is silent for 10 s ends its run") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(1s);
    bench.loop.run_for(9s);
    CHECK(bench.phase() == "running");
    bench.loop.run_for(2s);
    CHECK(bench.phase() == "cancelled");
    CHECK(bench.boards.count("a RELEASE") == 1);
}

TEST_CASE("packages that no board has are asked of the client, and nothing is reserved until they are there") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.app.positions[1].overlay = "hash";
    wire::GatheredPackage row{"hash", false, 0, 0, 0, ""};
    for (const auto* board : {"a GATHER", "b GATHER"})
        bench.boards.instead[board] = wire::Gathered{{row}};
    const auto answer = bench.submit(submission);
    CHECK(answer.as<wire::Admitted>()->missing == std::vector<std::string>{"hash"});
    bench.live(300ms);
    CHECK(bench.phase() == "admitted");
    CHECK(bench.coordinator.states()[0].missing == std::vector<std::string>{"hash"});
    CHECK(bench.coordinator.states()[0].reason == "0.0 of 0.0 MB of the packages are on their boards, 1 packages have not begun");
    CHECK(bench.boards.count("a RESERVE") == 0);
    bench.packages.insert("hash");
    row.ready = true;
    for (const auto* board : {"a GATHER", "b GATHER"})
        bench.boards.instead[board] = wire::Gathered{{row}};
    bench.live(100ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.coordinator.states()[0].missing.empty());
}

TEST_CASE("packages of which nothing comes for a minute end the run") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.app.positions[1].overlay = "hash";
    wire::GatheredPackage row{"hash", false, 0, 0, static_cast<std::uint8_t>(Fault::not_found), "nobody has it"};
    for (const auto* board : {"a GATHER", "b GATHER"})
        bench.boards.instead[board] = wire::Gathered{{row}};
    bench.submit(submission);
    bench.live(59s);
    CHECK(bench.phase() == "admitted");
    bench.live(3s);
    CHECK(bench.phase() == "failed");
    CHECK(bench.coordinator.states()[0].reason.find("has not offered them all") != std::string::npos);
}

TEST_CASE("a board that finds a package damaged again and again is left for another, and named when there is none") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(1);
    submission.app.positions[0].overlay = "hash";
    bench.packages.insert("hash");
    bench.boards.views[0].state.slots_free = {0};
    std::uint64_t held = 0;
    wire::GatheredPackage damaged{"hash", false, 0, 100, static_cast<std::uint8_t>(Fault::corrupt), "not the manifest's SHA-256"};
    bench.boards.instead["b GATHER"] = wire::Gathered{{damaged}};
    SUBCASE("another has it") {
        bench.submit(submission);
        bench.live(3s);
        CHECK(bench.boards.count("b GATHER") == 3);
        CHECK(bench.phase() == "running");
    }
    SUBCASE("none has, and bytes come all the time") {
        bench.boards.instead["a GATHER"] = bench.boards.instead["b GATHER"];
        bench.packages.clear();
        bench.submit(submission);
        for (int i = 0; i < 200 && bench.phase() != "failed"; ++i) {
            damaged.held = ++held % 100;
            for (const char* board : {"a GATHER", "b GATHER"})
                bench.boards.instead[board] = wire::Gathered{{damaged}};
            bench.live(100ms);
        }
        CHECK(bench.phase() == "failed");
        CHECK(bench.reason().find("not the manifest's SHA-256") != std::string::npos);
    }
}

TEST_CASE("a board whose disk is full is left for another, and named when there is none") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(1);
    submission.app.positions[0].overlay = "hash";
    bench.packages.insert("hash");
    bench.boards.views[0].state.slots_free = {0};
    const wire::GatheredPackage full{"hash", false, 0, 0, static_cast<std::uint8_t>(Fault::io), "No space left on device"};
    bench.boards.instead["b GATHER"] = wire::Gathered{{full}};
    bench.submit(submission);
    bench.live(300ms);
    CHECK(bench.boards.count("b GATHER") >= 1);
    CHECK(bench.phase() == "running");  // on a, which has it
}

TEST_CASE("cancel answers when the boards are free") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(100ms);
    wire::Body answer = wire::Refused{};
    bench.coordinator.cancel({{"run"}, false}, [&](wire::Body body) { answer = std::move(body); });
    CHECK(answer.is<wire::Refused>());
    bench.live(100ms);
    CHECK(answer.is<wire::Done>());
    CHECK(bench.phase() == "cancelled");
    bench.coordinator.cancel({{"other"}, true}, [&](wire::Body body) { answer = std::move(body); });
    CHECK(answer.as<wire::Refused>()->fault == static_cast<std::uint8_t>(Fault::not_found));
}

TEST_CASE("the same attempt again is the same submission, a higher one replaces it, a lower one is refused") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2, 1));
    bench.live(100ms, 1);
    CHECK(bench.submit(bench.submission(2, 1)).is<wire::Admitted>());
    CHECK(bench.boards.count("a SPAWN") == 1);
    CHECK(bench.submit(bench.submission(2, 0)).is<wire::Refused>());
    CHECK(bench.submit(bench.submission(2, 2)).is<wire::Admitted>());
    bench.live(100ms, 2);
    CHECK(bench.boards.count("a SPAWN") == 2);
    CHECK(bench.ends->epochs == std::vector<Epoch>{{2, 0}});
}

TEST_CASE("a board that cannot start the jobs is passed over, whatever keeps it from it") {
    for (const auto fault : {Fault::not_found, Fault::io, Fault::corrupt, Fault::timed_out}) {
        CAPTURE(static_cast<int>(fault));
        Bench bench{"a", "b"};
        bench.boards.instead["b SPAWN"] =
            wire::Refused{static_cast<std::uint8_t>(fault), "no job program 'x', or no descriptors"};
        bench.submit(bench.submission(2));
        bench.live(200ms);
        CHECK(bench.phase() == "running");
        CHECK(bench.boards.count("b SPAWN") == 1);
    }
    Bench bench{"a", "b"};
    bench.boards.instead["b SPAWN"] = wire::Refused{static_cast<std::uint8_t>(Fault::unsupported), "no such kernels"};
    bench.submit(bench.submission(2));
    bench.live(200ms);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason() == "starting jobs on board b: no such kernels");
}

TEST_CASE("a program that no board has is refused at the door") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.app.positions[1].program = "elsewhere";
    const auto answer = bench.submit(submission);
    const auto* refused = answer.as<wire::Refused>();
    REQUIRE(refused != nullptr);
    CHECK(refused->fault == static_cast<std::uint8_t>(Fault::not_found));
    CHECK(refused->reason.find("'elsewhere', which none of the 2 board(s) has") != std::string::npos);
}

TEST_CASE("a link that a job lost starts the next wiring, and is nobody's loss") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.chunks = 100;
    bench.submit(submission);
    auto lost = bench.loss(1, {0, 0});
    lost.fault = static_cast<std::uint8_t>(Fault::unreachable);
    for (std::uint32_t wiring = 0; wiring < 12; ++wiring) {
        bench.live(1s);
        CHECK(bench.phase() == "running");
        lost.job.epoch = {0, wiring};
        bench.coordinator.job_lost({"b"}, lost);
    }
    bench.live(1s);
    CHECK(bench.phase() == "running");
    lost.job.epoch = {0, 12};
    bench.coordinator.job_lost({"b"}, lost);
    bench.live(1s);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason().find("was wired 12 times without a new result") != std::string::npos);
}

TEST_CASE("a lost link of the coordinator's own is the same; a lost link to the client is this attempt's end") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(100ms);
    bench.ends->events.link_lost({Fault::unreachable, "the connection broke"});
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->epochs == std::vector<Epoch>{{0, 0}, {0, 1}});
    bench.ends->events.client_lost({Fault::unreachable, "the connection broke"});
    bench.live(600ms);
    CHECK(bench.phase() == "lost");
}

TEST_CASE("boards between which no chunk comes through are no neighbours in the next wiring") {
    Bench bench{"a", "b", "c"};
    for (auto& view : bench.boards.views)
        view.state.devices[0].slots = 1;
    auto submission = bench.submission(2);
    submission.chunks = 100;
    bench.boards.instead["a RENEW"] = wire::Reserved{true, 0, {{0, 0, 2, 0, 5, false}}};
    bench.boards.instead["b RENEW"] = wire::Reserved{true, 0, {{1, 0, 2, 0, 3, false}}};
    bench.submit(submission);
    bench.live(200ms);
    bench.ends->ends = {.fed = 7, .taken = 3, .unopened_sinks = {}, .client_open = true};
    bench.live(5s);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->epochs.size() == 1);
    bench.live(4s);
    CHECK(bench.ends->epochs.size() == 2);
    CHECK(bench.boards.count("c SPAWN") == 1);
    CHECK(bench.boards.count("b SPAWN") == 1);
}

TEST_CASE("a loss after the last result costs nothing") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(100ms);
    bench.results(0, 3);
    bench.coordinator.job_lost({"b"}, bench.loss(1, {0, 0}));
    CHECK(bench.phase() == "running");
    wire::Body final;
    bench.coordinator.finish({{"run"}, 0}, [&](wire::Body body) { final = std::move(body); });
    bench.live(100ms);
    CHECK(final.as<wire::RunState>()->phase == "done");
    CHECK(bench.boards.count("a SPAWN") == 1);
}

TEST_CASE("a run that waits for its places has no ends yet, and tells of them when it has") {
    Bench bench{"a", "b"};
    bench.boards.instead["b RESERVE"] = wire::Reserved{false, 1, {}};
    bench.submit(bench.submission(2));
    bench.live(1s);
    CHECK(bench.phase() == "admitted");
    for (const auto& state : bench.told)
        CHECK(state.ends.empty());
    bench.coordinator.grant({"b"}, {{"run"}, {0, 0}, 2});
    bench.live(100ms);
    CHECK(bench.phase() == "running");
    CHECK(std::ranges::any_of(bench.told, [](const wire::RunState& state) {
        return state.phase == "wired" && state.ends.size() == 2;
    }));
}

TEST_CASE("runs share the memory of their coordinator; one that wants more than all of it is refused") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.app.window_bytes = 900u << 20;
    submission.app.link_bytes = 1u << 20;
    CHECK(bench.submit(submission).as<wire::Admitted>() != nullptr);
    auto second = submission;
    second.run = {"second"};
    bench.submit(second);
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.boards.count("a SPAWN") == 1);
    CHECK(bench.coordinator.states().at(1).reason.find("memory: ") == 0);
    bench.coordinator.cancel({{"run"}, false}, [](const wire::Body&) {});
    bench.live(300ms);
    CHECK(bench.boards.count("a SPAWN") == 2);
    auto third = submission;
    third.run = {"third"};
    third.app.window_bytes = 2000u << 20;
    const auto answer = bench.submit(third);
    const auto* refused = answer.as<wire::Refused>();
    REQUIRE(refused != nullptr);
    CHECK(refused->reason.find("run_memory") != std::string::npos);
}

namespace {

// FPGAs of one slot each, and an app of overlays for them.
struct Fabrics : Bench {
    explicit Fabrics(std::initializer_list<const char*> names) : Bench(names) {
        for (auto& view : boards.views)
            fit_out(view);
    }
    static void fit_out(BoardView& view) {
        view.state.devices = {{"fabric0", "emulated", 1, true, ""}};
        view.state.devices[0].loaded.resize(1);
        view.state.slots_free = {1};
        view.state.overlays = {"o0", "o1", "o2", "o3", "o4", "o5"};
    }
    wire::Submit overlays(std::size_t positions, std::uint64_t batch = 0) {
        auto submit = submission(positions);
        submit.chunks = 100;
        submit.app.batch = batch;
        submit.app.window_bytes = 64 * 40;  // 40 chunks
        for (std::size_t p = 0; p < positions; ++p) {
            submit.app.positions[p].overlay = "o" + std::to_string(p);
            packages.insert("o" + std::to_string(p));
        }
        return submit;
    }
    wire::RunState state() const { return coordinator.states().front(); }
};

}  // namespace

TEST_CASE("more positions than FPGAs take turns: each slot is reserved once, its order and batch go out with SPAWN") {
    Fabrics bench{"a", "b", "c"};
    bench.submit(bench.overlays(6, 8));
    bench.live(100ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.state().shared == 3);
    CHECK(bench.state().batch == 8);
    const auto& spawn = bench.boards.spawns.at("a");
    CHECK(spawn.turns == std::vector<wire::SlotTurns>{{{0, 1}}});
    CHECK(spawn.batch == 8);
    CHECK(spawn.chunks == 100);
    REQUIRE(spawn.jobs.size() == 2);
    for (const auto& [key, job] : bench.boards.jobs) {
        CHECK(job.turns);
        CHECK(job.room == 16);
        CHECK(job.reserves == (job.position < 5 ? 8u : 0u));
    }
    bench.results(0, 30);
    bench.coordinator.job_lost({"b"}, bench.loss(1, {0, 0}));
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.boards.spawns.at("a").chunks == 70);
}

TEST_CASE("a batch is no more than the window holds; none asked for is the input, or half the window") {
    Fabrics bench{"a"};
    bench.submit(bench.overlays(2, 64));
    bench.live(100ms);
    CHECK(bench.state().batch == 40);
    Fabrics other{"a"};
    other.submit(other.overlays(2));
    other.live(100ms);
    CHECK(other.state().batch == 20);
    Fabrics few{"a"};
    auto submit = few.overlays(2);
    submit.chunks = 9;
    few.submit(submit);
    few.live(100ms);
    CHECK(few.state().batch == 9);
}

TEST_CASE("with a slot for each nobody takes turns, whatever is asked for") {
    Fabrics bench{"a", "b"};
    bench.submit(bench.overlays(2, 8));
    bench.live(100ms);
    CHECK(bench.state().shared == 0);
    CHECK(bench.state().batch == 0);
    CHECK(bench.boards.spawns.at("a").turns.empty());
    CHECK_FALSE(bench.boards.jobs.at({0, 0}).turns);
    CHECK(bench.boards.jobs.at({1, 0}).room == 0);
}

TEST_CASE("a run that loses a board waits for another, and then takes turns; one that was asked to, at once") {
    for (const std::uint64_t batch : {0, 8}) {
        CAPTURE(batch);
        Fabrics bench{"a", "b", "c"};
        bench.submit(bench.overlays(3, batch));
        bench.live(100ms);
        REQUIRE(bench.phase() == "running");
        bench.boards.remove("c");
        bench.coordinator.board_lost({"c"}, "gone");
        bench.live(1s);
        CHECK(bench.phase() == (batch ? "running" : "admitted"));
        bench.live(10s);
        CHECK(bench.phase() == "running");
        CHECK(bench.state().shared == 1);
    }
}

TEST_CASE("a run follows the schedule that it carries as long as its boards are there, and says when it does not") {
    Fabrics bench{"a", "b", "c"};
    auto submit = bench.overlays(3, 4);
    submit.app.schedule = "fard-schedule 1\nbatch 4\nwindow 40\nboard c\nboard b\nposition room 12 staged next at 0.0\n"
                          "position room 4 staged next at 1.0\nposition room 8 staged next at 0.0\nturns 0.0 2 0\n";
    bench.submit(submit);
    bench.live(100ms);
    REQUIRE(bench.phase() == "running");
    CHECK(bench.state().shared == 1);
    CHECK(bench.boards.spawns.at("c").turns == std::vector<wire::SlotTurns>{{{1, 0}}});
    CHECK(bench.boards.jobs.at({0, 0}).room == 12);
    CHECK(bench.boards.jobs.at({2, 0}).room == 8);
    CHECK(bench.boards.jobs.at({1, 0}).room == 0);
    CHECK(bench.boards.count("a SPAWN") == 0);
    bench.boards.remove("b");
    bench.coordinator.board_lost({"b"}, "gone");
    bench.live(1s);
    CHECK(bench.phase() == "running");  // in turns on a and c
    CHECK(bench.boards.count("a SPAWN") == 1);
    CHECK(bench.boards.spawns.at("a").batch == 4);
}

TEST_CASE("a schedule for another app is refused") {
    Fabrics bench{"a"};
    auto submit = bench.overlays(2, 4);
    submit.app.schedule = "fard-schedule 1\nbatch 4\nwindow 40\nboard a\nposition room 4 staged next at 0.0\n";
    CHECK(bench.submit(submit).as<wire::Refused>()->reason.find("the schedule is for 1 positions, app 'app' has 2") == 0);
    submit.app.schedule = "anything";
    CHECK(bench.submit(submit).as<wire::Refused>()->reason.find("schedule, line 1") == 0);
}
