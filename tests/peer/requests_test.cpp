#include "runtime/peer/requests.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "tests/fakes/sim_network.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

const PeerId alice{std::string(32, 'a')};
const PeerId bob{std::string(32, 'b')};

struct Pair {
    explicit Pair(std::uint64_t seed = 1, SimNetworkOptions options = {}) : network(world, seed, options) {
        network.add(alice);
        network.add(bob).requests().serve([this](const PeerId& from, const wire::Body& body, Reply reply) {
            ++handled;
            last_from = from;
            last = body;
            if (auto_answer)
                reply(wire::Done{});
            else
                held = reply;
        });
    }
    void ask(wire::Body body, Duration deadline) {
        network.peer(alice).requests().ask(bob, std::move(body), deadline, [this](Result<wire::Body> result) {
            ++answers;
            answered_at = world.now();
            outcome = std::move(result);
        });
    }

    SimLoop world;
    SimNetwork network;
    int handled = 0;
    int answers = 0;
    bool auto_answer = true;
    PeerId last_from;
    wire::Body last;
    Reply held;
    TimePoint answered_at;
    std::optional<Result<wire::Body>> outcome;
};

}  // namespace

TEST_CASE("a question is answered once, by the one asked") {
    Pair pair(1, {.encode = true});
    pair.ask(wire::Renew{{std::string(32, '1')}, {2, 3}}, 1s);
    pair.world.run_for(10s);
    CHECK(pair.handled == 1);
    CHECK(pair.last_from == alice);
    CHECK(pair.last == wire::Body{wire::Renew{{std::string(32, '1')}, {2, 3}}});
    CHECK(pair.answers == 1);
    CHECK(pair.outcome->value() == wire::Body{wire::Done{}});
    CHECK(pair.network.counters().sent == 2);
}

TEST_CASE(
    "nobody answers: repeated in growing intervals, then an error that says who, what, how often, how long") {
    Pair pair;
    std::vector<std::int64_t> sent_ms;
    const auto start = pair.world.now();
    pair.network.on_send = [&](auto&&...) {
        sent_ms.push_back(
            std::chrono::duration_cast<std::chrono::milliseconds>(pair.world.now() - start).count());
        return true;
    };
    pair.network.peer(alice).requests().name_peers([](const PeerId&) { return "board kria"; });
    pair.ask(wire::Commit{}, 2s);
    pair.world.run_for(1999ms);
    CHECK(pair.answers == 0);
    pair.world.run_for(1ms);
    CHECK(pair.answers == 1);
    CHECK(sent_ms == std::vector<std::int64_t>{0, 50, 150, 350, 750, 1250, 1750});
    CHECK(pair.outcome->error().fault == Fault::timed_out);
    CHECK(pair.outcome->error().message == "board kria did not answer COMMIT within 2.00 s (asked 7 times)");
    pair.world.run_for(60s);
    CHECK(pair.answers == 1);
}

TEST_CASE("what is large is repeated after the time that it may take, not before; after a new connection at once") {
    Pair pair;
    std::vector<std::int64_t> sent_ms;
    const auto start = pair.world.now();
    pair.network.on_send = [&](auto&&...) {
        sent_ms.push_back(
            std::chrono::duration_cast<std::chrono::milliseconds>(pair.world.now() - start).count());
        return true;
    };
    auto& requests = pair.network.peer(alice).requests();
    SUBCASE("a question") {
        requests.ask(bob, wire::Offer{{"p", 0, 131'072, std::string(131'072, 'x')}}, 60s, [](auto&&) {});
    }
    SUBCASE("an answer") {
        requests.ask(bob, wire::Fetch{"p", 0}, 60s, [](auto&&) {});
    }
    pair.world.run_for(500ms);
    CHECK(sent_ms.size() == 1);
    requests.reconnected();
    CHECK(sent_ms.size() == 2);
    pair.world.run_for(5s);
    CHECK(sent_ms.size() >= 3);
    CHECK(sent_ms.size() <= 5);
}

TEST_CASE("large questions that wait for each other are given the time of all of them") {
    Pair pair;
    std::size_t sent = 0;
    pair.network.on_send = [&](auto&&...) { return ++sent > 0; };
    for (int i = 0; i < 8; ++i)
        pair.network.peer(alice).requests().ask(
            bob, wire::Offer{{"p", 0, 131'072, std::string(131'072, 'x')}}, 60s, [](auto&&) {});
    pair.world.run_for(540ms);
    CHECK(sent == 8);
    pair.world.run_for(1s);
    CHECK(sent <= 11);
}

TEST_CASE("a repeated request reaches the handler once, and its answer is given again") {
    Pair pair;
    int lost = 3;
    pair.network.on_send = [&](const PeerId& from, auto&&...) { return from == bob && lost-- > 0; };
    pair.ask(wire::Query{}, 5s);
    pair.world.run_for(5s);
    CHECK(pair.handled == 1);
    CHECK(pair.answers == 1);
    CHECK(pair.outcome->has_value());
    CHECK(pair.network.peer(bob).requests().counters().repeated == 3);
}

TEST_CASE("a request in progress is not handed over again, and may be answered late or never") {
    Pair pair;
    pair.auto_answer = false;
    pair.ask(wire::Query{}, 5s);
    pair.world.run_for(3s);
    CHECK(pair.handled == 1);
    CHECK(pair.answers == 0);
    pair.held(wire::Done{});
    pair.held(wire::Refused{});  // the second one does nothing
    pair.world.run_for(1s);
    CHECK(pair.outcome->has_value());

    pair.ask(wire::Query{}, 2s);
    pair.world.run_for(100ms);
    pair.held = nullptr;  // dropped
    pair.world.run_for(3s);
    CHECK(pair.handled == 2);
    CHECK(pair.answers == 2);
    CHECK(pair.outcome->error().fault == Fault::timed_out);
}

TEST_CASE("a refusal is an error with its fault and reason") {
    Pair pair;
    pair.auto_answer = false;
    pair.ask(wire::Query{}, 5s);
    pair.world.run_for(10ms);
    pair.held(refused({Fault::not_found, "no such run"}));
    pair.world.run_for(10ms);
    CHECK(pair.outcome->error().fault == Fault::not_found);
    CHECK(pair.outcome->error().message == "no such run");
    CHECK(to_error(wire::Refused{200, ""}).fault == Fault::failed);
}

TEST_CASE("what no receiver would take is not sent: the asker is told at once") {
    Pair pair(1, {.encode = true});
    wire::Refused large{1, std::string(70 * 1024, 'x')};
    pair.ask(large, 10s);
    CHECK(pair.answers == 0);  // not from within ask()
    pair.world.run_for(1ms);
    REQUIRE(pair.answers == 1);
    CHECK(pair.handled == 0);
    CHECK(pair.outcome->error().fault == Fault::invalid_input);
    CHECK(pair.outcome->error().message.find("REFUSED of 7") == 0);

    // The same for an answer: the asker learns why it gets none.
    pair.auto_answer = false;
    pair.ask(wire::Renew{}, 10s);
    pair.world.run_for(10ms);
    REQUIRE(pair.held);
    pair.held(large);
    pair.world.run_for(10ms);
    REQUIRE(pair.answers == 2);
    CHECK(pair.outcome->error().message.find("more than the 65536 that a receiver takes") !=
          std::string::npos);
}

TEST_CASE("a peer that is gone ends its questions at once") {
    Pair pair;
    pair.network.kill(bob);
    pair.ask(wire::Query{}, 5s);
    pair.world.run_for(60ms);
    pair.network.peer(alice).requests().forget(bob, "its process ended");
    CHECK(pair.answers == 1);
    CHECK(pair.outcome->error().fault == Fault::unreachable);
    CHECK(pair.outcome->error().message ==
          "peer bbbbbbbb is gone (its process ended): no answer to QUERY (asked 2 times in 0.06 s)");
}

TEST_CASE("where there is no way any more, what is asked ends with that, then and later") {
    Pair pair;
    pair.network.kill(bob);
    pair.ask(wire::Query{}, 5s);
    pair.ask(wire::Check{}, 5s);
    pair.world.run_for(60ms);
    pair.network.peer(alice).requests().bar({Fault::refused, "it is barred"});
    CHECK(pair.answers == 2);
    pair.ask(wire::Query{}, 5s);
    CHECK(pair.answers == 2);  // not from within ask
    pair.world.run_for(1ms);
    CHECK(pair.answers == 3);
    CHECK(pair.outcome->error().message == "it is barred");
}

TEST_CASE("answers from somebody else, or to nothing, are late") {
    Pair pair;
    pair.auto_answer = false;
    std::uint64_t number = 0;
    pair.network.on_send = [&](const PeerId&, const PeerId&, const wire::Envelope& envelope,
                               const wire::Body&) {
        number = envelope.request;
        return false;
    };
    pair.ask(wire::Query{}, 5s);
    auto& requests = pair.network.peer(alice).requests();
    requests.receive({{std::string(32, 'c')}, number, true, 1}, wire::Done{});
    requests.receive({bob, number + 999, true, 1}, wire::Done{});
    CHECK(requests.counters().late == 2);
    CHECK(pair.answers == 0);
    requests.receive({bob, number, true, 1}, wire::Done{});
    CHECK(pair.answers == 1);
}

TEST_CASE("answers are remembered for 60 s, within a bound of bytes") {
    Pair pair;
    auto& requests = pair.network.peer(bob).requests();
    int handled = 0;
    std::size_t bytes = 10;
    requests.serve([&](const PeerId&, const wire::Body&, const Reply& reply) {
        ++handled;
        wire::RunState large;
        large.reason = std::string(bytes, 'x');
        reply(large);
    });
    requests.receive({alice, 1, false, 0}, wire::Query{});
    pair.world.run_for(59s);
    requests.receive({alice, 1, false, 0}, wire::Query{});
    CHECK(handled == 1);
    pair.world.run_for(2s);
    requests.receive({alice, 1, false, 0}, wire::Query{});
    CHECK(handled == 2);

    bytes = (1u << 20) - 4096;
    for (std::uint64_t number = 100; number < 120; ++number)
        requests.receive({alice, number, false, 0}, wire::Query{});
    CHECK(handled == 22);
    requests.receive({alice, 119, false, 0}, wire::Query{});  // still remembered
    CHECK(handled == 22);
    requests.receive({alice, 100, false, 0}, wire::Query{});  // had to make room
    CHECK(handled == 23);
}

TEST_CASE("what only tells what is there is told anew to who asks again") {
    Pair pair;
    auto& requests = pair.network.peer(bob).requests();
    int handled = 0;
    wire::Body answer = wire::Status{};
    requests.serve([&](const PeerId&, const wire::Body&, const Reply& reply) {
        ++handled;
        reply(answer);
    });
    for (const auto& [number, large] : {std::pair{1u, wire::Body(wire::Status{})}, {2u, wire::Piece{}}}) {
        answer = large;
        handled = 0;
        requests.receive({alice, number, false, 0}, wire::Query{});
        requests.receive({alice, number, false, 0}, wire::Query{});
        CHECK(handled == 2);
    }
}

TEST_CASE("Lamport clocks go on from what they have seen, but not for a liar") {
    Pair pair;
    auto& ours = pair.network.peer(alice).requests();
    ours.witness(1000);
    CHECK(ours.next_lamport() == 1001);
    pair.ask(wire::Query{}, 1s);
    pair.world.run_for(1s);
    CHECK(pair.network.peer(bob).requests().next_lamport() > 1001);
    CHECK(ours.lamport() > 1002);
    ours.witness(~0ull);
    CHECK(ours.lamport() < 2000);
}

TEST_CASE("messages that want no answer reach the handler without a reply") {
    Pair pair;
    pair.auto_answer = false;
    pair.held = [](wire::Body) {};
    pair.network.peer(alice).requests().tell(bob, wire::Leave{});
    pair.world.run_for(1s);
    CHECK(pair.last == wire::Body{wire::Leave{}});
    CHECK_FALSE(pair.held);
}

TEST_CASE("a process that slept finds its deadlines past before it reads what came") {
    Pair pair;
    pair.ask(wire::Query{}, 1s);
    pair.network.stop(alice);
    pair.world.run_for(3s);
    CHECK(pair.handled == 1);
    CHECK(pair.answers == 0);
    pair.network.wake(alice);
    pair.world.run_for(1ms);
    CHECK(pair.outcome->error().fault == Fault::timed_out);
    CHECK(pair.network.peer(alice).requests().counters().late == 1);
}

TEST_CASE(
    "over a bad network every question is answered exactly once and handled exactly once, by any seed") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Pair pair(seed, {.loss = 0.3, .repetition = 0.3, .longest_delay = 100ms, .encode = seed % 4 == 0});
        for (int i = 0; i < 5; ++i)
            pair.ask(wire::Query{}, 50s);
        pair.world.run_for(60s);
        CHECK(pair.handled == 5);
        CHECK(pair.answers == 5);
        CHECK(pair.outcome->has_value());
    }
}

TEST_CASE("the same seed gives the same run") {
    const auto run = [](std::uint64_t seed) {
        Pair pair(seed, {.loss = 0.3, .repetition = 0.1, .longest_delay = 100ms});
        for (int i = 0; i < 5; ++i)
            pair.ask(wire::Query{}, 50s);
        pair.world.run_for(60s);
        return std::pair{pair.answered_at, pair.network.counters().sent};
    };
    CHECK(run(5) == run(5));
    CHECK(run(5) != run(6));
}

TEST_CASE("what a process asks itself is handled once, however late it answers, and needs no memory afterwards") {
    SimLoop world;
    std::vector<std::pair<wire::Envelope, wire::Body>> sent;
    std::unique_ptr<Requests> requests;
    requests = std::make_unique<Requests>(world, alice, [&](const PeerId&, const wire::Envelope& envelope, const wire::Body& body) {
        sent.emplace_back(envelope, body);
        world.post([&requests, envelope, body] { requests->receive(envelope, body); });
    });
    int handled = 0, answered = 0;
    requests->serve([&](const PeerId&, const wire::Body&, Reply reply) {
        ++handled;
        world.call_after(400ms, [reply] { reply(wire::Done{}); });
    });
    requests->ask(alice, wire::Leave{}, 5s, [&](const Result<wire::Body>& result) { answered += result.has_value(); });
    world.run_for(2s);
    CHECK(sent.size() > 2);  // it was repeated
    CHECK(handled == 1);
    CHECK(answered == 1);
    requests->receive(sent.front().first, sent.front().second);  // a late repeat
    CHECK(handled == 1);
}
