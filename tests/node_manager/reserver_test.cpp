#include "runtime/node_manager/reserver.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <set>

#include "runtime/node_manager/leases.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "tests/fakes/sim_loop.hpp"
#include "tests/fakes/sim_network.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

// Keeps every question until the test answers it.
class HeldCourier final : public Courier {
  public:
    struct Question {
        PeerId to;
        wire::Body body;
        Duration deadline;
        Answer answer;
    };
    void ask(const PeerId& to, wire::Body body, Duration deadline, Answer answer) override {
        questions.push_back({to, std::move(body), deadline, std::move(answer)});
    }
    std::deque<Question> questions;
};

// A reserver of run "r" (ticket 7) on boards "a" and "b"; its events land in `log`.
struct Fixture {
    SimLoop loop;
    HeldCourier courier;
    std::vector<std::string> log;
    std::unique_ptr<Reserver> reserver =
        std::make_unique<Reserver>(loop, courier, RunId{"r"}, 7,
                                   Reserver::Events{[this] { log.push_back("reserved"); },
                                                    [this](const PeerId& board, const Error& why) {
                                                        log.push_back("lost " + board.hex);
                                                        last_why = why;
                                                    },
                                                    [this](const Error&) { log.push_back("overslept"); },
                                                    [this](const std::string& why) { log.push_back(why); }});
    Error last_why;

    static std::map<PeerId, std::vector<wire::SlotRequest>> on(const std::string& boards) {
        std::map<PeerId, std::vector<wire::SlotRequest>> wanted;
        for (char board : boards)
            wanted[{std::string(1, board)}] = {{0, 0, "cpu0"}};
        return wanted;
    }
    // What is being asked now, as "RESERVE a; RESERVE b; ".
    std::string asked() const {
        std::string all;
        for (const auto& question : courier.questions)
            all += std::string(wire::name_of(question.body)) + " " + question.to.hex + "; ";
        return all;
    }
    HeldCourier::Question take(const std::string& name, const std::string& to) {
        for (auto at = courier.questions.begin(); at != courier.questions.end(); ++at) {
            if (at->to.hex != to || wire::name_of(at->body) != name) continue;
            auto question = std::move(*at);
            courier.questions.erase(at);
            return question;
        }
        FAIL("nobody asked " << name << " of " << to << ", only " << asked());
        return {};
    }
    template <typename Message>
    Message take(const std::string& to) {
        return *take(Message::name, to).body.template as<Message>();
    }
    void answer(const std::string& name, const std::string& to, Result<wire::Body> said) {
        take(name, to).answer(std::move(said));
    }
    void granted(const std::string& to, std::uint64_t decision) {
        answer("RESERVE", to, wire::Reserved{true, decision});
    }
    void queued(const std::string& to, std::uint64_t decision) {
        answer("RESERVE", to, wire::Reserved{false, decision});
    }
    std::string grant(const std::string& from, std::uint64_t decision, Epoch epoch = {1, 0}) {
        return wire::name_of(reserver->on_grant({from}, {{"r"}, epoch, decision}));
    }
    std::string wound(const std::string& from, std::uint64_t decision, Epoch epoch = {1, 0}) {
        return wire::name_of(reserver->on_wounded({from}, {{"r"}, epoch, decision}));
    }
    void make_firm(const std::string& boards, Epoch epoch = {1, 0}) {
        reserver->reserve(epoch, on(boards));
        for (char board : boards)
            granted(std::string(1, board), 1);
        for (char board : boards)
            answer("COMMIT", std::string(1, board), wire::Done{});
        REQUIRE(reserver->firm());
        REQUIRE(take_log() == "reserved; ");
    }
    void acknowledge(const std::string& board) { answer("RENEW", board, wire::Reserved{true, 1}); }
    std::string take_log() {
        std::string all;
        for (const auto& line : std::exchange(log, {}))
            all += line + "; ";
        return all;
    }
};

Result<wire::Body> refusal() {
    return fail(Fault::refused, "no");
}
Result<wire::Body> silence() {
    return fail(Fault::timed_out, "nobody answered");
}

}  // namespace

TEST_CASE("two round trips: RESERVE to all boards, COMMIT of their grants to all boards") {
    Fixture f;
    f.reserver->reserve({1, 0}, Fixture::on("ab"));
    CHECK(f.asked() == "RESERVE a; RESERVE b; ");
    f.granted("b", 4);
    CHECK(f.asked() == "RESERVE a; ");
    CHECK(f.reserver->waiting_on() == std::vector<PeerId>{{"a"}});
    f.granted("a", 9);
    CHECK(f.asked() == "COMMIT a; COMMIT b; ");
    CHECK(*f.courier.questions[0].body.as<wire::Commit>() == wire::Commit{{"r"}, {1, 0}, 9});
    CHECK(*f.courier.questions[1].body.as<wire::Commit>() == wire::Commit{{"r"}, {1, 0}, 4});
    f.answer("COMMIT", "a", wire::Done{});
    CHECK_FALSE(f.reserver->firm());
    f.answer("COMMIT", "b", wire::Done{});
    CHECK(f.reserver->firm());
    CHECK(f.take_log() == "reserved; ");
}

TEST_CASE("a queued board is waited for, and said so once") {
    Fixture f;
    f.reserver->reserve({1, 0}, Fixture::on("ab"));
    f.queued("a", 1);
    f.granted("b", 1);
    CHECK(f.take_log() == "queued behind other runs on 1 of 2 boards: a; ");
    CHECK(f.asked().empty());
    CHECK(f.grant("a", 2) == "DONE");
    CHECK(f.asked() == "COMMIT a; COMMIT b; ");
}

TEST_CASE("the higher decision counts, in whatever order they arrive") {
    Fixture f;
    f.reserver->reserve({1, 0}, Fixture::on("a"));
    SUBCASE("a GRANT before the answer that it was queued") {
        f.grant("a", 3);
        CHECK(f.asked() == "RESERVE a; ");  // not before this round's RESERVE has arrived there
        f.queued("a", 2);
        CHECK(f.take<wire::Commit>("a").decision == 3);
    }
    SUBCASE("a WOUNDED before the answer that it was granted") {
        f.wound("a", 3);
        f.granted("a", 2);
        CHECK(f.asked().empty());
        f.grant("a", 4);
        CHECK(f.take<wire::Commit>("a").decision == 4);
    }
    SUBCASE("a WOUNDED that was overtaken by the next GRANT") {
        f.queued("a", 1);
        f.grant("a", 4);
        CHECK(f.wound("a", 3) == "DONE");
        f.answer("COMMIT", "a", wire::Done{});
        CHECK(f.take_log().find("reserved") != std::string::npos);
    }
    SUBCASE("a GRANT that was lost is made up for by the answer to RENEW") {
        f.queued("a", 1);
        f.loop.run_for(1s);
        f.answer("RENEW", "a", wire::Reserved{true, 2});
        CHECK(f.take<wire::Commit>("a").decision == 2);
    }
}

TEST_CASE("wounded before the COMMITs: waits for the next grant") {
    Fixture f;
    f.reserver->reserve({1, 0}, Fixture::on("ab"));
    f.granted("a", 1);
    CHECK(f.wound("a", 2) == "DONE");
    f.granted("b", 1);
    CHECK(f.asked().empty());
    f.grant("a", 3);
    CHECK(f.asked() == "COMMIT a; COMMIT b; ");
}

TEST_CASE(
    "wounded among the COMMITs, or one refused: the next round, and late answers of the old one are "
    "nothing") {
    Fixture f;
    f.reserver->reserve({1, 0}, Fixture::on("ab"));
    f.granted("a", 1);
    f.granted("b", 1);
    auto late = f.take("COMMIT", "a");
    SUBCASE("wounded") {
        f.wound("b", 2);
    }
    SUBCASE("refused") {
        f.answer("COMMIT", "b", refusal());
    }
    CHECK(f.take<wire::Reserve>("a").round == 1);
    CHECK(f.take<wire::Reserve>("b").round == 1);
    const auto before = f.asked();
    late.answer(wire::Done{});
    CHECK(f.asked() == before);
    CHECK_FALSE(f.reserver->firm());
}

TEST_CASE("a refused RESERVE is a loss, and the others are kept") {
    Fixture f;
    f.reserver->reserve({1, 0}, Fixture::on("ab"));
    f.granted("a", 1);
    f.answer("RESERVE", "b", refusal());
    CHECK(f.take_log() == "lost b; ");
    CHECK(f.last_why.message == "no");
    CHECK(f.asked().empty());
    f.loop.run_for(1s);
    CHECK(f.asked() == "RENEW a; ");
}

TEST_CASE("leases are renewed each second, and lost 3 s after the last acknowledged renewal") {
    Fixture f;
    f.make_firm("ab");
    for (int second = 0; second < 5; ++second) {
        f.loop.run_for(1s);
        f.acknowledge("a");
        f.acknowledge("b");
    }
    f.loop.run_for(1s);
    f.acknowledge("a");
    f.take("RENEW", "b").answer(silence());
    f.loop.run_for(1s);
    f.acknowledge("a");
    CHECK(f.take_log().empty());
    f.loop.run_for(999ms);
    CHECK(f.take_log().empty());
    f.loop.run_for(1ms);
    CHECK(f.take_log() == "lost b; ");
    CHECK_FALSE(f.reserver->firm());
    CHECK(f.last_why.fault == Fault::timed_out);
    f.acknowledge("a");
    f.loop.run_for(1s);
    f.acknowledge("a");
    CHECK(f.take_log().empty());  // once
}

TEST_CASE("a renewal that is acknowledged late counts from when it was sent") {
    Fixture f;
    f.make_firm("a");
    f.loop.run_for(1s);
    auto first = f.take("RENEW", "a");
    f.loop.run_for(1900ms);
    first.answer(wire::Reserved{true, 1});
    f.loop.run_for(1s);
    CHECK(f.take_log().empty());
    f.loop.run_for(100ms);
    CHECK(f.take_log() == "lost a; ");
}

TEST_CASE("a refused renewal of a firm lease is a loss; of a waiting one it asks again") {
    Fixture f;
    SUBCASE("firm") {
        f.make_firm("ab");
        f.loop.run_for(1s);
        f.answer("RENEW", "b", refusal());
        CHECK(f.take_log() == "lost b; ");
    }
    SUBCASE("queued") {
        f.reserver->reserve({1, 0}, Fixture::on("ab"));
        f.granted("a", 1);
        f.queued("b", 1);
        f.take_log();
        f.loop.run_for(1s);
        f.answer("RENEW", "b", refusal());
        CHECK(f.take_log().empty());
        CHECK(f.take<wire::Reserve>("a").round == 1);
        CHECK(f.take<wire::Reserve>("b").round == 1);
    }
}

TEST_CASE("an unreachable board is lost at once") {
    Fixture f;
    f.make_firm("ab");
    f.loop.run_for(1s);
    f.answer("RENEW", "a", fail(Fault::unreachable, "gone"));
    CHECK(f.take_log() == "lost a; ");
}

TEST_CASE("who slept 3 s ends its attempt, whichever comes first") {
    Fixture f;
    f.make_firm("a");
    f.loop.run_for(500ms);
    SUBCASE("the timer") {
        f.loop.sleep(3s);
        f.loop.run_ready();
    }
    SUBCASE("a message") {
        f.loop.sleep(3s);
        CHECK(f.grant("a", 5) == "REFUSED");
    }
    CHECK(f.take_log() == "overslept; ");
    CHECK_FALSE(f.reserver->firm());
    f.loop.run_for(10s);
    f.reserver->reserve({1, 1}, Fixture::on("a"));
    CHECK(f.asked().empty());
    CHECK(f.take_log().empty());
    f.reserver->release([&] { f.log.push_back("released"); });
    f.answer("RELEASE", "a", wire::Done{});
    f.loop.run_ready();
    CHECK(f.take_log() == "released; ");
}

TEST_CASE("who slept a little renews at once, and reads its queue before it counts a board as silent") {
    Fixture f;
    f.make_firm("a");
    f.loop.run_for(1s);
    auto answer_in_the_queue = f.take("RENEW", "a");
    f.loop.sleep(2900ms);
    f.loop.run_ready();
    CHECK(f.asked() == "RENEW a; ");
    CHECK(f.take_log().empty());
    answer_in_the_queue.answer(wire::Reserved{true, 1});
    f.acknowledge("a");
    f.loop.run_for(1s);
    CHECK(f.take_log().empty());
}

TEST_CASE("a higher epoch asks anew, and releases the boards that it does not want") {
    Fixture f;
    f.make_firm("ab");
    f.reserver->reserve({1, 1}, Fixture::on("bc"));
    CHECK(f.asked() == "RELEASE a; RESERVE b; RESERVE c; ");
    CHECK(f.take<wire::Release>("a").epoch == Epoch{1, 1});
    CHECK(f.grant("b", 9, {1, 0}) == "REFUSED");  // of the epoch before
    CHECK(f.take<wire::Reserve>("b") == wire::Reserve{{"r"}, 7, {1, 1}, 0, {{0, 0, "cpu0"}}});
    f.granted("c", 1);
    CHECK(f.asked().empty());
}

TEST_CASE("a board that is gone is asked nothing more, without an event") {
    Fixture f;
    f.make_firm("ab");
    f.reserver->forget({"a"});
    CHECK_FALSE(f.reserver->firm());
    CHECK(f.take_log().empty());
    f.loop.run_for(1s);
    CHECK(f.asked() == "RENEW b; ");
    f.acknowledge("b");
    f.reserver->reserve({1, 1}, Fixture::on("b"));
    CHECK(f.asked() == "RESERVE b; ");
}

TEST_CASE("release is done when every board that was touched has answered") {
    Fixture f;
    f.make_firm("ab");
    f.reserver->reserve({1, 1}, Fixture::on("bc"));
    f.take("RESERVE", "b");
    f.courier.questions.clear();
    f.reserver->release([&] { f.log.push_back("released"); });
    CHECK(f.asked() == "RELEASE a; RELEASE b; RELEASE c; ");
    CHECK(f.courier.questions[0].deadline == 5s);
    f.answer("RELEASE", "a", wire::Done{});
    f.answer("RELEASE", "b", silence());
    f.loop.run_for(4s);
    CHECK(f.take_log().empty());
    CHECK(f.asked() == "RELEASE c; ");  // no renewals
    SUBCASE("the last answers") {
        f.answer("RELEASE", "c", refusal());
    }
    SUBCASE("the last is gone") {
        f.reserver->forget({"c"});
    }
    f.loop.run_ready();
    CHECK(f.take_log() == "released; ");
    f.reserver->release([&] { f.log.push_back("again"); });
    f.loop.run_ready();
    CHECK(f.take_log() == "again; ");
}

TEST_CASE("releasing what was never reserved is done at once") {
    Fixture f;
    f.reserver->release([&] { f.log.push_back("released"); });
    CHECK(f.take_log().empty());  // on the loop, not from within
    f.loop.run_ready();
    CHECK(f.take_log() == "released; ");
    CHECK(f.grant("a", 1) == "REFUSED");
}

TEST_CASE("a reserver that is gone leaves nothing behind") {
    Fixture f;
    f.reserver->reserve({1, 0}, Fixture::on("ab"));
    auto late = f.take("RESERVE", "a");
    f.reserver.reset();
    late.answer(wire::Reserved{true, 1});
    f.loop.run_for(10s);
    CHECK(f.asked() == "RESERVE b; ");
    CHECK(f.take_log().empty());
    CHECK(f.loop.pending_timers() == 0);
}

TEST_CASE("an event may destroy the reserver") {
    SimLoop loop;
    HeldCourier courier;
    std::unique_ptr<Reserver> reserver;
    int lost = 0;
    reserver = std::make_unique<Reserver>(loop, courier, RunId{"r"}, 7,
                                          Reserver::Events{[&] { reserver.reset(); },
                                                           [&](const PeerId&, const Error&) {
                                                               ++lost;
                                                               reserver.reset();
                                                           },
                                                           [&](const Error&) { reserver.reset(); },
                                                           [&](const std::string&) { reserver.reset(); }});
    reserver->reserve({1, 0}, Fixture::on("ab"));
    SUBCASE("reserved") {
        for (std::size_t q = 0; q < 4; ++q) {
            auto answer = courier.questions[q].answer;
            answer(q < 2 ? wire::Body(wire::Reserved{true, 1}) : wire::Body(wire::Done{}));
        }
    }
    SUBCASE("lost by silence") {
        loop.run_for(5s);
        CHECK(lost == 1);
    }
    SUBCASE("overslept") {
        loop.sleep(5s);
        loop.run_ready();
    }
    SUBCASE("waiting") {
        auto answer = courier.questions[0].answer;
        answer(wire::Body(wire::Reserved{false, 1}));
    }
    CHECK(!reserver);
    CHECK(loop.pending_timers() == 0);
}

// ---- both sides together

namespace {

// Boards with one slot each, and a coordinator of every run, over a network without faults.
struct Cluster {
    SimLoop world;
    SimNetwork network{world, 1};
    std::map<PeerId, std::unique_ptr<LeaseTable>> tables;
    std::map<RunId, std::unique_ptr<Reserver>> reservers;
    std::map<PeerId, std::vector<wire::SlotRequest>> all_boards;
    std::vector<std::uint64_t> started;  // tickets

    Cluster(int boards) {
        for (int b = 0; b < boards; ++b) {
            auto& peer = network.add({"b" + std::to_string(b)});
            all_boards[peer.id()] = {{0, 0, "cpu0"}};
            auto& table = tables[peer.id()];
            auto tell = [&peer](const PeerId& to, const auto& what) {
                peer.requests().ask(to, what, lease_time, [](const Result<wire::Body>&) {});
            };
            table =
                std::make_unique<LeaseTable>(std::vector<wire::DeviceState>{{"cpu0", "soft", 1, true, ""}},
                                             LeaseTable::Effects{tell, tell, [](const RunId&, Epoch) {}});
            peer.requests().serve(
                [&peer, &table = *table](const PeerId& from, const wire::Body& body, Reply reply) {
                    const auto now = peer.loop().now();
                    if (auto* reserve = body.as<wire::Reserve>()) reply(table.reserve(from, *reserve, now));
                    if (auto* commit = body.as<wire::Commit>()) reply(table.commit(from, *commit, now));
                    if (auto* renew = body.as<wire::Renew>()) reply(table.renew(from, *renew, now));
                    if (auto* release = body.as<wire::Release>()) table.release(from, *release, now, reply);
                });
        }
    }
    void submit(std::uint64_t ticket, Duration work) {
        auto& peer = network.add({"c" + std::to_string(ticket)});
        const RunId run{"run" + std::to_string(ticket)};
        auto& reserver = reservers[run];
        auto reserved = [this, ticket, work, &peer, &reserver] {
            started.push_back(ticket);
            peer.loop().call_after(work, [&reserver] { reserver->release([] {}); });
        };
        auto lost = [](const PeerId& board, const Error& why) {
            FAIL("lost " << board.hex << ": " << why.message);
        };
        reserver = std::make_unique<Reserver>(
            peer.loop(), peer.requests(), run, ticket,
            Reserver::Events{reserved, lost, [](const Error&) {}, [](const std::string&) {}});
        peer.requests().serve([&reserver](const PeerId& from, const wire::Body& body, Reply reply) {
            if (auto* grant = body.as<wire::Grant>()) reply(reserver->on_grant(from, *grant));
            if (auto* wounded = body.as<wire::Wounded>()) reply(reserver->on_wounded(from, *wounded));
        });
        reserver->reserve({1, 0}, all_boards);
    }
};

}  // namespace

TEST_CASE("a free cluster is firm after two round trips") {
    Cluster cluster(3);
    const auto begin = cluster.world.now();
    cluster.submit(1, 1h);
    REQUIRE(cluster.world.run_while_not([&] { return !cluster.started.empty(); }, 1s));
    CHECK(cluster.world.now() - begin == 400us);  // the network takes 100 us each way
}

TEST_CASE("20 runs at once that each need all of 3 boards start in the order of their tickets") {
    Cluster cluster(3);
    // All are waiting before the first that holds everything is done.
    cluster.submit(100, 50ms);
    cluster.world.run_for(10ms);
    for (std::uint64_t i = 0; i < 20; ++i)
        cluster.submit(1 + (i * 7) % 20, 30ms);
    cluster.world.run_for(5s);
    REQUIRE(cluster.started.size() == 21);
    CHECK(std::is_sorted(cluster.started.begin() + 1, cluster.started.end()));
    for (const auto& [board, table] : cluster.tables)
        CHECK(table->slots_free() == std::vector<std::uint32_t>{1});
}
