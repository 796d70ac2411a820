#include "runtime/node_manager/job_host.hpp"

#include <doctest/doctest.h>

#include "runtime/peer/messages_job.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/fakes/sim_loop.hpp"
#include "tests/node_manager/fake_jobs.hpp"

using namespace fard;
using namespace fard::test;
using namespace std::chrono_literals;

namespace {

constexpr Epoch first{1, 0};
const RunId run{"11111111111111111111111111111111"};

wire::JobSpec job_spec(std::uint32_t position, std::uint32_t replica, const std::string& program = "copy") {
    wire::JobSpec spec;
    spec.position = position;
    spec.replica = replica;
    spec.positions = 4;
    spec.device = "cpu0";
    spec.spec.name = "p" + std::to_string(position);
    spec.spec.program = program;
    return spec;
}

// A job host with in-memory jobs in virtual time, and what it reported.
struct Rig {
    SimLoop loop;
    FakeSpawner spawner{loop};
    DeviceKeeper devices{find_devices({.cpu_slots = 64}).value(), "board"};
    std::vector<wire::JobLost> lost;
    std::optional<JobHost> host;
    std::optional<Result<wire::Spawned>> spawned;
    std::optional<Result<>> wired;
    std::optional<Result<wire::Drained>> drained;
    int reaped = 0;

    Rig() {
        host.emplace(loop, spawner, JobHostOptions{.board = "b1", .devices = &devices},
                     [this](const wire::JobLost& report) { lost.push_back(report); });
    }

    wire::Spawn spawn_message(std::vector<wire::JobSpec> jobs, Epoch epoch = first) {
        return {run, epoch, "app", 60'000, 4096, std::move(jobs), {}};
    }
    void spawn(std::vector<wire::JobSpec> jobs, Epoch epoch = first) {
        host->spawn(spawn_message(std::move(jobs), epoch), {{"aa", "/store/aa"}},
                    [this](Result<wire::Spawned> result) { spawned = std::move(result); });
        loop.run_ready();
    }
    void all_up() {
        for (const auto& job : spawner.jobs) {
            if (job->alive) job->say(wire::JobUp{{{at("data" + job->place), at("credit"), {}}}});
        }
        loop.run_ready();
    }
    void wire(std::vector<wire::JobWire> jobs, Epoch epoch = first) {
        host->wire({run, epoch, std::move(jobs)}, [this](Result<> result) { wired = std::move(result); });
        loop.run_ready();
    }
    void wire_all() {
        std::vector<wire::JobWire> jobs;
        for (const auto& bound : spawned->value().jobs)
            jobs.push_back({bound.job, {{at("next"), at("back"), {}}}});
        wire(jobs);
    }
    void running(std::vector<wire::JobSpec> jobs) {
        spawn(std::move(jobs));
        all_up();
        wire_all();
        for (const auto& job : spawner.jobs)
            job->say(wire::JobLinked{});
        loop.run_ready();
        REQUIRE(wired);
        REQUIRE(wired->has_value());
    }
    void drain() {
        host->drain(run, first, [this](Result<wire::Drained> result) { drained = std::move(result); });
        loop.run_ready();
    }
    void kill(Epoch up_to = first) {
        host->kill(run, up_to, [this] { ++reaped; });
    }
};

}  // namespace

TEST_CASE("a crew's life: spawned, wired, drained, reaped") {
    Rig rig;
    auto second = job_spec(1, 2, "stage");
    second.spec.overlay = "aa";
    rig.spawn({job_spec(0, 0), second});
    REQUIRE(rig.spawner.jobs.size() == 2);
    const auto* config = rig.spawner.jobs[1]->last<wire::JobConfig>();
    REQUIRE(config);
    CHECK(rig.spawner.jobs[1]->program == "stage");
    CHECK(config->job == wire::JobKey{run, first, 1, 2});
    CHECK(config->app == "app");
    CHECK(config->board == "b1");
    CHECK(config->spec == second);
    CHECK(config->package_dir == "/store/aa");
    CHECK(config->device_kind == "soft");
    CHECK(config->link_transport == "ipc");
    CHECK(config->link_place == "/run/links/1");
    CHECK(config->link_bytes == 4096);
    CHECK(rig.spawner.jobs[0]->last<wire::JobConfig>()->package_dir.empty());

    rig.spawner.jobs[0]->say(wire::JobUp{{{at("a"), at("b"), {}}}});
    rig.loop.run_ready();
    CHECK_FALSE(rig.spawned);  // not before all are up
    rig.spawner.jobs[1]->say(wire::JobUp{{{at("c"), at("d"), {}}}});
    rig.loop.run_ready();
    REQUIRE(rig.spawned);
    CHECK(rig.spawned->value().jobs == std::vector<wire::JobBound>{{{run, first, 0, 0}, {{at("a"), at("b"), {}}}},
                                                                   {{run, first, 1, 2}, {{at("c"), at("d"), {}}}}});

    rig.spawner.jobs[0]->say(wire::JobLinked{});  // may come before WIRE
    rig.wire_all();
    CHECK(rig.spawner.jobs[1]->last<wire::JobConnect>()->receivers ==
          std::vector<wire::LinkEndpoint>{{at("next"), at("back"), {}}});
    CHECK_FALSE(rig.wired);
    rig.spawner.jobs[1]->say(wire::JobLinked{});
    rig.loop.run_ready();
    REQUIRE(rig.wired);
    CHECK(rig.wired->has_value());

    rig.drain();
    wire::JobStats stats;
    stats.chunks = 7;
    for (const auto& job : rig.spawner.jobs) {
        REQUIRE(job->last<wire::JobDrain>());
        job->say(wire::JobDrained{stats});
        rig.loop.run_ready();
        CHECK_FALSE(rig.drained);
        job->exit({0, 0});
    }
    rig.loop.run_ready();
    REQUIRE(rig.drained);
    REQUIRE(rig.drained->value().jobs.size() == 2);
    CHECK(rig.drained->value().jobs[1] == wire::JobReport{1, 2, "p1", "b1", "cpu0", "aa", stats});
    CHECK(rig.lost.empty());
    CHECK(rig.host->jobs() == 0);
    rig.loop.run_for(100s);
    CHECK(rig.loop.pending_timers() == 0);
}

TEST_CASE("jobs that cannot be started fail the spawn, and none of it is left") {
    struct Case {
        wire::JobSpec bad;
        Fault fault;
        std::string message;
    };
    auto other_device = job_spec(1, 0);
    other_device.device = "gpu7";
    auto other_overlay = job_spec(1, 0);
    other_overlay.spec.overlay = "bb";
    const Case cases[] = {
        {job_spec(1, 0, "missing"), Fault::not_found,
         "position 1 replica 0 ('p1'): no job program 'missing'"},
        {other_device, Fault::not_found, "position 1 replica 0 ('p1'): board b1: it has no device 'gpu7'"},
        {other_overlay, Fault::not_found, "position 1 replica 0 ('p1'): its overlay bb is not on board b1"},
    };
    for (const auto& bad : cases) {
        Rig rig;
        rig.spawn({job_spec(0, 0), bad.bad, job_spec(2, 0)});
        REQUIRE(rig.spawned);
        REQUIRE_FALSE(rig.spawned->has_value());
        CHECK(rig.spawned->error().fault == bad.fault);
        CHECK(rig.spawned->error().message == bad.message);
        CHECK(rig.spawner.alive() == 0);
        CHECK(rig.lost.empty());
        rig.spawn({job_spec(0, 0)});  // the same epoch may be tried again
        rig.all_up();
        CHECK(rig.spawned->has_value());
    }
}

TEST_CASE("a job that is not up in time is named, and all are killed") {
    Rig rig;
    rig.spawn({job_spec(0, 0), job_spec(1, 0), job_spec(1, 1)});
    rig.spawner.jobs[0]->say(wire::JobUp{{{at("a"), at("b"), {}}}});
    rig.loop.run_for(9999ms);
    CHECK_FALSE(rig.spawned);
    rig.loop.run_for(1ms);
    REQUIRE(rig.spawned);
    CHECK(rig.spawned->error().fault == Fault::timed_out);
    CHECK(rig.spawned->error().message ==
          "not up within 10 s: position 1 replica 0 ('p1'), position 1 replica 1 ('p1')");
    CHECK(rig.spawner.alive() == 0);
    CHECK(rig.lost.empty());
}

TEST_CASE("a job that ends before it is up is lost, and fails the spawn") {
    Rig rig;
    rig.spawn({job_spec(0, 0), job_spec(1, 0)});
    rig.spawner.jobs[1]->exit({-1, 11}, "segfault in stage");
    rig.loop.run_ready();
    REQUIRE(rig.lost.size() == 1);
    CHECK(rig.lost[0] ==
          wire::JobLost{{run, first, 1, 0}, "b1", false, 0, "signal 11 (SIGSEGV)", "segfault in stage"});
    REQUIRE(rig.spawned);
    CHECK(rig.spawned->error().fault == Fault::failed);
    CHECK(rig.spawned->error().message == "position 1 replica 0 ('p1'): signal 11 (SIGSEGV)");
    CHECK(rig.spawner.alive() == 0);
}

TEST_CASE("a job that binds the wrong number of links fails the spawn") {
    Rig rig;
    rig.spawn({job_spec(0, 0)});
    rig.spawner.jobs[0]->say(wire::JobUp{});
    rig.loop.run_ready();
    REQUIRE(rig.spawned);
    CHECK(rig.spawned->error().message == "position 0 replica 0 ('p0') bound 0 links instead of 1");
    CHECK(rig.spawner.alive() == 0);
}

TEST_CASE("a job that says why it ends is fatal, with its last words") {
    Rig rig;
    rig.running({job_spec(0, 0), job_spec(1, 0)});
    rig.spawner.jobs[0]->say(wire::JobFailed{"threw: out of range"});
    CHECK(rig.lost.empty());  // until it is gone
    rig.spawner.jobs[0]->exit({1, 0}, "std::out_of_range");
    REQUIRE(rig.lost.size() == 1);
    CHECK(rig.lost[0] == wire::JobLost{{run, first, 0, 0},
                                       "b1",
                                       true,
                                       static_cast<std::uint8_t>(Fault::failed),
                                       "threw: out of range",
                                       "std::out_of_range"});
    CHECK(rig.host->jobs() == 1);  // the other goes on

    rig.spawner.jobs[1]->say(
        wire::JobFailed{std::string(60'000, 'x')});  // and this one does not go by itself
    rig.loop.run_for(499ms);
    CHECK_FALSE(rig.spawner.jobs[1]->killed);
    rig.loop.run_for(1ms);
    REQUIRE(rig.lost.size() == 2);
    CHECK(rig.lost[1].fatal);
    CHECK(rig.lost[1].cause.size() == 32 * 1024);
}

TEST_CASE("a job that holds one chunk too long is killed and lost") {
    Rig rig;
    auto message = rig.spawn_message({job_spec(0, 0), job_spec(1, 0)});
    message.chunk_timeout_ms = 1500;
    rig.host->spawn(message, {}, [&](Result<wire::Spawned> result) { rig.spawned = std::move(result); });
    rig.all_up();
    rig.wire_all();
    rig.spawner.jobs[0]->busy = JobProcess::Busy{rig.loop.now(), 17};
    rig.loop.run_for(1400ms);
    CHECK_FALSE(rig.spawner.jobs[0]->killed);
    rig.spawner.jobs[1]->busy = JobProcess::Busy{rig.loop.now(), 16};
    rig.loop.run_for(300ms);
    REQUIRE(rig.lost.size() == 1);
    CHECK(rig.lost[0].job.position == 0);
    CHECK(rig.lost[0].cause == "held chunk 17 for more than 1.5 s");
    CHECK_FALSE(rig.lost[0].fatal);
    CHECK_FALSE(rig.spawner.jobs[1]->killed);
}

TEST_CASE("only what any job would fail at is fatal") {
    Rig rig;
    std::vector<wire::JobSpec> specs;
    for (std::uint32_t fault = 1; fault <= 10; ++fault)
        specs.push_back(job_spec(0, fault));
    rig.running(specs);
    for (std::uint8_t fault = 1; fault <= 10; ++fault) {
        rig.spawner.jobs[fault - 1]->say(wire::JobFailed{"why", fault});
        rig.spawner.jobs[fault - 1]->exit({3, 0});
        const auto meant = static_cast<Fault>(fault);
        CHECK(rig.lost.back().fault == fault);
        CHECK(rig.lost.back().fatal ==
              (meant == Fault::failed || meant == Fault::invalid_input || meant == Fault::unsupported));
    }
    CHECK(rig.lost.size() == 10);
}

TEST_CASE("a job that gives no sign of life outside of process() is killed and lost") {
    Rig rig;
    rig.running({job_spec(0, 0), job_spec(1, 0), job_spec(2, 0), job_spec(3, 0), job_spec(4, 0)});
    auto& jobs = rig.spawner.jobs;
    for (auto& job : jobs)
        job->signs = {1, 2, 0};
    jobs[1]->busy = JobProcess::Busy{rig.loop.now(), 1};
    jobs[2]->signs.step = 0;  // it loads its device
    jobs[4]->signs.stopped = true;
    jobs[4]->busy = JobProcess::Busy{rig.loop.now(), 1};
    for (std::uint64_t look = 2; look < 80; ++look) {
        jobs[3]->signs.looked_ns = look;
        rig.loop.run_for(100ms);
        if (look < 40) CHECK_FALSE(jobs[0]->killed);
    }
    REQUIRE(rig.lost.size() == 2);
    CHECK(rig.lost[0].job.position == 0);
    CHECK(rig.lost[0].cause == "gave no sign of life outside of process() for 4 s");
    CHECK_FALSE(rig.lost[0].fatal);
    CHECK(rig.lost[1].job.position == 4);
    CHECK(rig.lost[1].cause == "was stopped for 4 s");
}

TEST_CASE("how far jobs are is what their pages say") {
    Rig rig;
    rig.running({job_spec(0, 0), job_spec(1, 0)});
    rig.spawner.jobs[1]->signs = {1, 1, 4};
    rig.spawner.jobs[1]->totals.chunks = 7;
    rig.spawner.jobs[1]->busy = JobProcess::Busy{rig.loop.now(), 8};
    const auto progress = rig.host->progress(run, first);
    REQUIRE(progress.size() == 2);
    CHECK(progress[1] == wire::JobProgress{1, 0, 1, 4, 7, true});
    CHECK(rig.host->progress(run, {1, 1}).empty());
}

TEST_CASE("wiring that does not fit is refused") {
    Rig rig;
    rig.wire({});
    CHECK(rig.wired->error().message == "no jobs of this run and epoch are here");
    rig.spawn({job_spec(0, 0), job_spec(1, 0)});
    rig.wire({});
    CHECK(rig.wired->error().message == "its jobs are not up yet");
    rig.all_up();
    const wire::JobWire one{{run, first, 0, 0}, {{at("a"), at("b"), {}}}, {}}, two{{run, first, 1, 0}, {{at("a"), at("b"), {}}}, {}};
    rig.wire({one});
    CHECK(rig.wired->error().message == "WIRE names 1 jobs, this board runs 2");
    rig.wire({one, one});
    CHECK(rig.wired->error().message == "WIRE leaves out position 1 replica 0 ('p1')");
    rig.wire({one, {two.job, {}}});
    CHECK(rig.wired->error().message == "WIRE gives position 1 replica 0 ('p1') 0 receivers instead of 1");
    rig.wired.reset();
    rig.wire({one, two});
    CHECK_FALSE(rig.wired);
    rig.loop.run_for(75s);
    REQUIRE(rig.wired);
    CHECK(rig.wired->error().fault == Fault::timed_out);
    CHECK(rig.wired->error().message ==
          "not linked within 75 s: position 0 replica 0 ('p0'), position 1 replica 0 ('p1')");
    rig.wire({one, two});
    CHECK(rig.wired->error().message == "its jobs are wired already");
}

TEST_CASE("a job lost while it is being linked fails the wiring") {
    Rig rig;
    rig.spawn({job_spec(0, 0), job_spec(1, 0)});
    rig.all_up();
    rig.wire_all();
    rig.spawner.jobs[0]->exit({3, 0});
    rig.loop.run_ready();
    REQUIRE(rig.wired);
    CHECK(rig.wired->error().message == "position 0 replica 0 ('p0'): exit code 3");
    CHECK(rig.lost.size() == 1);
    CHECK(rig.spawner.alive() == 1);
}

TEST_CASE("what a job that takes no message any more is lost for is its own cause") {
    Rig rig;
    rig.spawn({job_spec(0, 0), job_spec(1, 0)});
    rig.all_up();
    auto& going = *rig.spawner.jobs[0];
    going.takes_messages = false;
    SUBCASE("it said why it ends, and is left to end") {
        going.say(wire::JobFailed{"its buffer is too small", static_cast<std::uint8_t>(Fault::invalid_input)});
        rig.wire_all();
        CHECK_FALSE(rig.wired);
        CHECK_FALSE(going.killed);
        going.exit({1, 0});
        rig.loop.run_ready();
        REQUIRE(rig.wired);
        CHECK(rig.wired->error().message == "position 0 replica 0 ('p0'): its buffer is too small");
    }
    SUBCASE("it has crashed") {
        going.dies_when_killed = false;
        rig.wire_all();
        going.exit({-1, 11});
        rig.loop.run_ready();
        REQUIRE(rig.wired);
        CHECK(rig.wired->error().message == "position 0 replica 0 ('p0'): signal 11 (SIGSEGV)");
    }
    SUBCASE("it lives, and is killed") {
        rig.wire_all();
        REQUIRE(rig.wired);
        CHECK(going.killed);
        CHECK(rig.wired->error().message == "position 0 replica 0 ('p0'): the job takes no messages");
    }
    SUBCASE("it was gone before the wiring came") {
        going.exit({3, 0});
        rig.loop.run_ready();
        rig.wire_all();
        CHECK(rig.wired->error().message == "position 0 replica 0 ('p0'): exit code 3");
    }
    REQUIRE(rig.lost.size() == 1);
    CHECK("position 0 replica 0 ('p0'): " + rig.lost[0].cause == rig.wired->error().message);
}

TEST_CASE("a job that does not drain is killed, and reported by its page") {
    Rig rig;
    rig.running({job_spec(0, 0), job_spec(1, 0)});
    rig.spawner.jobs[1]->totals.chunks = 5;
    rig.drain();
    rig.spawner.jobs[0]->say(wire::JobDrained{});
    rig.spawner.jobs[0]->exit({0, 0});
    rig.loop.run_for(4999ms);
    CHECK_FALSE(rig.drained);
    rig.loop.run_for(1ms);
    REQUIRE(rig.drained);
    REQUIRE(rig.drained->has_value());
    CHECK(rig.drained->value().jobs[1].stats.chunks == 5);
    CHECK(rig.lost.empty());
    CHECK(rig.spawner.alive() == 0);
}

TEST_CASE("a job that was lost before the drain still has its row") {
    Rig rig;
    rig.running({job_spec(0, 0)});
    rig.spawner.jobs[0]->totals.chunks = 9;
    rig.spawner.jobs[0]->exit({-1, 9});
    CHECK(rig.lost.size() == 1);
    rig.drain();
    REQUIRE(rig.drained);
    CHECK(rig.drained->value().jobs[0].stats.chunks == 9);
}

TEST_CASE("killing takes the epochs up to the given one, and is answered once they are reaped") {
    Rig rig;
    rig.running({job_spec(0, 0)});
    rig.spawner.jobs[0]->dies_when_killed = false;  // takes its time
    rig.spawn({job_spec(0, 0)}, {1, 1});
    rig.spawn({job_spec(0, 0)}, {2, 0});
    rig.kill({1, 1});
    rig.loop.run_for(1s);
    CHECK(rig.reaped == 0);
    CHECK(rig.host->jobs() == 2);
    CHECK_FALSE(rig.spawner.jobs[2]->killed);
    rig.kill({1, 0});  // asked again meanwhile
    rig.spawner.jobs[0]->exit({-1, 9});
    rig.kill({1, 0});  // and once more before the end is told
    rig.loop.run_ready();
    CHECK(rig.reaped == 3);
    CHECK(rig.host->jobs() == 1);
    CHECK(rig.lost.empty());
}

TEST_CASE("killing answers what was waited for, and needs no jobs") {
    Rig rig;
    rig.kill();
    CHECK(rig.reaped == 0);  // never from within the call
    rig.loop.run_ready();
    CHECK(rig.reaped == 1);

    rig.spawn({job_spec(0, 0)});
    rig.kill();
    rig.loop.run_ready();
    CHECK(rig.spawned->error().message == "its lease on this board has ended");
    CHECK(rig.spawned->error().fault == Fault::refused);

    rig.spawn({job_spec(0, 0)});
    rig.all_up();
    rig.wire_all();
    rig.wired.reset();
    rig.kill();
    rig.loop.run_ready();
    CHECK(rig.wired->error().message == "its lease on this board has ended");

    rig.spawn({job_spec(0, 0)});
    rig.all_up();
    rig.drain();
    rig.kill();
    rig.loop.run_ready();
    CHECK(rig.drained->error().message == "its lease on this board has ended");
    CHECK(rig.reaped == 4);
}

TEST_CASE("one epoch is spawned once") {
    Rig rig;
    rig.spawn({job_spec(0, 0)});
    rig.all_up();
    rig.spawn({job_spec(0, 0)});
    REQUIRE_FALSE(rig.spawned->has_value());
    CHECK(rig.spawned->error().fault == Fault::refused);
    CHECK(rig.spawner.jobs.size() == 1);
}

TEST_CASE("a host that goes away takes its jobs along and calls nobody") {
    Rig rig;
    rig.spawn({job_spec(0, 0), job_spec(1, 0)});
    rig.host.reset();
    CHECK(rig.spawner.alive() == 0);
    rig.loop.run_for(100s);
    CHECK_FALSE(rig.spawned);
    CHECK(rig.lost.empty());
}

namespace {

// A fabric of one slot.
class FakeFabric final : public KeptDevice {
  public:
    DeviceInfo info() const override { return {"fabric0", "fake", 1, "a fabric", "xc7z020clg484-1", "zedboard"}; }
    bool keeps_overlays() const override { return true; }
};

wire::JobSpec sharing(std::uint32_t position) {
    auto spec = job_spec(position, 0);
    spec.device = "fabric0";
    spec.spec.overlay = "aa";
    spec.turns = true;
    return spec;
}

}  // namespace

TEST_CASE("jobs that share a slot are told of their turns by it, as they say how far they are") {
    Rig rig;
    KeptDevices kept;
    kept.push_back(std::make_unique<FakeFabric>());
    rig.devices = DeviceKeeper(std::move(kept), "b1");
    auto spawn = rig.spawn_message({sharing(0), sharing(3)});
    spawn.turns = {{{0, 1}}};
    spawn.batch = 8;
    spawn.chunks = 12;
    spawn.turn_wait_ms = 500;
    rig.host->spawn(spawn, {{"aa", "/store/aa"}}, [&](Result<wire::Spawned> result) { rig.spawned = std::move(result); });
    rig.loop.run_ready();
    REQUIRE(rig.spawner.jobs.size() == 2);
    rig.all_up();
    REQUIRE(rig.spawned);
    CHECK(rig.spawned->has_value());
    auto &first_job = *rig.spawner.jobs[0], &second_job = *rig.spawner.jobs[1];
    REQUIRE(first_job.last<wire::JobTurn>());
    CHECK(*first_job.last<wire::JobTurn>() == wire::JobTurn{1, 8, 500});
    CHECK_FALSE(second_job.last<wire::JobTurn>());
    first_job.say(wire::JobReady{1, 8, false, false});
    REQUIRE(second_job.last<wire::JobTurn>());
    CHECK(*second_job.last<wire::JobTurn>() == wire::JobTurn{1, 8, 500});
    second_job.exit({-1, 9});  // in its turn
    first_job.say(wire::JobReady{1, 8, true, false});
    CHECK(first_job.told.back() == wire::Body(wire::JobTurn{1, 8, 500}));
    rig.loop.run_ready();
    CHECK(rig.lost.size() == 1);
}

TEST_CASE("a job that waits for turns which SPAWN does not give is not started") {
    Rig rig;
    rig.spawn({sharing(0)});
    REQUIRE(rig.spawned);
    CHECK(rig.spawned->error().fault == Fault::invalid_input);
    CHECK(rig.spawner.jobs.empty());
}
