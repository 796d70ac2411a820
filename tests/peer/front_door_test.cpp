#include "runtime/peer/front_door.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "tests/patience.hpp"
#include "tests/peer/newer.hpp"
#include "tests/peer/real_loop.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

struct House {
    House() : door(open()) {
        door->serve([this](const PeerId& from, const wire::Body& body, const Reply& reply) {
            last_visitor = from;
            last = body;
            ++handled;
            if (reply) reply(answer);
        });
    }
    std::unique_ptr<FrontDoor> open() {
        auto opened = FrontDoor::open(loop, sockets, self, directory.endpoint("door"));
        REQUIRE(opened.has_value());
        return std::move(*opened);
    }
    std::unique_ptr<Visitor> knock(const PeerId& visitor) {
        auto knocked = Visitor::knock(loop, sockets, visitor, directory.address("door"));
        REQUIRE(knocked.has_value());
        return std::move(*knocked);
    }

    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    SocketDirectory directory;
    PeerId self{random_hex(16)};
    std::unique_ptr<FrontDoor> door;
    PeerId last_visitor;
    wire::Body last, answer = wire::Done{};
    int handled = 0;
};

}  // namespace

TEST_CASE("a visitor asks and is answered; either side tells without an answer") {
    House house;
    const PeerId me{random_hex(16)};
    const auto visitor = house.knock(me);
    house.answer = wire::Piece{"p", 0, wire::piece_bytes, std::string(wire::piece_bytes, 'x')};
    std::optional<Result<wire::Body>> result;
    visitor->ask(wire::Fetch{"p", 0}, patience(5s), [&](Result<wire::Body> answer) { result = std::move(answer); });
    REQUIRE(run_until(house.loop, [&] { return result.has_value(); }));
    CHECK(result->value() == house.answer);
    CHECK(house.last == wire::Body{wire::Fetch{"p", 0}});
    CHECK(house.last_visitor == me);

    visitor->tell(wire::ClientAlive{{}, 3});
    REQUIRE(run_until(house.loop, [&] { return house.handled == 2; }));
    CHECK(house.last == wire::Body{wire::ClientAlive{{}, 3}});

    std::optional<wire::Body> told;
    visitor->on_message([&](const wire::Body& body) { told = body; });
    house.door->send(me, wire::Leave{});
    house.door->send(PeerId{random_hex(16)}, wire::Leave{});  // nobody: dropped
    REQUIRE(run_until(house.loop, [&] { return told.has_value(); }));
    CHECK(*told == wire::Body{wire::Leave{}});
}

TEST_CASE("a visitor may come before the door is open, and sees it close") {
    House house;
    house.door.reset();
    const auto visitor = house.knock(PeerId{random_hex(16)});
    std::optional<Result<wire::Body>> result;
    int disconnected = 0;
    visitor->on_disconnect([&] { ++disconnected; });
    visitor->ask(wire::Query{}, patience(5s), [&](Result<wire::Body> answer) { result = std::move(answer); });
    CHECK_FALSE(run_until(
        house.loop, [&] { return result.has_value(); }, 30ms));
    house.door = house.open();
    house.door->serve([](const PeerId&, const wire::Body&, const Reply& reply) { reply(wire::Done{}); });
    REQUIRE(run_until(house.loop, [&] { return result.has_value(); }));
    CHECK(result->has_value());
    CHECK(disconnected == 0);
    house.door.reset();
    REQUIRE(run_until(house.loop, [&] { return disconnected > 0; }));
}

TEST_CASE("nobody at home: the error names the endpoint") {
    House house;
    house.door.reset();
    const auto visitor = house.knock(PeerId{random_hex(16)});
    std::optional<Result<wire::Body>> result;
    visitor->ask(wire::Query{}, 60ms, [&](Result<wire::Body> answer) { result = std::move(answer); });
    REQUIRE(run_until(house.loop, [&] { return result.has_value(); }));
    CHECK(result->error().fault == Fault::timed_out);
    CHECK(result->error().message.find(house.directory.endpoint("door").text()) != std::string::npos);
}

TEST_CASE("a visitor may be destroyed in its own answer, and a door in its own handler") {
    House house;
    auto visitor = house.knock(PeerId{random_hex(16)});
    visitor->ask(wire::Query{}, patience(5s), [&](const Result<wire::Body>&) { visitor.reset(); });
    REQUIRE(run_until(house.loop, [&] { return !visitor; }));

    house.door->serve([&](const PeerId&, const wire::Body&, const Reply&) { house.door.reset(); });
    visitor = house.knock(PeerId{random_hex(16)});
    visitor->on_disconnect([&] { visitor.reset(); });
    visitor->tell(wire::Leave{});
    REQUIRE(run_until(house.loop, [&] { return !visitor; }));
    CHECK_FALSE(house.door);
}

TEST_CASE("rubbish at the front door is dropped and counted, and the door stays open") {
    House house;
    auto rude = house.sockets.make(SocketKind::dealer);
    REQUIRE(rude->connect(house.directory.endpoint("door")).has_value());
    const auto throw_in = [&](const std::vector<std::string>& frames) {
        Message message;
        for (const auto& frame : frames)
            message.emplace_back(std::string_view(frame));
        REQUIRE(rude->try_send(message));
    };
    throw_in({""});
    throw_in({"rubbish"});
    throw_in({"a", "b"});
    throw_in({wire::encode({}, wire::Query{})});  // without an id
    throw_in(
        {std::string("\x83\xa1t\xcd\xff\xff\xa1v\x01\xa1"
                     "b\x80",
                     12)});
    const auto visitor = house.knock(PeerId{random_hex(16)});
    std::optional<Result<wire::Body>> result;
    visitor->ask(wire::Query{}, patience(5s), [&](Result<wire::Body> answer) { result = std::move(answer); });
    REQUIRE(run_until(house.loop, [&] {
        const auto counted = house.door->counters();
        return result.has_value() && counted.malformed + counted.unknown == 5;
    }));
    CHECK(house.door->counters().unknown == 1);
    CHECK(house.handled == 1);
}

TEST_CASE("a question of a version that a node manager does not know is refused; one that wants no answer is dropped") {
    House house;
    auto ahead = house.sockets.make(SocketKind::dealer);
    REQUIRE(ahead->connect(house.directory.endpoint("door")).has_value());
    const PeerId me{random_hex(16)};
    const auto say = [&](const std::string& bytes) {
        Message message;
        message.emplace_back(std::string_view(bytes));
        REQUIRE(ahead->try_send(message));
    };
    say(newer(wire::encode({me, 0, false, 3}, wire::Query{})));
    say(newer(wire::encode({me, 6, true, 3}, wire::Done{})));
    say(newer(wire::encode({me, 7, false, 3}, wire::Query{})));
    Message answer;
    REQUIRE(run_until(house.loop, [&] { return ahead->try_receive(answer); }));
    const auto decoded = wire::decode(answer.front().text());
    REQUIRE(decoded);
    CHECK(decoded->envelope.from == house.self);
    CHECK(decoded->envelope.request == 7);
    CHECK(decoded->envelope.answer);
    const auto* no = decoded->body.as<wire::Refused>();
    REQUIRE(no);
    CHECK(no->fault == static_cast<int>(Fault::unsupported));
    CHECK(no->reason == "QUERY of version 9, newer than our 1");
    CHECK(house.handled == 0);
    CHECK(house.door->counters().unknown == 3);
}

TEST_CASE("an answer of a version that a client does not know ends its question with that") {
    House house;
    auto ahead = house.sockets.make(SocketKind::router);
    REQUIRE(ahead->bind(house.directory.endpoint("ahead")).has_value());
    auto visitor = Visitor::knock(house.loop, house.sockets, PeerId{random_hex(16)}, house.directory.address("ahead"));
    REQUIRE(visitor);
    std::optional<Result<wire::Body>> result;
    (*visitor)->ask(wire::Query{}, patience(5s), [&](Result<wire::Body> answer) { result = std::move(answer); });
    Message question;
    REQUIRE(run_until(house.loop, [&] { return ahead->try_receive(question); }));
    const auto asked = wire::decode(question[1].text());
    REQUIRE(asked);
    Message answer;
    answer.emplace_back(question[0].text());
    answer.emplace_back(std::string_view(
        newer(wire::encode({house.self, asked->envelope.request, true, 1}, wire::Status{}))));
    REQUIRE(ahead->try_send(answer));
    REQUIRE(run_until(house.loop, [&] { return result.has_value(); }));
    REQUIRE(!*result);
    CHECK(result->error().fault == Fault::unsupported);
    CHECK(result->error().message.ends_with("answered QUERY with a STATUS of version 9, newer than our 1: it is of a newer fard"));
}

TEST_CASE("HELLO goes to its own handler") {
    House house;
    int hellos = 0;
    house.door->serve_hello([&](const PeerId&, const wire::Body&, const Reply& reply) {
        ++hellos;
        house.door->witness(5000);
        reply(wire::Welcome{});
    });
    const auto visitor = house.knock(PeerId{random_hex(16)});
    std::optional<Result<wire::Body>> result;
    visitor->ask(wire::Hello{}, patience(5s), [&](Result<wire::Body> answer) { result = std::move(answer); });
    REQUIRE(run_until(house.loop, [&] { return result.has_value(); }));
    CHECK(result->value() == wire::Body{wire::Welcome{}});
    CHECK(hellos == 1);
    CHECK(house.handled == 0);
    CHECK(visitor->lamport() > 5000);
}

TEST_CASE("what a key may not ask is said in words, with whose key may") {
    const auto board = KeyPair::make(), ann = KeyPair::make(), eve = KeyPair::make(), node = KeyPair::make();
    const auto ring = KeyRing::open({}).value();
    const auto entry = [](const KeyPair& keys, Role role) {
        return wire::AllowedKey{keys.public_key, static_cast<std::uint8_t>(role), "x", false};
    };
    ring->merge({entry(ann, Role::user), entry(eve, Role::reader), entry(node, Role::node)});
    AsioLoop loop;
    SocketFactory ours(Identity::keyed(board, ring));
    const auto door =
        FrontDoor::open(loop, ours, PeerId{random_hex(16)}, Endpoint::parse("tcp://127.0.0.1:0").value()).value();
    door->serve([](const PeerId&, const wire::Body&, const Reply& reply) {
        if (reply) reply(wire::Done{});
    });
    const auto ask = [&](const KeyPair& keys, wire::Body body) {
        SocketFactory theirs(Identity::keyed(keys, nullptr));
        const auto visitor =
            Visitor::knock(loop, theirs, PeerId{random_hex(16)}, {door->endpoint(), board.public_key}).value();
        std::optional<Result<wire::Body>> answer;
        visitor->ask(std::move(body), patience(10s), [&](Result<wire::Body> came) { answer = std::move(came); });
        REQUIRE(run_until(loop, [&] { return answer.has_value(); }, patience(20s)));
        return *answer ? std::string("done") : answer->error().message;
    };
    const auto says = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };

    CHECK(ask(ann, wire::Submit{}) == "done");
    CHECK(ask(ann, wire::Probe{}) == "done");
    CHECK(ask(ann, wire::Query{}) == "done");
    CHECK(says(ask(ann, wire::Allowed{}), "is that of a user, who may not see or change the cluster's keys; it takes the key of a board"));
    CHECK(says(ask(ann, wire::Ticket{}), "who may not issue tickets; it takes the key of a board"));
    CHECK(says(ask(ann, wire::Shutdown{}), "who may not end a node manager; it takes the key of a board"));
    CHECK(says(ask(ann, wire::Reserve{}), "may not ask for RESERVE; it takes the key of a board"));
    CHECK(ask(eve, wire::Query{}) == "done");
    CHECK(ask(eve, wire::Logs{}) == "done");
    CHECK(says(ask(eve, wire::Submit{}), "is that of a read-only user, who may not run apps; it takes the key of a user or of a board"));
    CHECK(says(ask(eve, wire::Cancel{}), "who may not cancel runs; it takes the key of a user or of a board"));
    CHECK(says(ask(eve, wire::Probe{}), "who may not measure the ways between boards"));
    CHECK(ask(node, wire::Allowed{}) == "done");
    CHECK(ask(node, wire::Submit{}) == "done");
}

TEST_CASE("who is not let in for good hears so at once: a revoked key, none where there are some, some where there are none") {
    const auto board = KeyPair::make(), ann = KeyPair::make(), stranger = KeyPair::make();
    const auto ring = KeyRing::open({}).value();
    ring->merge({{ann.public_key, static_cast<std::uint8_t>(Role::user), "ann", true}});
    AsioLoop loop;
    SocketFactory ours(Identity::keyed(board, ring)), open(Identity::insecure());
    const auto anywhere = Endpoint::parse("tcp://127.0.0.1:0").value();
    const auto keyed = FrontDoor::open(loop, ours, PeerId{random_hex(16)}, anywhere).value();
    const auto insecure = FrontDoor::open(loop, open, PeerId{random_hex(16)}, anywhere).value();
    const auto ask = [&](Identity identity, const Address& door, Duration deadline) {
        SocketFactory theirs(std::move(identity));
        const auto visitor = Visitor::knock(loop, theirs, PeerId{random_hex(16)}, door).value();
        std::vector<Error> errors;
        const auto take = [&](const Result<wire::Body>& came) { errors.push_back(came.error()); };
        visitor->ask(wire::Query{}, deadline, take);
        visitor->ask(wire::Check{}, deadline, take);
        REQUIRE(run_until(loop, [&] { return errors.size() == 2; }, patience(40s)));
        visitor->ask(wire::Query{}, deadline, take);  // and whatever is asked later
        REQUIRE(run_until(loop, [&] { return errors.size() == 3; }, patience(40s)));
        if (errors[0].fault != Fault::timed_out) CHECK(errors[2].message == errors[0].message);
        return errors[0];
    };
    const Address with_key{keyed->endpoint(), board.public_key};

    const auto revoked = ask(Identity::keyed(ann, nullptr), with_key, patience(30s));
    CHECK(revoked.fault == Fault::refused);
    CHECK_MESSAGE(revoked.message.find("says that the key " + ann.public_key.brief() + " was revoked") != std::string::npos, revoked.message);
    const auto none = ask(Identity::local(), {keyed->endpoint(), {}}, patience(30s));
    CHECK(none.fault == Fault::unreachable);
    CHECK_MESSAGE(none.message.find("is of a cluster with keys, and here there are none") != std::string::npos, none.message);
    const auto some = ask(Identity::keyed(ann, nullptr), {insecure->endpoint(), board.public_key}, patience(30s));
    CHECK(some.fault == Fault::unreachable);
    CHECK_MESSAGE(some.message.find("has no keys (--insecure)") != std::string::npos, some.message);
    // A key that nobody knows is told nothing.
    CHECK(ask(Identity::keyed(stranger, nullptr), with_key, 300ms).fault == Fault::timed_out);
}
