#include "runtime/node_manager/board.hpp"

#include <doctest/doctest.h>

#include <deque>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_job.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/fakes/sim_disk.hpp"
#include "tests/fakes/sim_loop.hpp"
#include "tests/node_manager/fake_jobs.hpp"
#include "tests/overlays/scratch.hpp"

using namespace fard;
using namespace fard::test;
using namespace std::chrono_literals;

namespace {

const RunId run_a{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, run_b{"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"};
const PeerId coordinator{"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"};

struct FakeCourier final : Courier {
    struct Asked {
        PeerId to;
        wire::Body body;
    };
    void ask(const PeerId& to, wire::Body body, Duration, Answer) override {
        asked.push_back({to, std::move(body)});
    }
    std::vector<Asked> asked;
};

// A board with one device of two slots, in memory and virtual time.
struct Rig {
    Scratch scratch;
    SimLoop loop;
    FakeCourier courier;
    FakeSpawner spawner{loop};
    DeviceKeeper devices{find_devices({.cpu_slots = 64}).value(), "board"};
    SimDisk disk;
    SimWorker writer{loop, disk}, packer{loop, disk}, reader{loop, disk};
    std::unique_ptr<OverlayStore> store =
        OverlayStore::open({loop, disk, writer, packer, reader}, "/store",
                           {.stored = [this](const std::string&) { board->changed(); }, .removed = {}})
            .value();
    std::vector<Address> doors_knocked;
    std::deque<std::pair<wire::Body, Answer>> asked_of_source;
    PackageFetch packages{loop, *store, [this](const Address& door) { return knock(door); }};
    std::vector<wire::BoardState> published;
    std::optional<Board> board;

    Rig() {
        board.emplace(
            loop, courier, *store, packages, spawner,
            BoardOptions{.devices = {{"cpu0", "soft", 2, true, ""}},
                         .jobs = {.board = "b1", .devices = &devices}},
            [this](const wire::BoardState& state) { published.push_back(state); },
            [] { return std::uint32_t{7}; });
    }

    Result<std::unique_ptr<PieceSource>> knock(const Address& door) {
        struct Source final : PieceSource {
            explicit Source(Rig& the_rig) : rig(the_rig) {}
            void ask(wire::Body question, Duration, Answer answer) override {
                rig.asked_of_source.emplace_back(std::move(question), std::move(answer));
            }
            Rig& rig;
        };
        doors_knocked.push_back(door);
        return std::make_unique<Source>(*this);
    }

    // The source answers what it is asked until it is asked nothing more.
    void source_gives(const PackedArchive& package) {
        PieceSet all(package.bytes.size());
        for (std::size_t piece = 0; piece < all.count(); ++piece)
            all.add(piece);
        while (!asked_of_source.empty()) {
            const auto [question, answer] = std::move(asked_of_source.front());
            asked_of_source.pop_front();
            if (const auto* fetch = question.as<wire::Fetch>())
                answer(wire::Piece{package.id, fetch->offset, package.bytes.size(),
                                   package.bytes.substr(fetch->offset, wire::piece_bytes)});
            else
                answer(all.to_held(package.id));
            loop.run_ready();
        }
    }

    // The answer to a request, as far as there is one by now.
    std::shared_ptr<std::optional<wire::Body>> request(const wire::Body& body) {
        auto answer = std::make_shared<std::optional<wire::Body>>();
        Reply reply = [answer](wire::Body said) {
            CHECK_FALSE(answer->has_value());  // once
            *answer = std::move(said);
        };
        CHECK(board->serve(coordinator, body, reply));
        loop.run_ready();
        return answer;
    }
    template <typename Message>
    Message ask(const wire::Body& body) {
        const auto answer = request(body);
        REQUIRE(answer->has_value());
        REQUIRE_MESSAGE((**answer).is<Message>(), std::string(wire::name_of(**answer)));
        return *(**answer).as<Message>();
    }

    void lease(const RunId& run, Epoch epoch, std::uint32_t slots = 1) {
        wire::Reserve reserve{run, 1, epoch, 1, {}};
        for (std::uint32_t slot = 0; slot < slots; ++slot)
            reserve.slots.push_back({slot, 0, "cpu0"});
        const auto reserved = ask<wire::Reserved>(reserve);
        REQUIRE(reserved.granted);
        ask<wire::Done>(wire::Commit{run, epoch, reserved.decision});
    }
    wire::Spawn spawn_message(const RunId& run, Epoch epoch, const std::string& overlay = "") {
        wire::JobSpec job;
        job.device = "cpu0";
        job.spec.name = "first";
        job.spec.program = "copy";
        job.spec.overlay = overlay;
        return {run, epoch, "app", 60'000, 4096, {job}, {address_at("source")}};
    }
    std::shared_ptr<std::optional<wire::Body>> start(const RunId& run, Epoch epoch) {
        auto answer = request(spawn_message(run, epoch));
        spawner.jobs.back()->say(wire::JobUp{{{at("a"), at("b"), {}}}});
        loop.run_ready();
        return answer;
    }
    std::uint32_t free() const { return board->state().slots_free.at(0); }
};

constexpr Epoch first{1, 0}, second{1, 1};

}  // namespace

TEST_CASE("jobs are started under a firm lease, and their slots are free once they are drained") {
    Rig rig;
    CHECK(rig.ask<wire::Refused>(rig.spawn_message(run_a, first)).fault == static_cast<int>(Fault::refused));
    CHECK(rig.spawner.jobs.empty());

    rig.lease(run_a, first);
    CHECK(rig.free() == 1);
    const auto spawned = rig.start(run_a, first);
    REQUIRE(spawned->has_value());
    const auto& bound = (**spawned).as<wire::Spawned>()->jobs;
    REQUIRE(bound.size() == 1);
    const auto wired = rig.request(wire::Wire{run_a, first, {{bound[0].job, {{at("c"), at("d"), {}}}, {}}}});
    CHECK_FALSE(wired->has_value());
    rig.spawner.jobs[0]->say(wire::JobLinked{});
    rig.loop.run_ready();
    CHECK(wired->value().is<wire::Done>());

    const auto drained = rig.request(wire::Drain{run_a, first});
    rig.spawner.jobs[0]->say(wire::JobDrained{});
    rig.spawner.jobs[0]->exit({0, 0});
    rig.loop.run_ready();
    REQUIRE(drained->has_value());
    CHECK((**drained).as<wire::Drained>()->jobs.size() == 1);
    rig.ask<wire::Done>(wire::Release{run_a, first});
    CHECK(rig.free() == 2);
    CHECK(rig.board->jobs() == 0);
}

TEST_CASE("a lease that is not renewed takes its jobs along") {
    Rig rig;
    rig.lease(run_a, first);
    rig.start(run_a, first);
    for (int second_number = 0; second_number < 5; ++second_number) {
        rig.loop.run_for(1s);
        CHECK(rig.ask<wire::Reserved>(wire::Renew{run_a, first}).granted);
    }
    CHECK(rig.spawner.alive() == 1);
    rig.loop.run_for(2999ms);
    CHECK(rig.spawner.alive() == 1);
    rig.loop.run_for(1ms);
    CHECK(rig.spawner.alive() == 0);
    CHECK(rig.free() == 2);
    rig.ask<wire::Refused>(wire::Renew{run_a, first});
}

TEST_CASE("a board that slept ends its leases before it reads what came meanwhile") {
    Rig rig;
    rig.lease(run_a, first);
    rig.start(run_a, first);
    rig.loop.sleep(10s);
    rig.ask<wire::Refused>(wire::Renew{run_a, first});
    CHECK(rig.spawner.alive() == 0);
}

TEST_CASE("slots of jobs that take their time to die stay taken") {
    Rig rig;
    rig.lease(run_a, first, 2);
    rig.start(run_a, first);
    rig.spawner.jobs[0]->dies_when_killed = false;
    const auto released = rig.request(wire::Release{run_a, first});
    rig.loop.run_for(1s);
    CHECK_FALSE(released->has_value());
    CHECK(rig.free() == 0);
    CHECK_FALSE(rig.ask<wire::Reserved>(wire::Reserve{run_b, 2, first, 1, {{0, 0, "cpu0"}}}).granted);
    rig.spawner.jobs[0]->exit({-1, 9});
    rig.loop.run_ready();
    CHECK(released->value().is<wire::Done>());
    REQUIRE(rig.courier.asked.size() == 1);
    CHECK(rig.courier.asked[0].to == coordinator);
    CHECK(rig.courier.asked[0].body.as<wire::Grant>()->run == run_b);
}

TEST_CASE("a spawn that fails frees the slots of its jobs before it is answered") {
    Rig rig;
    rig.lease(run_a, first);
    const auto spawned = rig.request(rig.spawn_message(run_a, first));
    CHECK_FALSE(spawned->has_value());
    rig.spawner.jobs[0]->exit({3, 0}, "bad luck");
    rig.loop.run_ready();
    REQUIRE(spawned->has_value());
    CHECK((**spawned).as<wire::Refused>()->reason == "position 0 replica 0 ('first'): exit code 3");
    REQUIRE(rig.courier.asked.size() == 1);
    CHECK(rig.courier.asked[0].body.as<wire::JobLost>()->last_words == "bad luck");
    CHECK_FALSE(rig.board->leases().rows().at(0).jobs);
}

TEST_CASE("a lost job is told to the coordinator of its run") {
    Rig rig;
    rig.lease(run_a, first);
    rig.start(run_a, first);
    rig.spawner.jobs[0]->exit({-1, 9}, "last words");
    REQUIRE(rig.courier.asked.size() == 1);
    CHECK(rig.courier.asked[0].to == coordinator);
    CHECK(*rig.courier.asked[0].body.as<wire::JobLost>() ==
          wire::JobLost{{run_a, first, 0, 0}, "b1", false, 0, "signal 9 (SIGKILL)", "last words"});
}

TEST_CASE("the next wiring kills the jobs of the one before") {
    Rig rig;
    rig.lease(run_a, first);
    rig.start(run_a, first);
    rig.lease(run_a, second);
    CHECK(rig.spawner.alive() == 0);
    rig.start(run_a, second);
    CHECK(rig.spawner.alive() == 1);
    CHECK(rig.ask<wire::Refused>(rig.spawn_message(run_a, first)).fault == static_cast<int>(Fault::refused));
    CHECK(rig.courier.asked.empty());
}

TEST_CASE("missing packages are fetched before the jobs start, and the lease is looked at again") {
    Rig rig;
    const auto package = pack_archive(small_manifest(), small_files()).value();
    rig.lease(run_a, first);
    auto spawned = rig.request(rig.spawn_message(run_a, first, package.id));
    CHECK(rig.doors_knocked == std::vector{address_at("source")});
    CHECK(rig.spawner.jobs.empty());

    SUBCASE("it comes") {
        rig.source_gives(package);
        REQUIRE(rig.spawner.jobs.size() == 1);
        const auto* config = rig.spawner.jobs[0]->last<wire::JobConfig>();
        CHECK(config->package_dir == "/store/" + package.id);
        rig.loop.run_ready();
        CHECK(rig.published.back().overlays == std::vector{package.id});
        rig.ask<wire::Done>(wire::Release{run_a, first});
        rig.lease(run_b, first);
        rig.request(rig.spawn_message(run_b, first, package.id));
        CHECK(rig.doors_knocked.size() == 1);  // it is here now
    }
    SUBCASE("nobody has it") {
        REQUIRE(rig.asked_of_source.size() == 1);
        rig.asked_of_source.front().second(fail(Fault::not_found, "no such package"));
        rig.loop.run_ready();
        REQUIRE(spawned->has_value());
        CHECK((**spawned).as<wire::Refused>()->reason.find("ipc:///source: no such package") !=
              std::string::npos);
    }
    SUBCASE("the lease ends meanwhile") {
        rig.loop.run_for(3s);
        rig.source_gives(package);
        rig.loop.run_ready();
        REQUIRE(spawned->has_value());
        CHECK((**spawned).is<wire::Refused>());
        CHECK(rig.spawner.jobs.empty());
    }
}

TEST_CASE("the state is published each second and after a change") {
    Rig rig;
    REQUIRE(rig.published.size() == 1);
    CHECK(rig.published[0] == wire::BoardState{{{"cpu0", "soft", 2, true, ""}}, {2}, {}, 7, {}, {"copy"}});
    rig.loop.run_for(1s);
    CHECK(rig.published.size() == 2);
    rig.lease(run_a, first);
    REQUIRE(rig.published.size() == 3);  // COMMIT changed nothing that is published
    CHECK(rig.published[2].slots_free == std::vector<std::uint32_t>{1});
    rig.loop.run_for(999ms);
    CHECK(rig.published.size() == 3);
    rig.loop.run_for(1ms);
    CHECK(rig.published.size() == 4);
}

TEST_CASE("what is no board's business is left alone") {
    Rig rig;
    bool answered = false;
    Reply reply = [&](const wire::Body&) { answered = true; };
    CHECK_FALSE(rig.board->serve(coordinator, wire::Query{}, reply));
    CHECK_FALSE(answered);
    CHECK(reply);
}
