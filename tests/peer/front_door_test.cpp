#include "runtime/peer/front_door.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"
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
    visitor->ask(wire::Fetch{"p", 0}, 5s, [&](Result<wire::Body> answer) { result = std::move(answer); });
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
    visitor->ask(wire::Query{}, 5s, [&](Result<wire::Body> answer) { result = std::move(answer); });
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
    visitor->ask(wire::Query{}, 5s, [&](const Result<wire::Body>&) { visitor.reset(); });
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
    visitor->ask(wire::Query{}, 5s, [&](Result<wire::Body> answer) { result = std::move(answer); });
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
    (*visitor)->ask(wire::Query{}, 5s, [&](Result<wire::Body> answer) { result = std::move(answer); });
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
    visitor->ask(wire::Hello{}, 5s, [&](Result<wire::Body> answer) { result = std::move(answer); });
    REQUIRE(run_until(house.loop, [&] { return result.has_value(); }));
    CHECK(result->value() == wire::Body{wire::Welcome{}});
    CHECK(hellos == 1);
    CHECK(house.handled == 0);
    CHECK(visitor->lamport() > 5000);
}
