// The job host with real job programs.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>

#include "runtime/node_manager/job_host.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/link.hpp"
#include "runtime/peer/messages_job.hpp"
#include "runtime/peer/socket.hpp"
#include "tests/node_manager/script.hpp"
#include "tests/overlays/scratch.hpp"
#include "tests/peer/newer.hpp"

using namespace fard;
using namespace fard::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr Epoch epoch{1, 0};
const RunId run_id{"00112233445566778899aabbccddeeff"};
const std::vector<TensorDesc> tensors{{"x", {1, 64}, "NC", DataType::uint(8), "UINT8"}};

bool has_child() {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

std::size_t open_descriptors() {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                                  std::filesystem::directory_iterator{}));
}

// A pipeline on one board, fed and emptied by the test.
struct Pipeline {
    Scratch scratch;
    AsioLoop loop;
    Script script{loop};
    SocketFactory sockets{Identity::local()};
    std::unique_ptr<JobSpawner> spawner;
    DeviceKeeper devices{find_devices({.cpu_slots = 64}).value(), "board"};
    std::optional<JobHost> host;
    std::optional<Result<wire::Spawned>> spawned;
    std::optional<Result<>> wired;
    std::optional<Result<wire::Drained>> drained;
    std::vector<wire::JobLost> lost;
    std::optional<LinkReceiver> sink;
    std::optional<LinkSender> feeder;
    std::uint64_t fed = 0, taken = 0;

    Pipeline() {
        const char* build = std::getenv("FARD_BUILD_ROOT");
        REQUIRE_MESSAGE(build, "FARD_BUILD_ROOT is not set; run by `meson test`");
        std::filesystem::create_directory(scratch / "l");
        spawner = make_process_spawner(loop, {.jobs_dirs = {std::filesystem::path(build) / "jobs"},
                                              .link_place = (scratch / "l").string()});
        host.emplace(loop, *spawner, JobHostOptions{.board = "b1", .devices = &devices},
                     [this](const wire::JobLost& report) { lost.push_back(report); });
    }

    void spawn(const std::string& program, std::uint32_t positions,
               const std::map<std::string, std::string>& params, std::uint64_t chunk_timeout_ms = 60'000) {
        wire::Spawn spawn{run_id, epoch, "app", chunk_timeout_ms, 4096, {}, {}};
        for (std::uint32_t position = 0; position < positions; ++position) {
            wire::JobSpec job;
            job.position = position;
            job.positions = positions;
            job.device = "cpu0";
            job.spec.name = "p" + std::to_string(position);
            job.spec.program = program;
            job.spec.inputs = job.spec.outputs = tensors;
            job.spec.params = params;
            spawn.jobs.push_back(job);
        }
        host->spawn(spawn, {}, [this](Result<wire::Spawned> result) { spawned = std::move(result); });
    }

    void wire() {
        REQUIRE_MESSAGE(*spawned, spawned->error().message);
        const auto& jobs = spawned->value().jobs;
        const LinkTerms terms{run_id, epoch, tensors, "", static_cast<std::uint32_t>(jobs.size()), 4096};
        sink = std::move(LinkReceiver::bind(sockets, "ipc:" + (scratch / "l").string(), terms).value());
        feeder = std::move(LinkSender::connect(sockets, jobs[0].links[0], terms, "coordinator").value());
        wire::Wire wire{run_id, epoch, {}};
        for (std::size_t i = 0; i < jobs.size(); ++i)
            wire.jobs.push_back(
                {jobs[i].job, i + 1 < jobs.size() ? jobs[i + 1].links : std::vector{sink->endpoint()}, {}});
        host->wire(wire, [this](Result<> result) { wired = std::move(result); });
    }

    // Moves what can be moved; true once `count` results are here.
    bool flow(std::uint64_t count) {
        Chunk chunk;
        while (fed < count) {
            chunk.index = fed;
            chunk.tensors.clear();
            chunk.tensors.emplace_back(std::string(64, static_cast<char>('a' + fed % 26)));
            chunk.trace.assign(feeder->terms().positions, {});
            if (!feeder->send(chunk)) break;
            ++fed;
        }
        for (auto result = sink->receive(); result && *result; result = sink->receive()) {
            CHECK((*result)->index == taken);
            CHECK((*result)->tensors.at(0).text() == std::string(64, static_cast<char>('a' + taken % 26)));
            ++taken;
            sink->taken();
        }
        sink->flush_credit();
        return taken == count;
    }

    void up_and_wired() {
        script.when(
            "jobs up", [this] { return spawned.has_value(); }, [this] { wire(); });
        script.when("jobs linked", [this] {
            sink->receive();
            return feeder->open() && wired.has_value();
        });
    }
};

}  // namespace

TEST_CASE("two real jobs carry chunks, report and are gone") {
    const auto before = open_descriptors();
    {
        Pipeline pipeline;
        pipeline.spawn("copy", 2, {});
        pipeline.up_and_wired();
        pipeline.script.when(
            "all results", [&] { return pipeline.flow(200); },
            [&] {
                CHECK(pipeline.wired->has_value());
                CHECK(pipeline.host->jobs() == 2);
                pipeline.host->drain(run_id, epoch,
                                     [&](Result<wire::Drained> result) { pipeline.drained = result; });
            });
        pipeline.script.when("drained", [&] { return pipeline.drained.has_value(); });
        pipeline.script.run();
        REQUIRE(pipeline.drained);
        REQUIRE_MESSAGE(pipeline.drained->has_value(), pipeline.drained->error().message);
        for (const auto& report : pipeline.drained->value().jobs) {
            CHECK(report.stats.chunks == 200);
            CHECK(report.stats.bytes_out == 200 * 64);
            CHECK(report.board == "b1");
        }
        CHECK(pipeline.lost.empty());
        CHECK(pipeline.host->jobs() == 0);
        CHECK_FALSE(has_child());
        pipeline.sink.reset();
        CHECK(std::filesystem::is_empty(pipeline.scratch / "l"));
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a real job that goes wrong is lost with its cause and last words") {
    struct Case {
        std::map<std::string, std::string> params;
        bool fatal;
        std::string cause, words;  // parts of them
    };
    const Case cases[] = {
        {{{"kill_at", "3"}}, false, "signal 9 (SIGKILL)", "about to be killed by chunk 3"},
        {{{"abort_at", "0"}}, false, "signal 6 (SIGABRT)", ""},
        {{{"throw_at", "5"}}, true, "cannot stand chunk 5", ""},
        {{{"fail_at", "5"}}, true, "will not have chunk 5", ""},
        {{{"hang_at", "2"}}, false, "held chunk 2 for more than 0.3 s", ""},
    };
    for (const auto& wrong : cases) {
        CAPTURE(wrong.cause);
        Pipeline pipeline;
        pipeline.spawn("test_faulty", 1, wrong.params, 300);
        pipeline.up_and_wired();
        TimePoint began;
        pipeline.script.when(
            "chunks flow", [&] { return pipeline.flow(1) || pipeline.fed > 0; },
            [&] { began = pipeline.loop.now(); });
        pipeline.script.when("job lost", [&] {
            pipeline.flow(10);
            return !pipeline.lost.empty();
        });
        pipeline.script.run();
        REQUIRE(pipeline.lost.size() == 1);
        CHECK(pipeline.lost[0].fatal == wrong.fatal);
        CHECK(pipeline.lost[0].cause.find(wrong.cause) != std::string::npos);
        CHECK(pipeline.lost[0].last_words.find(wrong.words) != std::string::npos);
        CHECK(pipeline.loop.now() - began < 2s);
        CHECK_FALSE(has_child());
        pipeline.sink.reset();
        CHECK(std::filesystem::is_empty(pipeline.scratch / "l"));  // a killed job's sockets, too
    }
}

TEST_CASE("a real job that refuses its configuration is fatal") {
    Pipeline pipeline;
    pipeline.spawn("test_faulty", 1, {{"refuse", "no such table"}});
    pipeline.script.when("answer", [&] { return pipeline.spawned.has_value() && !pipeline.lost.empty(); });
    pipeline.script.run();
    REQUIRE(pipeline.lost.size() == 1);
    CHECK(pipeline.lost[0].fatal);
    CHECK(pipeline.lost[0].cause.find("no such table") != std::string::npos);
}

TEST_CASE("a program that is not there is named with where it was looked for") {
    Pipeline pipeline;
    pipeline.spawn("../copy", 1, {});
    pipeline.script.when("answer", [&] { return pipeline.spawned.has_value(); });
    pipeline.script.run();
    REQUIRE_FALSE(pipeline.spawned->has_value());
    CHECK(pipeline.spawned->error().message ==
          "position 0 replica 0 ('p0'): '../copy' is not the name of a job program");

    Pipeline other;
    other.spawn("nothing", 1, {});
    other.script.when("answer", [&] { return other.spawned.has_value(); });
    other.script.run();
    REQUIRE_FALSE(other.spawned->has_value());
    CHECK(other.spawned->error().fault == Fault::not_found);
    CHECK(other.spawned->error().message.find("no job program 'nothing' (looked in ") != std::string::npos);
    CHECK(std::filesystem::is_empty(other.scratch / "l"));
}

TEST_CASE("destroying the host leaves no job and no socket") {
    Pipeline pipeline;
    pipeline.spawn("copy", 3, {});
    pipeline.script.when("jobs up", [&] { return pipeline.spawned.has_value(); });
    pipeline.script.run();
    CHECK(pipeline.host->jobs() == 3);
    pipeline.host.reset();
    CHECK_FALSE(has_child());
    CHECK(std::filesystem::is_empty(pipeline.scratch / "l"));
}

TEST_CASE("a job that speaks another fard's messages is ended, and says so") {
    Scratch scratch;
    AsioLoop loop;
    Script script{loop};
    fs::create_directories(scratch / "jobs");
    const auto program = scratch / "jobs/ahead";
    std::string packet;  // as printf takes it
    for (const unsigned char byte : newer(wire::encode({}, wire::JobUp{})))
        packet += fmt::format("\\{:03o}", byte);
    std::ofstream(program) << "#!/bin/sh\nprintf '" << packet << "' >&3\nexec sleep 60\n";
    fs::permissions(program, fs::perms::owner_all);
    const auto spawner = make_process_spawner(loop, {.jobs_dirs = {scratch / "jobs"}, .link_place = (scratch / "l").string()});
    std::optional<wire::JobFailed> said;
    std::optional<ChildExit> exit;
    const auto job = spawner->spawn("ahead", {}, {.said = [&](const wire::Body& body) { said = *body.as<wire::JobFailed>(); },
                                              .exited = [&](const ChildExit& how, const std::string&) { exit = how; },
                                              .printed = {}});
    REQUIRE_MESSAGE(job, job.error().message);
    script.when("it is ended", [&] { return exit.has_value(); });
    script.run();
    REQUIRE(said);
    CHECK(said->fault == static_cast<int>(Fault::unsupported));
    CHECK(said->reason == "it speaks another fard's messages: JOB_UP of version 9, newer than our 1");
    CHECK(exit->text() == "signal 9 (SIGKILL)");
}
