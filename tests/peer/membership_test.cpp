#include "runtime/peer/membership.hpp"

#include <doctest/doctest.h>

using namespace fard;
using namespace std::chrono_literals;

namespace {

using Kind = Membership::Change::Kind;

wire::Member member(const std::string& name) {
    return {{name}, name, "ipc://" + name + ".door", "ipc://" + name + ".pub", "ipc://" + name + ".beat"};
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
          "board a at ipc://a.door belongs to cluster 'lab', not to 'attic'; give both the same cluster id");
    auto newer = hello(member("b"));
    newer.protocol = 2;
    CHECK(us.hello(newer, t0).error().message.find("protocol version 1, not 2") != std::string::npos);
    auto empty = hello(member("b"));
    empty.member.publisher = "";
    CHECK(us.hello(empty, t0).error().fault == Fault::invalid_input);
    CHECK(names(us.members()) == "a");
}

TEST_CASE("WELCOME and gossip spread members") {
    Membership us("lab", member("a"), {});
    CHECK(us.welcome({{member("b"), member("c"), member("a")}}, t0).size() == 2);
    CHECK(us.gossip({"b"}, {{member("b"), member("a"), member("c"), member("d")}, {}}, t0).size() == 1);
    CHECK(names(us.members()) == "abcd");
}

TEST_CASE("who was lost is not brought back by gossip, but by its own HELLO") {
    Membership us("lab", member("a"), {});
    us.welcome({{member("b"), member("c")}}, t0);
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
    us.welcome({{member("b"), member("c")}}, t0);
    us.leave({"c"}, t0);
    CHECK(us.our_gossip(t0 + 59s).lost.size() == 1);
    CHECK(us.our_gossip(t0 + 61s).lost.empty());
    CHECK(us.gossip({"b"}, {{member("b"), member("a"), member("c")}, {}}, t0 + 61s).size() == 1);
}

TEST_CASE("a restarted board takes its former life's place, on its own word only") {
    Membership us("lab", member("a"), {});
    us.welcome({{member("b")}}, t0);
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
    Membership us("lab", member("a"), {"ipc://b.door", "ipc://a.door"});
    CHECK(us.knocks(t0) == std::vector<std::string>{"ipc://b.door"});
    CHECK(us.knocks(t0 + 100ms).empty());
    CHECK(us.knocks(t0 + 250ms).size() == 1);
    CHECK(us.knocks(t0 + 500ms).empty());
    CHECK(us.knocks(t0 + 750ms).size() == 1);
    us.welcome({{member("b")}}, t0 + 1s);
    us.answered("ipc://b.door");
    CHECK(us.knocks(t0 + 60s).empty());
    us.lost({"b"}, "its process has ended", false, t0 + 60s);
    CHECK(us.knocks(t0 + 60s).size() == 1);
}

TEST_CASE("who may only be cut off is knocked at; who ended or left is not") {
    Membership us("lab", member("a"), {});
    us.welcome({{member("b"), member("c"), member("d")}}, t0);
    us.lost({"b"}, "silent", true, t0);
    us.lost({"c"}, "its process has ended", false, t0);
    us.leave({"d"}, t0);
    CHECK(us.knocks(t0) == std::vector<std::string>{"ipc://b.door"});
    CHECK(us.knocks(t0 + 599s).size() == 1);
    CHECK(us.knocks(t0 + 601s).empty());
}

TEST_CASE("who is missing in a member's gossip says HELLO to it, a seed or not") {
    Membership us("lab", member("a"), {"ipc://b.door"});
    us.welcome({{member("b"), member("c")}}, t0);
    us.answered("ipc://b.door");
    us.gossip({"b"}, {{member("b"), member("c")}, {{"a"}}}, t0);
    us.gossip({"c"}, {{member("c"), member("b")}, {{"a"}}}, t0);
    CHECK(us.knocks(t0) == std::vector<std::string>{"ipc://b.door", "ipc://c.door"});
    us.answered("ipc://b.door");
    us.answered("ipc://c.door");
    CHECK(us.knocks(t0 + 1s).empty());
}

TEST_CASE("a door found by a beacon is knocked at for a while, unless its board is a member") {
    Membership us("lab", member("a"), {});
    us.welcome({{member("b")}}, t0);
    us.add_door("ipc://b.door", t0);
    us.add_door("ipc://a.door", t0);
    CHECK(us.knocks(t0).empty());
    us.add_door("ipc://z.door", t0);
    CHECK(us.knocks(t0).size() == 1);
    CHECK(us.knocks(t0 + 20s).empty());
}
