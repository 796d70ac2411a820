#include "runtime/peer/membership.hpp"

#include <doctest/doctest.h>

#include "tests/fakes/endpoints.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

using Kind = Membership::Change::Kind;

wire::Member member(const std::string& name) {
    return {{name}, name, at(name + ".door"), at(name + ".pub"), at(name + ".beat"), {}};
}
wire::Hello hello(const wire::Member& from, const std::string& cluster = "lab") {
    return {cluster, wire::protocol_version, from};
}
std::string names(const std::vector<wire::Member>& members) {
    std::string all;
    for (const auto& one : members)
        all += one.name;
    return all;
}
const TimePoint t0{1h};

}  // namespace

TEST_CASE("HELLO adds a member, once") {
    Membership us("lab", member("a"), {});
    const auto first = us.hello(hello(member("b")), t0);
    REQUIRE(first->size() == 1);
    CHECK(first->front().kind == Kind::joined);
    CHECK(first->front().member == member("b"));
    CHECK(us.hello(hello(member("b")), t0)->empty());
    CHECK(us.hello(hello(member("a")), t0)->empty());
    CHECK(names(us.members()) == "ab");
    CHECK(us.find({"b"})->name == "b");
    CHECK(us.find({"x"}) == nullptr);
}

TEST_CASE("another cluster and another protocol version are refused with the reason") {
    Membership us("lab", member("a"), {});
    const auto other = us.hello(hello(member("b"), "attic"), t0);
    CHECK(other.error().fault == Fault::refused);
    CHECK(other.error().message ==
          "board a at ipc:///a.door belongs to cluster 'lab', not to 'attic'; give both the same cluster id");
    auto newer = hello(member("b"));
    newer.protocol = 2;
    CHECK(us.hello(newer, t0).error().message.find("protocol version 1, not 2") != std::string::npos);
    auto empty = hello(member("b"));
    empty.member.publisher = {};
    CHECK(us.hello(empty, t0).error().fault == Fault::invalid_input);
    CHECK(names(us.members()) == "a");
}

TEST_CASE("WELCOME and gossip spread members") {
    Membership us("lab", member("a"), {});
    CHECK(us.welcome({{member("b"), member("c"), member("a")}, {}, {}}, t0).size() == 2);
    CHECK(us.gossip({"b"}, {{member("b"), member("a"), member("c"), member("d")}, {}}, t0).size() == 1);
    CHECK(names(us.members()) == "abcd");
}

TEST_CASE("who was lost is not brought back by gossip, but by its own HELLO") {
    Membership us("lab", member("a"), {});
    us.welcome({{member("b"), member("c")}, {}}, t0);
    const auto lost = us.lost({"c"}, "silent", true, t0);
    REQUIRE(lost.size() == 1);
    CHECK(lost[0].kind == Kind::lost);
    CHECK(lost[0].why == "silent");
    CHECK(us.lost({"c"}, "silent", true, t0).empty());
    CHECK(us.our_gossip(t0).lost == std::vector<PeerId>{{"c"}});
    const wire::Gossip stale{{member("b"), member("a"), member("c")}, {}};
    CHECK(us.gossip({"b"}, stale, t0 + 30s).empty());
    CHECK(us.hello(hello(member("c")), t0 + 31s)->size() == 1);
    CHECK(us.our_gossip(t0 + 31s).lost.empty());
}

TEST_CASE("after 60 s the gone are forgotten") {
    Membership us("lab", member("a"), {});
    us.welcome({{member("b"), member("c")}, {}}, t0);
    us.leave({"c"}, t0);
    CHECK(us.our_gossip(t0 + 59s).lost.size() == 1);
    CHECK(us.our_gossip(t0 + 61s).lost.empty());
    CHECK(us.gossip({"b"}, {{member("b"), member("a"), member("c")}, {}}, t0 + 61s).size() == 1);
}

TEST_CASE("a restarted board takes its former life's place, on its own word only") {
    Membership us("lab", member("a"), {});
    us.welcome({{member("b")}, {}}, t0);
    auto reborn = member("b");
    reborn.peer = {"b2"};
    CHECK(us.gossip({"b"}, {{member("a"), reborn}, {}}, t0).empty());
    const auto changes = us.hello(hello(reborn), t0);
    REQUIRE(changes->size() == 2);
    CHECK(changes->at(0).kind == Kind::lost);
    CHECK(changes->at(0).member.peer == PeerId{"b"});
    CHECK(changes->at(1).kind == Kind::joined);
    CHECK(names(us.members()) == "ab");
}

TEST_CASE(
    "seeds are knocked at with growing pauses until their boards are members, and again when they are lost") {
    Membership us("lab", member("a"), {address_at("b.door"), address_at("a.door")});
    CHECK(us.knocks(t0) == std::vector{address_at("b.door")});
    CHECK(us.knocks(t0 + 100ms).empty());
    CHECK(us.knocks(t0 + 250ms).size() == 1);
    CHECK(us.knocks(t0 + 500ms).empty());
    CHECK(us.knocks(t0 + 750ms).size() == 1);
    us.welcome({{member("b")}, {}}, t0 + 1s);
    us.answered(at("b.door"), {"b"});
    CHECK(us.knocks(t0 + 60s).empty());
    us.lost({"b"}, "its process has ended", false, t0 + 60s);
    CHECK(us.knocks(t0 + 60s).size() == 1);
}

TEST_CASE("who may only be cut off is knocked at; who ended or left is not") {
    Membership us("lab", member("a"), {});
    us.welcome({{member("b"), member("c"), member("d")}, {}}, t0);
    us.lost({"b"}, "silent", true, t0);
    us.lost({"c"}, "its process has ended", false, t0);
    us.leave({"d"}, t0);
    CHECK(us.knocks(t0) == std::vector{address_at("b.door")});
    CHECK(us.knocks(t0 + 599s).size() == 1);
    CHECK(us.knocks(t0 + 601s).empty());
}

TEST_CASE("who is missing in a member's gossip says HELLO to it, a seed or not") {
    Membership us("lab", member("a"), {address_at("b.door")});
    us.welcome({{member("b"), member("c")}, {}}, t0);
    us.answered(at("b.door"), {"b"});
    us.gossip({"b"}, {{member("b"), member("c")}, {{"a"}}}, t0);
    us.gossip({"c"}, {{member("c"), member("b")}, {{"a"}}}, t0);
    CHECK(us.knocks(t0) == std::vector{address_at("b.door"), address_at("c.door")});
    us.answered(at("b.door"), {"b"});
    us.answered(at("c.door"), {"c"});
    CHECK(us.knocks(t0 + 1s).empty());
}

TEST_CASE("a door found by a beacon is knocked at for a while, unless its board is a member") {
    Membership us("lab", member("a"), {});
    us.welcome({{member("b")}, {}}, t0);
    us.add_door(address_at("b.door"), t0);
    us.add_door(address_at("a.door"), t0);
    CHECK(us.knocks(t0).empty());
    us.add_door(address_at("z.door"), t0);
    CHECK(us.knocks(t0).size() == 1);
    CHECK(us.knocks(t0 + 20s).empty());
}

TEST_CASE("a seed whose board gives itself another address is knocked at once only") {
    Membership us("lab", member("a"), {address_at("tcp://127.0.0.1:7000")});
    CHECK(us.knocks(t0).size() == 1);
    us.answered(at("tcp://127.0.0.1:7000"), {"b"});
    us.welcome({{member("b"), member("a")}, {}}, t0);
    for (int second = 0; second < 30; ++second)
        CHECK(us.knocks(t0 + 1s * second).empty());
    us.lost({"b"}, "it has ended", false, t0 + 40s);
    CHECK(us.knocks(t0 + 40s).size() == 1);
}

TEST_CASE("a board on a network takes nobody who names sockets of this machine, or its own") {
    const wire::Member self{{"a"}, "a", at("tcp://10.0.0.1:1"), at("tcp://10.0.0.1:2"), at("tcp://10.0.0.1:3"), {}};
    Membership us("lab", self, {});
    wire::Member other{{"b"}, "b", at("tcp://10.0.0.2:1"), at("tcp://10.0.0.2:2"), at("tcp://10.0.0.2:3"), {}};
    for (const auto* inside : {"ipc:///run/docker.sock", "tcp://127.0.0.1:25", "tcp://[::1]:25"}) {
        auto hostile = other;
        hostile.publisher = at(inside);
        CHECK(us.hello(hello(hostile), t0).error().fault == Fault::refused);
        CHECK(us.gossip({"x"}, {{hostile}, {}}, t0).empty());
    }
    auto twin = other;
    twin.heartbeat = self.heartbeat;
    CHECK(us.hello(hello(twin), t0).error().fault == Fault::refused);
    CHECK(us.welcome({{twin}, {}}, t0).empty());
    CHECK(us.hello(hello(other), t0)->size() == 1);
}
