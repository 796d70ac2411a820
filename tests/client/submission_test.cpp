#include "client/submission.hpp"

#include <doctest/doctest.h>

#include "tests/client/fake_nodes.hpp"

using namespace fard;
using namespace fard::test;

namespace {

// A submission of `count` one-byte chunks to three node managers a, b, c, and what came of it.
struct Scene {
    explicit Scene(std::uint64_t count, std::vector<std::string> doors = {"a"}) {
        for (const auto& door : doors)
            terms.doors.push_back(address_at(door));
        terms.app.name = "echo";
        terms.app.positions.resize(1);
        chunks = count;
    }
    ~Scene() {
        submission.reset();
        loop.run_for(0ms);
        CHECK(nodes.open_doors == 0);
        CHECK(nodes.open_links == 0);
    }
    void start() {
        std::vector<std::vector<Frame>> data(chunks);
        for (auto& tensors : data)
            tensors.emplace_back(std::string_view("x"));
        submission = std::make_unique<Submission>(
            loop, nodes, terms, SubmissionChunks(std::move(data)),
            Submission::Events{
                .result = [this](Chunk chunk) { results.push_back(chunk.index); },
                .progress = [this](const Progress& progress) { phases.push_back(progress.phase); },
                .ended =
                    [this](Result<RunSummary> outcome) {
                        REQUIRE(!ended);
                        ended = std::move(outcome);
                        ended_at = loop.now();
                    }});
    }
    void run(Duration duration = 60s) {
        start();
        loop.run_for(duration);
    }
    bool every_result_once_in_order() const {
        if (results.size() != chunks) return false;
        for (std::uint64_t index = 0; index < chunks; ++index)
            if (results[index] != index) return false;
        return true;
    }
    const RunSummary& summary() const {
        REQUIRE(ended);
        REQUIRE_MESSAGE(ended->has_value(), ended->error().message);
        return **ended;
    }
    const Error& error() const {
        REQUIRE(ended);
        REQUIRE(!ended->has_value());
        return ended->error();
    }

    VirtualLoop loop;
    TimePoint began = loop.now();
    FakeNodes nodes{loop, {"a", "b", "c"}};
    SubmissionTerms terms;
    std::uint64_t chunks = 0;
    std::unique_ptr<Submission> submission;
    std::vector<std::uint64_t> results;
    std::vector<std::string> phases;
    std::optional<Result<RunSummary>> ended;
    TimePoint ended_at{};
};

}  // namespace

TEST_CASE("a run without trouble: every result once, in order, and a summary") {
    Scene scene(20);
    scene.run();
    CHECK(scene.every_result_once_in_order());
    const auto& summary = scene.summary();
    CHECK(summary.app == "echo");
    CHECK(summary.chunks_in == 20);
    CHECK(summary.chunks_out == 20);
    CHECK(summary.replays == 0);
    CHECK(summary.attempts == 1);
    CHECK(summary.stages.size() == 1);
    CHECK(summary.note.empty());
    CHECK(summary.steady_per_s == doctest::Approx(100).epsilon(0.01));
    CHECK(summary.latency_ms.p50 == doctest::Approx(40).epsilon(0.01));  // four in flight, 10 ms each
    CHECK(scene.nodes["a"].submits.size() == 1);
    CHECK(scene.nodes["b"].submits.empty());
    CHECK(scene.nodes["a"].submits[0].chunks == 20);
    CHECK(scene.nodes["a"].submits[0].ticket == 0);
}

TEST_CASE("a run without chunks is submitted and finished all the same") {
    Scene scene(0);
    scene.run();
    CHECK(scene.summary().chunks_out == 0);
}

TEST_CASE(
    "a killed coordinator: the next member gets the same run with only the chunks that have no result") {
    Scene scene(20);
    scene.nodes["a"].stops_after = 7;
    scene.nodes["a"].breaks = true;
    scene.run();
    CHECK(scene.every_result_once_in_order());
    const auto& first = scene.nodes["a"].submits.at(0);
    const auto& second = scene.nodes["b"].submits.at(0);
    CHECK(second.run == first.run);
    CHECK(second.attempt == 1);
    CHECK(second.ticket == scene.nodes.ticket);
    CHECK(second.chunks == 13);
    CHECK(scene.nodes["b"].chunks.front() == 7);
    CHECK(scene.nodes["b"].chunks.size() == 13);
    CHECK(scene.summary().replays == 4);  // the window that a held
    CHECK(scene.summary().attempts == 2);
    CHECK(scene.nodes["c"].submits.empty());
}

TEST_CASE("a connection that breaks and comes back is no loss") {
    Scene scene(50);
    scene.start();
    scene.loop.run_for(100ms);
    scene.nodes.break_connection("a");
    scene.loop.run_for(60s);
    CHECK(scene.every_result_once_in_order());
    CHECK(scene.summary().attempts == 1);
}

TEST_CASE("a stopped coordinator is left 1.5 s after its last sign, and does no harm when it wakes up") {
    Scene scene(300);
    scene.nodes["a"].stops_after = 7;
    scene.start();
    scene.loop.run_for(1500ms);  // since its last sign, which came later than the start
    CHECK(scene.nodes["b"].submits.empty());
    scene.loop.run_for(100ms);
    REQUIRE(scene.nodes["b"].submits.size() == 1);
    scene.nodes["a"].answers = true;
    scene.nodes.visits.at("a")->message(scene.nodes.state("a", "failed"));  // of attempt 0: over
    auto stale = scene.nodes.state("a", "failed");
    scene.nodes.tell("b", stale);
    scene.loop.run_for(60s);
    CHECK(scene.every_result_once_in_order());
    CHECK(scene.summary().attempts == 2);
}

TEST_CASE("a coordinator that says its attempt is lost is left at once") {
    Scene scene(50);
    scene.start();
    scene.loop.run_for(105ms);
    scene.nodes.tell("a", scene.nodes.state("a", "lost"));
    scene.loop.run_for(10ms);
    CHECK(scene.nodes["b"].submits.size() == 1);
    scene.loop.run_for(60s);
    CHECK(scene.every_result_once_in_order());
}

TEST_CASE("every coordinator in turn is killed: the run goes round and ends where one stays") {
    Scene scene(30);
    for (const auto* door : {"a", "b"}) {
        scene.nodes[door].stops_after = 5;
        scene.nodes[door].breaks = true;
    }
    scene.run();
    CHECK(scene.every_result_once_in_order());
    CHECK(scene.nodes["c"].submits.at(0).attempt >= 2);
    CHECK(scene.nodes["c"].submits.at(0).chunks == 20);
}

TEST_CASE("nobody answers: unreachable after ten seconds, naming everybody who was tried") {
    Scene scene(5, {"a", "b"});
    for (const auto* door : {"a", "b"})
        scene.nodes[door].answers = false;
    scene.run();
    CHECK(scene.error().fault == Fault::unreachable);
    CHECK(scene.error().message.find("a: no answer") != std::string::npos);
    CHECK(scene.error().message.find("b: no answer") != std::string::npos);
    CHECK(scene.ended_at - scene.began > 9s);
    CHECK(scene.ended_at - scene.began < 13s);
}

TEST_CASE("a refusal of the first submission is the cluster's answer") {
    Scene scene(5);
    scene.nodes["a"].refusal = Error{Fault::refused, "needs 6 slots, there are 3"};
    scene.run();
    CHECK(scene.error().fault == Fault::refused);
    CHECK(scene.error().message == "needs 6 slots, there are 3");
    CHECK(scene.nodes["b"].submits.empty());
}

TEST_CASE("a board that was cut off refuses a later attempt: the next one is asked") {
    Scene scene(20);
    scene.nodes["a"].stops_after = 7;
    scene.nodes["a"].breaks = true;
    scene.nodes["b"].refusal = Error{Fault::refused, "needs 6 slots, there is 1"};
    scene.run();
    CHECK(scene.every_result_once_in_order());
    CHECK(scene.nodes["c"].submits.size() == 1);
}

TEST_CASE("when all that are left refuse, the run ends with their reason") {
    Scene scene(20);
    scene.nodes["a"].stops_after = 7;
    scene.nodes["a"].breaks = true;
    for (const auto* door : {"b", "c"})
        scene.nodes[door].refusal = Error{Fault::refused, "needs 6 slots, there is 1"};
    scene.run();
    CHECK(scene.error().fault == Fault::refused);
}

TEST_CASE("missing packages are offered whole, piece by piece, to each coordinator that lacks them") {
    Scene scene(20);
    std::string large(5 * wire::mib / 2, 'p');
    for (std::size_t i = 0; i < large.size(); ++i)
        large[i] = static_cast<char>(i * 31 >> 3);
    scene.terms.archives["p1"] = std::make_shared<const std::string>(large);
    scene.terms.archives["p2"] = std::make_shared<const std::string>("small");
    scene.nodes["a"].missing = {"p1", "p2"};
    scene.nodes["a"].stops_after = 3;
    scene.nodes["a"].breaks = true;
    scene.nodes["b"].missing = {"p2"};
    scene.run();
    CHECK(scene.every_result_once_in_order());
    CHECK(scene.nodes["a"].offered["p1"] == large);
    CHECK(scene.nodes["a"].offered["p2"] == "small");
    CHECK(scene.nodes["b"].offered.size() == 1);
}

TEST_CASE("a node manager that cannot take the packages is left for another; the run ends with its reason if none can") {
    Scene scene(20);
    scene.terms.archives["p1"] = std::make_shared<const std::string>(std::string(300'000, 'x'));
    for (const auto* door : {"a", "b", "c"})
        scene.nodes[door].missing = {"p1"};
    scene.nodes["a"].offer_refusal = Error{Fault::io, "cannot write /x: No space left on device"};
    SUBCASE("another can") {
        scene.run();
        CHECK(scene.every_result_once_in_order());
        CHECK(scene.nodes["b"].submits.size() == 1);
    }
    SUBCASE("none can") {
        for (const auto* door : {"b", "c"})
            scene.nodes[door].offer_refusal = scene.nodes["a"].offer_refusal;
        scene.run();
        CHECK(scene.error().fault == Fault::io);
        CHECK(scene.error().message.find("No space left on device") != std::string::npos);
        CHECK(scene.nodes["a"].submits.size() + scene.nodes["b"].submits.size() + scene.nodes["c"].submits.size() < 8);
    }
}

TEST_CASE("packages that one node manager finds damaged are offered to another; what two of them say is so") {
    Scene scene(20);
    scene.terms.archives["p1"] = std::make_shared<const std::string>(std::string(300'000, 'x'));
    for (const auto* door : {"a", "b", "c"})
        scene.nodes[door].missing = {"p1"};
    scene.nodes["a"].offer_refusal = Error{Fault::corrupt, "stage.onnx does not have the manifest's SHA-256"};
    SUBCASE("one") {
        scene.run();
        CHECK(scene.every_result_once_in_order());
    }
    SUBCASE("two") {
        scene.nodes["b"].offer_refusal = scene.nodes["a"].offer_refusal;
        scene.run();
        CHECK(scene.error().fault == Fault::corrupt);
        CHECK(scene.nodes["c"].submits.empty());
    }
}

TEST_CASE("chunks go as soon as the run is running, whatever the coordinator still does with the packages") {
    Scene scene(20);
    scene.terms.archives["p1"] = std::make_shared<const std::string>(std::string(300'000, 'x'));
    scene.nodes["a"].missing = {"p1"};
    scene.nodes["a"].verifies = false;
    scene.start();
    scene.loop.run_for(400ms);
    CHECK(scene.nodes["a"].offered["p1"].size() == 300'000);
    CHECK(scene.nodes["a"].chunks.empty());
    scene.loop.run_for(5s);
    CHECK(scene.every_result_once_in_order());
    CHECK(scene.nodes["a"].submits.size() == 1);
}

TEST_CASE("a package that no board has any more is offered again") {
    Scene scene(100);
    scene.terms.archives["p1"] = std::make_shared<const std::string>(std::string(300'000, 'x'));
    scene.start();
    scene.loop.run_for(105ms);
    auto state = scene.nodes.state("a", "admitted");
    state.missing = {"p1"};
    scene.nodes.tell("a", state);
    scene.loop.run_for(60s);
    CHECK(scene.nodes["a"].offered["p1"].size() == 300'000);
    CHECK(scene.every_result_once_in_order());
}

TEST_CASE("a package that the app does not have ends the run with its name") {
    Scene scene(5);
    scene.nodes["a"].missing = {"unheard-of"};
    scene.run();
    CHECK(scene.error().fault == Fault::not_found);
    CHECK(scene.error().message.find("unheard-of") != std::string::npos);
    CHECK(scene.nodes["a"].cancels.size() == 1);
}

TEST_CASE("a result that comes twice is dropped and counted") {
    Scene scene(10);
    scene.nodes["a"].doubles = 4;
    scene.run();
    CHECK(scene.every_result_once_in_order());
    CHECK(scene.summary().duplicates_dropped == 1);
}

TEST_CASE("a coordinator lost after the last result costs nothing but the report") {
    Scene scene(10);
    scene.nodes["a"].stops_after = 10;
    scene.nodes["a"].breaks = true;
    scene.nodes["a"].finishes = false;
    scene.run();
    CHECK(scene.every_result_once_in_order());
    CHECK(scene.summary().chunks_out == 10);
    CHECK(scene.summary().stages.empty());
    CHECK(scene.summary().note.find("coordinator was lost") != std::string::npos);
    CHECK(scene.nodes["b"].submits.empty());
}

TEST_CASE("a failed run ends with the coordinator's fault and reason") {
    Scene scene(500);
    scene.start();
    scene.loop.run_for(100ms);
    auto state = scene.nodes.state("a", "failed");
    state.fault = static_cast<std::uint8_t>(Fault::failed);
    state.reason = "position 1 on board b2: signal 11 (SIGSEGV)";
    scene.nodes.tell("a", state);
    scene.loop.run_for(10ms);
    CHECK(scene.error().fault == Fault::failed);
    CHECK(scene.error().message.starts_with("position 1 on board b2: signal 11 (SIGSEGV); "));
    CHECK(scene.error().message.ends_with(" of 500 results had come"));
    CHECK(scene.nodes["b"].submits.empty());
}

TEST_CASE("cancel ends the run at its coordinator") {
    Scene scene(500);
    scene.start();
    scene.loop.run_for(100ms);
    scene.submission->cancel({Fault::cancelled, "interrupted"});
    scene.loop.run_for(100ms);
    CHECK(scene.error().fault == Fault::cancelled);
    CHECK(scene.nodes["a"].cancels.at(0).run == scene.submission->run());
}

TEST_CASE("cancel before anybody has answered ends at once or with the cancel's deadline") {
    Scene scene(5);
    scene.nodes["a"].answers = false;
    scene.start();
    scene.loop.run_for(100ms);
    scene.submission->cancel({Fault::cancelled, "interrupted"});
    scene.loop.run_for(6s);
    CHECK(scene.error().fault == Fault::cancelled);
}

TEST_CASE("a run that does not end within its deadline is cancelled then") {
    Scene scene(500);
    scene.terms.deadline = scene.loop.now() + 730ms;
    scene.run();
    CHECK(scene.error().fault == Fault::timed_out);
    CHECK(scene.ended_at - scene.began < 800ms);
    CHECK(scene.nodes["a"].cancels.size() == 1);
}

TEST_CASE("a client that slept does not take its coordinator for lost") {
    Scene scene(500);
    scene.start();
    scene.loop.run_for(1s);
    scene.loop.sleep(8s);
    scene.loop.run_for(60s);
    CHECK(scene.every_result_once_in_order());
    CHECK(scene.summary().attempts == 1);
}

TEST_CASE("the client says twice a second that it is there") {
    Scene scene(1000);  // ten seconds
    scene.run();
    CHECK(scene.nodes["a"].alive >= 18);
    CHECK(scene.nodes["a"].alive <= 22);
}

TEST_CASE("chunks are sent once the run has its places, not before") {
    Scene scene(5);
    scene.nodes.nodes.at("a").has_places = false;
    scene.start();
    scene.loop.run_for(400ms);  // the node says "running" after 500 ms
    CHECK(scene.nodes.nodes.at("a").chunks.empty());
    scene.loop.run_for(2s);
    CHECK(scene.every_result_once_in_order());
}

TEST_CASE("a cluster that is taken down in order: said within some seconds, with what had come") {
    Scene scene(300);
    scene.start();
    scene.loop.run_for(200ms);
    for (const auto* door : {"a", "b", "c"})
        scene.nodes[door].absent = true;
    scene.nodes["a"].reason = "board a was stopped";
    scene.nodes.tell("a", scene.nodes.state("a", "lost"));
    const auto then = scene.loop.now();
    scene.loop.run_for(60s);
    CHECK(scene.ended_at - then < 4s);
    CHECK(scene.error().fault == Fault::unreachable);
    const auto& message = scene.error().message;
    CHECK_MESSAGE(message.starts_with("the cluster was taken down: board a was stopped, and nobody listens any more at "), message);
    CHECK_MESSAGE(message.ends_with(" of 300 results had come"), message);
}

TEST_CASE("a board that is stopped while another one is there, or comes back, ends no run") {
    for (const bool returns : {false, true}) {
        Scene scene(300);
        scene.start();
        scene.loop.run_for(200ms);
        scene.nodes["a"].reason = "board a was stopped";
        scene.nodes["a"].absent = true;
        scene.nodes["b"].absent = scene.nodes["c"].absent = returns;
        scene.nodes.tell("a", scene.nodes.state("a", "lost"));
        if (returns) scene.loop.call_after(1s, [&] { scene.nodes["a"].absent = false; });
        scene.loop.run_for(60s);
        CHECK(scene.every_result_once_in_order());
        CHECK(scene.summary().attempts == 2);
    }
}

TEST_CASE("a client whose key was revoked in the middle of its run hears that, and does not go round") {
    Scene scene(300);
    scene.start();
    scene.loop.run_for(200ms);
    for (const auto* door : {"a", "b", "c"})
        scene.nodes[door].bars = Error{Fault::refused, "the key 12 was revoked"};
    scene.nodes.break_connection("a");
    const auto then = scene.loop.now();
    scene.loop.run_for(60s);
    CHECK(scene.ended_at - then < 1s);
    CHECK(scene.error().fault == Fault::refused);
    CHECK_MESSAGE(scene.error().message.starts_with("the key 12 was revoked; "), scene.error().message);
}

TEST_CASE("a run that is taken again and again without a result ends, and says what was the last") {
    Scene scene(20);
    for (const auto* door : {"a", "b", "c"}) {
        scene.nodes[door].has_places = false;
        scene.nodes[door].reason = "a link to the client was lost";
    }
    scene.start();
    for (int i = 0; i < 300 && !scene.ended; ++i) {
        scene.loop.run_for(200ms);
        for (auto& [door, visit] : scene.nodes.visits)
            if (visit->open) scene.nodes.tell(door, scene.nodes.state(door, "lost"));
    }
    const auto& message = scene.error().message;
    CHECK_MESSAGE(message.find(" coordinators took the run without a new result; the last one, at ") != std::string::npos, message);
    CHECK_MESSAGE(message.ends_with(": a link to the client was lost"), message);
    CHECK(scene.ended_at - scene.began > 14s);
    CHECK(scene.ended_at - scene.began < 30s);
}
