#include "runtime/peer/membership.hpp"

#include <doctest/doctest.h>

#include <set>

#include "tests/fakes/endpoints.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

using Kind = Membership::Change::Kind;

wire::Member member(const std::string& name) {
    return {{name}, name, at(name + ".door"), at(name + ".pub"), at(name + ".beat"), {}};
}
wire::Record record(const std::string& name, std::uint64_t incarnation = 1) {
    wire::Record made;
    made.member = member(name);
    made.life = 1;
    made.incarnation = incarnation;
    return made;
}
wire::Record gone(const std::string& name, std::uint64_t incarnation = 1, bool ended = false) {
    wire::Record made;
    made.member.peer = {name};
    made.member.name = name;
    made.life = 1;
    made.incarnation = incarnation;
    made.gone = "silent";
    made.ended = ended;
    return made;
}
wire::News news(std::vector<wire::Record> records) {
    return {std::move(records)};
}
wire::Hello hello(wire::Record from, const std::string& cluster = "lab") {
    return {cluster, wire::protocol_version, std::move(from), false};
}
std::string names(const std::vector<wire::Member>& members) {
    std::string all;
    for (const auto& one : members)
        all += one.name;
    return all;
}
std::string told(Membership& membership) {  // "b!": that b is gone
    std::string all;
    for (const auto& message : membership.take_news())
        for (const auto& one : message.records)
            all += one.member.name + (one.gone.empty() ? "" : "!");
    return all;
}
const TimePoint t0{1h};

struct Us : Membership {
    explicit Us(const std::vector<Address>& seeds = {}) : Membership("lab", record("a"), seeds) {}
    Us& knowing(const std::string& others) {
        std::vector<wire::Record> all;
        for (const char other : others)
            all.push_back(record(std::string(1, other)));
        synced({}, {all}, t0);
        return *this;
    }
};

}  // namespace

TEST_CASE("HELLO adds a member, once, and is told to the others") {
    Us us;
    const auto first = us.hello(hello(record("b")), t0);
    REQUIRE(first->size() == 1);
    CHECK(first->front().kind == Kind::joined);
    CHECK(first->front().member == member("b"));
    CHECK(told(us) == "b");
    CHECK(us.hello(hello(record("b")), t0)->empty());
    CHECK(us.hello(hello(record("a")), t0)->empty());
    CHECK_FALSE(us.has_news());
    CHECK(names(us.members()) == "ab");
    CHECK(us.find({"b"})->name == "b");
    CHECK(us.find({"x"}) == nullptr);
}

TEST_CASE("another cluster and another protocol version are refused with the reason") {
    Us us;
    const auto other = us.hello(hello(record("b"), "attic"), t0);
    CHECK(other.error().fault == Fault::refused);
    CHECK(other.error().message ==
          "board a at ipc:///a.door belongs to cluster 'lab', not to 'attic'; give both the same cluster id");
    auto newer = hello(record("b"));
    newer.protocol = wire::protocol_version + 1;
    CHECK(us.hello(newer, t0).error().message.find("speaks protocol version") != std::string::npos);
    auto empty = hello(record("b"));
    empty.record.member.publisher = {};
    CHECK(us.hello(empty, t0).error().fault == Fault::invalid_input);
    CHECK(names(us.members()) == "a");
}

TEST_CASE("WELCOME and news spread members; up to 32 of them nobody passes news on") {
    Us us;
    CHECK(us.welcome({{record("b"), record("c"), record("a")}, {}}, t0).size() == 2);
    CHECK(told(us) == "b");  // who speaks for itself there
    CHECK(us.news({"b"}, news({record("d")}), t0).size() == 1);
    CHECK(names(us.members()) == "abcd");
    CHECK_FALSE(us.has_news());
}

TEST_CASE("beyond 32 members news are passed on, once; what was asked for is not") {
    Us us;
    std::vector<wire::Record> many;
    for (int i = 0; i < 40; ++i)
        many.push_back(record(std::to_string(i)));
    us.synced({"0"}, {many}, t0);
    CHECK_FALSE(us.has_news());
    us.news({"1"}, news({record("x"), gone("5", 1, true)}), t0);
    CHECK(told(us) == "5!x");
    us.news({"2"}, news({record("x"), gone("5", 1, true)}), t0);
    CHECK_FALSE(us.has_news());
}

TEST_CASE("who was lost comes back with a higher incarnation only; its own HELLO gives it one") {
    Us us;
    us.knowing("bc");
    const auto lost = us.lost({"c"}, "silent", true, false, t0);
    REQUIRE(lost.size() == 1);
    CHECK(lost[0].kind == Kind::lost);
    CHECK(lost[0].why == "silent");
    CHECK(us.lost({"c"}, "silent", true, false, t0).empty());
    CHECK(told(us) == "c!");
    CHECK(us.news({"b"}, news({record("c")}), t0 + 300s).empty());
    CHECK(us.hello(hello(record("c")), t0 + 301s)->size() == 1);
    CHECK(us.roster().find({"c"})->incarnation == 2);
    const auto welcome = us.our_welcome(hello(record("c")));
    CHECK(welcome.records.at(0).member.peer == PeerId{"a"});
    CHECK(welcome.records.at(1).member.peer == PeerId{"c"});
    CHECK(welcome.records.at(1).incarnation == 2);
    us.lost({"b"}, "silent", true, false, t0);
    CHECK(us.news({"c"}, news({record("b", 2)}), t0 + 1s).size() == 1);
}

TEST_CASE("after 10 minutes the gone are forgotten") {
    Us us;
    us.knowing("bc");
    us.leave({"c"}, t0);
    CHECK(us.news({"b"}, news({record("c")}), t0 + 599s).empty());
    CHECK(us.news({"b"}, news({record("c")}), t0 + 601s).size() == 1);
}

TEST_CASE("news of a loss end a member, unless we have just heard it and it is said to be silent only") {
    Us us;
    us.knowing("bcd");
    us.believe_ears([](const PeerId& peer) { return peer.hex != "b"; });
    CHECK(us.news({"d"}, news({gone("b")}), t0).size() == 1);
    CHECK(us.news({"d"}, news({gone("c")}), t0).empty());
    CHECK(us.news({"d"}, news({gone("c", 1, true)}), t0).size() == 1);
    CHECK(names(us.members()) == "ad");
}

TEST_CASE("older news change nothing") {
    Us us;
    us.synced({}, news({record("b", 5)}), t0);
    CHECK(us.news({"c"}, news({gone("b", 4)}), t0).empty());
    CHECK(us.news({"c"}, news({record("b", 4)}), t0).empty());
    CHECK(us.roster().find({"b"})->incarnation == 5);
}

TEST_CASE("who hears that it is taken for gone says so, and knocks at who said it") {
    Us us;
    us.knowing("b");
    us.news({"b"}, news({gone("a")}), t0);
    CHECK(us.roster().find({"a"})->incarnation == 2);
    CHECK(told(us) == "a");
    CHECK(us.knocks(t0) == std::vector{address_at("ipc:///b.door")});
    us.answered(at("ipc:///b.door"), {"b"});
    CHECK(us.knocks(t0 + 1s).empty());
    us.news({"b"}, news({gone("a")}), t0);  // the same again
    CHECK(us.roster().find({"a"})->incarnation == 2);
    // A host that has raised it for us.
    us.welcome({{record("b"), record("a", 7)}, {}}, t0);
    CHECK(us.roster().find({"a"})->incarnation == 7);
    CHECK_FALSE(us.has_news());
}

TEST_CASE("a restarted board takes its former life's place, as it says itself or as the younger one") {
    Us us;
    us.knowing("b");
    auto reborn = record("b", 1);
    reborn.member.peer = {"b2"};
    CHECK(us.news({"b"}, news({reborn}), t0).empty());
    const auto changes = us.hello(hello(reborn), t0);
    REQUIRE(changes->size() == 2);
    CHECK(changes->at(0).kind == Kind::lost);
    CHECK(changes->at(0).member.peer == PeerId{"b"});
    CHECK(changes->at(1).kind == Kind::joined);
    CHECK(told(us) == "b!b");
    CHECK(names(us.members()) == "ab");
    reborn.member.peer = {"b3"};
    reborn.incarnation = 2;
    CHECK(us.news({"c"}, news({reborn}), t0).size() == 2);
}

TEST_CASE("a restarted board that kept its id is another life, even with a clock that went back") {
    Us us;
    us.synced({}, news({record("b", 500)}), t0);
    auto reborn = record("b", 3);
    reborn.life = 2;
    CHECK(us.news({"c"}, news({reborn}), t0).empty());
    const auto changes = us.hello(hello(reborn), t0);
    REQUIRE(changes->size() == 2);
    CHECK(changes->at(0).why == "it was restarted");
    CHECK(us.roster().find({"b"})->incarnation == 501);
    CHECK(us.our_welcome(hello(reborn)).records.at(1).life == 2);
}

TEST_CASE("a restarted board does not take its own former life for a member, and tells the others") {
    Us us;
    auto former = record("a", 1);
    former.member.peer = {"a0"};
    CHECK(us.news({"b"}, news({former}), t0).empty());
    CHECK(names(us.members()) == "a");
    CHECK(told(us) == "a!");
}

TEST_CASE("a loss that may be our own loneliness is not told before we are in company again") {
    Us us;
    us.knowing("bcd");
    for (const char* peer : {"b", "c"})
        CHECK(us.lost({peer}, "silent", true, true, t0).size() == 1);
    CHECK_FALSE(us.has_news());
    CHECK(us.differences({std::vector<std::uint64_t>(Roster::buckets, 1)}).records.size() == 2);  // a, d
    us.hello(hello(record("b")), t0 + 1s);
    told(us);
    us.not_alone(t0 + 1s);
    CHECK_FALSE(us.has_news());
    us.not_alone(t0 + 2s);
    CHECK(told(us) == "c!");
}

TEST_CASE("a state is told when it changes, its overlays apart") {
    Us us;
    wire::BoardState state;
    state.runs = 1;
    state.overlays = {"x", "y"};
    CHECK(us.publish(state));
    CHECK_FALSE(us.publish(state));
    auto told = us.take_news().at(0).records.at(0);
    CHECK(told.state.at(0).runs == 1);
    CHECK(told.state.at(0).overlays.empty());
    CHECK(told.overlays.size() == 2);
    state.runs = 2;
    CHECK(us.publish(state));
    told = us.take_news().at(0).records.at(0);
    CHECK(told.state.at(0).runs == 2);
    CHECK_FALSE(told.with_overlays);
    CHECK(us.state_of({"a"}) == state);

    Membership other("lab", record("b"), {});
    const auto changes = other.news({"a"}, us.differences(other.our_sync()), t0);
    REQUIRE(changes.size() == 2);
    CHECK(changes[1].kind == Kind::state);
    CHECK(other.state_of({"a"}) == state);
    CHECK_FALSE(other.state_of({"b"}).has_value());
    state.runs = 3;
    us.publish(state);
    CHECK(other.news({"a"}, us.take_news().at(0), t0).size() == 1);
    CHECK(other.state_of({"a"}) == state);
    CHECK(other.news({"a"}, news({told}), t0).empty());  // older
}

TEST_CASE("who knows the same has the same digest; else the differences make them equal") {
    Us one;
    Membership two("lab", record("b"), {});
    for (int i = 0; i < 100; ++i)
        (i % 2 ? static_cast<Membership&>(one) : two).synced({}, news({record(std::to_string(i))}), t0);
    one.synced({}, news({gone("7", 1, true)}), t0);
    CHECK(one.digest() != two.digest());
    for (int round = 0; round < 2; ++round) {
        two.synced({"a"}, one.differences(two.our_sync()), t0);
        one.synced({"b"}, two.differences(one.our_sync()), t0);
    }
    CHECK(one.digest() == two.digest());
    CHECK(one.digest().members == 101);
    CHECK(one.differences(two.our_sync()).records.empty());
    CHECK(one.differences({{1, 2, 3}}).records.empty());  // not a SYNC of ours
}

TEST_CASE("a newcomer to thousands comes to know all of them, a part with each answer") {
    Us us;
    std::vector<wire::Record> many;
    for (int i = 1000; i < 5000; ++i)
        many.push_back(record(std::to_string(i)));
    us.synced({}, {many}, t0);
    Membership newcomer("lab", record("3000a"), {});
    us.hello(newcomer.our_hello(), t0);
    newcomer.welcome(us.our_welcome(newcomer.our_hello()), t0);
    int rounds = 0;
    for (; newcomer.digest() != us.digest() && rounds < 20; ++rounds)
        newcomer.synced({"a"}, us.differences(newcomer.our_sync()), t0);
    CHECK(newcomer.digest() == us.digest());
    CHECK(rounds > 1);
}

TEST_CASE("WELCOME is bounded, and begins with those around the guest") {
    Us us;
    std::vector<wire::Record> many;
    for (int i = 1000; i < 2000; ++i)
        many.push_back(record(std::to_string(i)));
    us.synced({}, {many}, t0);
    const auto welcome = us.our_welcome(hello(record("1500a")));
    CHECK(welcome.records.size() > 100);
    CHECK(welcome.records.size() < 300);
    CHECK(welcome.records.at(1).member.name == "1501");
    auto listen = hello(record("1500"));
    listen.listen = true;
    CHECK(us.our_welcome(listen).records.size() == 2);
}

TEST_CASE(
    "seeds are knocked at with growing pauses until their boards are members, and again when they are lost") {
    Us us({address_at("ipc:///b.door"), address_at("ipc:///a.door")});
    CHECK(us.knocks(t0) == std::vector{address_at("ipc:///b.door")});
    CHECK(us.knocks(t0 + 100ms).empty());
    CHECK(us.knocks(t0 + 250ms).size() == 1);
    CHECK(us.knocks(t0 + 500ms).empty());
    CHECK(us.knocks(t0 + 750ms).size() == 1);
    const auto waits_at_b = [](const Endpoint& door) { return door == at("ipc:///b.door"); };
    CHECK(us.knocks(t0 + 4s, waits_at_b).empty());  // the one before has no answer yet: no pause is used up
    CHECK(us.knocks(t0 + 4s).size() == 1);
    us.welcome({{record("b")}, {}}, t0 + 5s);
    us.answered(at("ipc:///b.door"), {"b"});
    CHECK(us.knocks(t0 + 60s).empty());
    us.lost({"b"}, "its process has ended", false, false, t0 + 60s);
    CHECK(us.knocks(t0 + 60s).size() == 1);
}

TEST_CASE("a seed by another name is known by the member that it led to, be it ourselves") {
    Us us({address_at("tcp://127.0.0.2:7000"), address_at("tcp://127.0.0.1:7000")});
    CHECK(us.knocks(t0).size() == 2);
    us.welcome({{record("b")}, {}}, t0);
    us.answered(at("tcp://127.0.0.2:7000"), {"b"});
    us.answered(at("tcp://127.0.0.1:7000"), {"a"});
    CHECK(us.knocks(t0 + 60s).empty());
    us.lost({"b"}, "silent", false, false, t0 + 60s);
    CHECK(us.knocks(t0 + 60s) == std::vector{address_at("tcp://127.0.0.2:7000")});
}

TEST_CASE("who may only be cut off is knocked at; who ended or left is not") {
    Us us;
    us.knowing("bcd");
    us.lost({"b"}, "silent", true, false, t0);
    us.lost({"c"}, "its process has ended", false, false, t0);
    us.leave({"d"}, t0);
    CHECK(us.knocks(t0) == std::vector{address_at("ipc:///b.door")});
    CHECK(us.knocks(t0 + 599s).size() == 1);
    CHECK(us.knocks(t0 + 601s).empty());
}

TEST_CASE("a door found by a beacon is knocked at for a while, unless its board is a member; not too many of them") {
    Us us;
    us.knowing("b");
    us.add_door(address_at("ipc:///b.door"), t0);
    us.add_door(address_at("ipc:///a.door"), t0);
    CHECK(us.knocks(t0).empty());
    us.add_door(address_at("ipc:///z.door"), t0);
    CHECK(us.knocks(t0).size() == 1);
    CHECK(us.knocks(t0 + 20s).empty());
    for (int i = 0; i < 1000; ++i)
        us.add_door(address_at("ipc:///" + std::to_string(i)), t0 + 30s);
    std::set<Address> doors;
    for (int i = 0; i < 100; ++i) {
        const auto knocked = us.knocks(t0 + 30s);
        CHECK(knocked.size() <= 8);
        doors.insert(knocked.begin(), knocked.end());
    }
    CHECK(doors.size() == 64);
}
