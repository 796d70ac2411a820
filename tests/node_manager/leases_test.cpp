#include "runtime/node_manager/leases.hpp"

#include <doctest/doctest.h>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/courier.hpp"
#include "runtime/peer/messages_mesh.hpp"

using namespace fard;
using namespace std::chrono_literals;
using Standing = LeaseTable::Standing;

namespace {

// A board with device "a" of one slot, "b" of two, and a broken one; every effect lands in `log`.
struct Board {
    std::vector<std::string> log;
    std::map<std::string, std::uint64_t> decision;  // the latest that was said about each run
    TimePoint now{1h};
    bool reap_at_once = false;
    LeaseTable table{
        {{"a", "soft", 1, true, ""}, {"b", "soft", 2, true, ""}, {"x", "zynq", 1, false, "wedged DMA"}},
        {[this](const PeerId& to, const wire::Grant& grant) {
             log.push_back("grant " + grant.run.hex + " to " + to.hex);
             decision[grant.run.hex] = grant.decision;
         },
         [this](const PeerId& to, const wire::Wounded& wounded) {
             log.push_back("wound " + wounded.run.hex + " of " + to.hex);
             decision[wounded.run.hex] = wounded.decision;
         },
         [this](const RunId& run, Epoch up_to) {
             log.push_back("end " + run.hex + " " + std::to_string(up_to.wiring));
             if (reap_at_once) table.jobs_ended(run, up_to, now);
         }}};

    // Runs are named by their tickets ("3" has ticket 3) and coordinated by "c" + name unless said otherwise.
    std::string note(const std::string& run, const wire::Body& body) {
        if (const auto* reserved = body.as<wire::Reserved>()) {
            decision[run] = reserved->decision;
            return reserved->granted ? "granted" : "queued";
        }
        if (const auto* no = body.as<wire::Refused>()) return "refused: " + no->reason;
        return wire::name_of(body);
    }
    std::string reserve(const std::string& run, const std::string& devices, Epoch epoch = {1, 1},
                        std::uint64_t round = 0, std::string from = "") {
        wire::Reserve request{{run}, std::stoull(run), epoch, round, {}};
        for (char device : devices)
            request.slots.push_back({0, 0, std::string(1, device)});
        return note(run, table.reserve({from.empty() ? "c" + run : from}, request, now));
    }
    std::string commit(const std::string& run, Epoch epoch = {1, 1}, std::uint64_t of = 0) {
        return note("", table.commit({"c" + run}, {{run}, epoch, of ? of : decision[run]}, now));
    }
    std::string renew(const std::string& run, Epoch epoch = {1, 1}) {
        return note(run, table.renew({"c" + run}, {{run}, epoch}, now));
    }
    void release(const std::string& run, Epoch epoch = {1, 1}, std::string from = "") {
        table.release({from.empty() ? "c" + run : from}, {{run}, epoch}, now,
                      [this, run](const wire::Body& body) {
                          log.push_back("released " + run + ": " + note("", body).substr(0, 7));
                      });
    }
    void make_firm(const std::string& run, const std::string& devices, Epoch epoch = {1, 1}) {
        REQUIRE(reserve(run, devices, epoch) == "granted");
        REQUIRE(commit(run, epoch) == "DONE");
        REQUIRE(table.may_spawn({run}, epoch, now));
    }
    void spawn(const std::string& run, const std::string& devices, Epoch epoch = {1, 1}) {
        make_firm(run, devices, epoch);
        table.jobs_started({run}, epoch);
    }
    void reap(const std::string& run, Epoch up_to = {1, 1}) { table.jobs_ended({run}, up_to, now); }
    void pass(Duration time) {
        now += time;
        table.expire(now);
    }
    std::string take_log() {
        std::string all;
        for (const auto& line : std::exchange(log, {}))
            all += line + "; ";
        return all;
    }
    std::vector<std::uint32_t> free() const { return table.slots_free(); }
};

using Slots = std::vector<std::uint32_t>;

bool starts_with(const std::string& text, const std::string& start) {
    return text.rfind(start, 0) == 0;
}

}  // namespace

TEST_CASE("free slots are granted at once, committed, and free again after the release") {
    Board board;
    CHECK(board.free() == Slots{1, 2, 0});
    CHECK(board.reserve("1", "ab") == "granted");
    CHECK(board.free() == Slots{0, 1, 0});
    CHECK_FALSE(board.table.may_spawn({"1"}, {1, 1}, board.now));
    CHECK(board.commit("1") == "DONE");
    CHECK(board.table.may_spawn({"1"}, {1, 1}, board.now));
    board.release("1");
    CHECK(board.take_log() == "released 1: DONE; ");
    CHECK(board.free() == Slots{1, 2, 0});
}

TEST_CASE("what never fits is refused at once, and says why") {
    Board board;
    CHECK(board.reserve("1", "aa") == "refused: device 'a' has 1 slots, and the run wants more of it");
    CHECK(board.reserve("2", "z") == "refused: this board has no device 'z'");
    CHECK(board.reserve("3", "x") == "refused: device 'x' is unhealthy: wedged DMA");
    CHECK(starts_with(board.reserve("4", ""), "refused"));
    CHECK(board.table.rows().empty());
}

TEST_CASE("a freed slot goes to the lowest waiting ticket") {
    Board board;
    board.make_firm("1", "a");
    CHECK(board.reserve("4", "a") == "queued");
    CHECK(board.reserve("3", "a") == "queued");
    CHECK(board.reserve("5", "a") == "queued");
    board.release("1");
    CHECK(board.take_log() == "released 1: DONE; grant 3 to c3; ");
    board.release("3");
    CHECK(board.take_log() == "released 3: DONE; grant 4 to c4; ");
}

TEST_CASE("an older request takes tentative slots, and the younger run is queued again") {
    Board board;
    CHECK(board.reserve("5", "a") == "granted");
    const auto old_grant = board.decision["5"];
    CHECK(board.reserve("2", "a") == "granted");
    CHECK(board.take_log() == "wound 5 of c5; ");
    CHECK(starts_with(board.commit("5", {1, 1}, old_grant), "refused"));
    CHECK(starts_with(board.commit("5"), "refused"));
    board.release("2");
    CHECK(board.take_log() == "released 2: DONE; grant 5 to c5; ");
    CHECK(starts_with(board.commit("5", {1, 1}, old_grant),
                      "refused"));  // a COMMIT of the first grant, delayed
    CHECK(board.commit("5") == "DONE");
}

TEST_CASE("firm slots are not taken, and the youngest of the tentative ones go first") {
    Board board;
    board.make_firm("9", "b");
    CHECK(board.reserve("8", "b") == "granted");
    CHECK(board.reserve("1", "b") == "granted");
    CHECK(board.take_log() == "wound 8 of c8; ");
    CHECK(board.reserve("2", "b") == "queued");
    CHECK(board.take_log().empty());

    Board other;
    CHECK(other.reserve("7", "b") == "granted");
    CHECK(other.reserve("8", "b") == "granted");
    CHECK(other.reserve("6", "b") == "granted");
    CHECK(other.take_log() == "wound 8 of c8; ");
}

TEST_CASE("a request gets all its slots on the board or none, and wounds nobody in vain") {
    Board board;
    board.make_firm("9", "a");
    CHECK(board.reserve("8", "b") == "granted");
    CHECK(board.reserve("1", "abb") == "queued");
    CHECK(board.take_log().empty());
    CHECK(board.free() == Slots{0, 1, 0});
    board.release("9");
    CHECK(board.take_log() == "released 9: DONE; wound 8 of c8; grant 1 to c1; ");
    CHECK(board.free() == Slots{0, 0, 0});
}

TEST_CASE("while an older run waits, younger ones get none of what it waits for") {
    Board board;
    board.make_firm("9", "b");
    CHECK(board.reserve("1", "bb") == "queued");
    CHECK(board.reserve("2", "b") == "queued");  // one is free, and promised to 1
    CHECK(board.reserve("3", "a") == "granted");
    board.release("9");
    CHECK(board.take_log() == "released 9: DONE; grant 1 to c1; ");
    CHECK(board.free() == Slots{0, 0, 0});
}

TEST_CASE("an older run does not spend on itself what is promised to one that is older still") {
    Board board;
    board.make_firm("9", "b");
    CHECK(board.reserve("8", "b") == "granted");
    CHECK(board.reserve("1", "bb") == "queued");
    CHECK(board.reserve("2", "b") == "queued");  // taking 8's slot would only keep 1 waiting for 2
    CHECK(board.take_log().empty());
}

TEST_CASE("equal tickets are ordered by the run") {
    Board board;
    CHECK(board.reserve("7", "a") == "granted");
    wire::Reserve same{{"6"}, 7, {1, 1}, 0, {{0, 0, "a"}}};
    CHECK(board.note("6", board.table.reserve({"c6"}, same, board.now)) == "granted");
    CHECK(board.take_log() == "wound 7 of c7; ");
}

TEST_CASE("leases live for 3 s without a renewal, in every standing") {
    Board board;
    board.make_firm("1", "a");
    CHECK(board.reserve("2", "b") == "granted");
    CHECK(board.reserve("3", "a") == "queued");
    CHECK(board.reserve("4", "a") == "queued");
    CHECK(*board.table.next_expiry() == board.now + 3s);
    board.pass(2s);
    CHECK(board.renew("4") == "queued");
    board.pass(999ms);
    CHECK(board.table.rows().size() == 4);
    board.pass(1ms);
    CHECK(board.take_log() == "grant 4 to c4; ");  // 3 was before it, and is gone
    REQUIRE(board.table.rows().size() == 1);
    CHECK(starts_with(board.renew("1"), "refused"));
    CHECK(starts_with(board.commit("2"), "refused"));
    CHECK(board.renew("4") == "granted");
    CHECK_FALSE(board.table.may_spawn({"1"}, {1, 1}, board.now));
}

TEST_CASE("a board that slept expires before it reads: no renewal brings a lease back") {
    Board board;
    board.make_firm("1", "a");
    CHECK(board.reserve("2", "b") == "granted");
    board.now += 3s;  // without expire()
    CHECK_FALSE(board.table.may_spawn({"1"}, {1, 1}, board.now));
    CHECK(starts_with(board.renew("1"), "refused"));
    CHECK(starts_with(board.commit("2"), "refused"));
    CHECK(board.reserve("3", "abb") == "granted");
}

TEST_CASE("an expired lease ends its jobs, and the slot is free only when they are reaped") {
    Board board;
    board.spawn("1", "a");
    CHECK(board.reserve("2", "a") == "queued");
    board.pass(2s);
    CHECK(board.renew("2") == "queued");
    board.pass(1s);
    CHECK(board.take_log() == "end 1 1; ");
    CHECK(board.free() == Slots{0, 2, 0});
    REQUIRE(board.table.rows().size() == 2);
    CHECK(board.table.rows()[1].standing == Standing::ending);
    board.reap("1", {1, 0});  // an epoch before
    CHECK(board.take_log().empty());
    board.reap("1");
    CHECK(board.take_log() == "grant 2 to c2; ");
}

TEST_CASE("a release is answered when the jobs are reaped, each time that it is asked for") {
    Board board;
    board.spawn("1", "a");
    board.release("1");
    board.release("1");
    CHECK(board.take_log() == "end 1 1; ");
    board.pass(10s);
    CHECK(board.free() == Slots{0, 2, 0});
    board.reap("1");
    CHECK(board.take_log() == "released 1: DONE; released 1: DONE; ");
    board.release("1");
    CHECK(board.take_log() == "released 1: DONE; ");
}

TEST_CASE("jobs that were reaped from within end_jobs free their slots in the same call") {
    Board board;
    board.reap_at_once = true;
    board.spawn("1", "a");
    CHECK(board.reserve("2", "a") == "queued");
    board.release("1");
    CHECK(board.take_log() == "end 1 1; released 1: DONE; grant 2 to c2; ");
}

TEST_CASE("jobs that end by themselves leave the lease as it is") {
    Board board;
    board.spawn("1", "a");
    board.reap("1");
    CHECK(board.table.may_spawn({"1"}, {1, 1}, board.now));
    board.release("1");
    CHECK(board.take_log() == "released 1: DONE; ");
}

TEST_CASE("jobs without a firm lease are ended") {
    Board board;
    CHECK(board.reserve("1", "a") == "granted");
    board.table.jobs_started({"1"}, {1, 1});
    CHECK(board.take_log() == "end 1 1; ");
}

TEST_CASE("a higher epoch replaces the lower one and gets its slots when they are reaped") {
    Board board;
    board.spawn("5", "a");
    CHECK(board.reserve("6", "a") == "queued");
    CHECK(board.reserve("5", "ab", {1, 2}) == "queued");
    CHECK(board.take_log() == "end 5 1; ");
    CHECK_FALSE(board.table.may_spawn({"5"}, {1, 1}, board.now));
    CHECK(starts_with(board.renew("5", {1, 1}), "refused"));
    board.reap("5");
    CHECK(board.take_log() == "grant 5 to c5; ");
    CHECK(board.commit("5", {1, 2}) == "DONE");
    CHECK(board.table.may_spawn({"5"}, {1, 2}, board.now));
}

TEST_CASE("an older run that waits comes before a replacement") {
    Board board;
    board.spawn("5", "a");
    CHECK(board.reserve("4", "a") == "queued");
    CHECK(board.reserve("5", "a", {1, 2}) == "queued");
    board.reap("5");
    CHECK(board.take_log() == "end 5 1; grant 4 to c4; ");
}

TEST_CASE("a replacement without jobs is immediate, and frees what it no longer wants") {
    Board board;
    board.make_firm("5", "ab");
    CHECK(board.reserve("6", "b") == "granted");
    CHECK(board.reserve("7", "a") == "queued");
    CHECK(board.reserve("5", "b", {1, 2}) == "granted");
    CHECK(board.take_log() == "grant 7 to c7; ");
}

TEST_CASE("a replacement that can never fit still ends the old epoch") {
    Board board;
    board.spawn("5", "a");
    CHECK(starts_with(board.reserve("5", "aa", {1, 2}), "refused"));
    CHECK(board.take_log() == "end 5 1; ");
    board.reap("5");
    CHECK(board.free() == Slots{1, 2, 0});
}

TEST_CASE("a higher attempt takes over from another coordinator, whose commands are refused from then on") {
    Board board;
    board.make_firm("5", "a", {1, 7});
    CHECK(board.reserve("5", "a", {2, 0}, 0, "other") == "granted");
    CHECK(starts_with(board.renew("5", {1, 7}), "refused: epoch 1.7 of run 5 is over"));
    CHECK(starts_with(board.commit("5", {1, 7}), "refused: epoch 1.7"));
    CHECK(starts_with(board.reserve("5", "a", {1, 8}), "refused: epoch 1.8"));
    board.release("5", {1, 7});
    CHECK(board.take_log() == "released 5: refused; ");
    CHECK(starts_with(board.renew("5", {2, 0}), "refused"));  // not by its coordinator
    CHECK(
        starts_with(board.reserve("5", "a", {2, 0}), "refused: epoch 2.0 of run 5 is coordinated by other"));
    board.release("5", {2, 0});
    CHECK(board.take_log() == "released 5: refused; ");
    board.release("5", {2, 0}, "other");
    CHECK(board.take_log() == "released 5: DONE; ");
}

TEST_CASE("the highest epoch is remembered for 60 s after the run's end, and no longer") {
    Board board;
    board.spawn("5", "a", {2, 3});
    board.release("5", {2, 3});
    board.pass(100s);  // its jobs are still being reaped
    CHECK(starts_with(board.reserve("5", "a", {2, 2}), "refused"));
    board.reap("5", {2, 3});
    board.pass(60s - 1ns);
    CHECK(starts_with(board.reserve("5", "a", {2, 2}), "refused"));
    CHECK(
        starts_with(board.reserve("5", "a", {2, 3}), "refused: run 5 has released"));  // delayed since before
    CHECK(board.table.remembered() == 1);
    REQUIRE(board.table.next_expiry());
    board.pass(1ns);
    CHECK(board.table.remembered() == 0);
    CHECK_FALSE(board.table.next_expiry());
    CHECK(board.reserve("5", "a", {1, 1}) == "granted");
}

TEST_CASE("memory of many runs is bounded by time") {
    Board board;
    for (int run = 1; run <= 10'000; ++run) {
        CHECK(board.reserve(std::to_string(run), "a") == "granted");
        board.release(std::to_string(run));
        board.pass(100ms);
    }
    CHECK(board.table.remembered() == 599);
}

TEST_CASE("a run that comes back is remembered from its last end") {
    Board board;
    CHECK(board.reserve("5", "a", {1, 1}) == "granted");
    board.release("5", {1, 1});
    board.pass(40s);
    CHECK(board.reserve("5", "a", {1, 2}) == "granted");
    board.release("5", {1, 2});
    board.pass(40s);
    CHECK(starts_with(board.reserve("5", "a", {1, 1}), "refused"));
    board.pass(20s);
    CHECK(board.table.remembered() == 0);
}

TEST_CASE("repeated requests change nothing") {
    Board board;
    CHECK(board.reserve("5", "a") == "granted");
    const auto decision = board.decision["5"];
    CHECK(board.reserve("5", "a") == "granted");
    CHECK(board.decision["5"] == decision);
    CHECK(board.commit("5") == "DONE");
    CHECK(board.commit("5") == "DONE");
    CHECK(board.reserve("5", "a") == "granted");
    CHECK(board.table.may_spawn({"5"}, {1, 1}, board.now));
    CHECK(board.reserve("6", "a") == "queued");
    CHECK(board.reserve("6", "a") == "queued");
    CHECK(board.take_log().empty());
}

TEST_CASE("a higher round makes a firm lease tentative again, for older runs to take") {
    Board board;
    board.make_firm("5", "a");
    const auto first = board.decision["5"];
    CHECK(board.reserve("4", "a") == "queued");
    CHECK(board.reserve("5", "a", {1, 1}, 1) == "queued");
    CHECK(board.take_log() == "grant 4 to c4; ");
    board.release("4");
    CHECK(board.take_log() == "released 4: DONE; grant 5 to c5; ");
    CHECK(board.reserve("5", "a", {1, 1}, 0).find("round 1 was seen") != std::string::npos);
    CHECK(starts_with(board.commit("5", {1, 1}, first), "refused"));
    CHECK(board.commit("5") == "DONE");
}

TEST_CASE("a higher round of a tentative lease outdates the COMMITs of the round before") {
    Board board;
    CHECK(board.reserve("5", "a") == "granted");
    const auto first = board.decision["5"];
    CHECK(board.reserve("5", "a", {1, 1}, 1) == "granted");
    CHECK(starts_with(board.commit("5", {1, 1}, first), "refused"));
    CHECK(board.commit("5") == "DONE");
}

TEST_CASE("a higher round is refused once jobs run, or with another request") {
    Board board;
    board.spawn("5", "a");
    CHECK(board.reserve("5", "a", {1, 1}, 1).find("needs a higher epoch") != std::string::npos);
    CHECK(board.table.may_spawn({"5"}, {1, 1}, board.now));
    CHECK(board.reserve("6", "b") == "granted");
    CHECK(board.reserve("6", "bb", {1, 1}, 1).find("needs a higher epoch") != std::string::npos);
}

TEST_CASE("nothing but RESERVE creates a lease") {
    Board board;
    CHECK(starts_with(board.commit("5"), "refused"));
    CHECK(starts_with(board.renew("5"), "refused"));
    CHECK_FALSE(board.table.may_spawn({"5"}, {1, 1}, board.now));
    board.release("5");
    board.reap("5");
    CHECK(board.table.rows().empty());
    CHECK(board.free() == Slots{1, 2, 0});
    CHECK(starts_with(board.reserve("5", "a"), "refused: run 5 has released"));  // overtaken by the RELEASE
    CHECK(board.reserve("5", "a", {1, 2}) == "granted");
}

TEST_CASE("a device that becomes unhealthy ends what needs it, and is given anew when it is well again") {
    Board board;
    board.spawn("1", "a");
    board.make_firm("2", "b");
    CHECK(board.reserve("3", "a") == "queued");
    std::vector<wire::DeviceState> devices = board.table.devices();
    devices[0].healthy = false;
    devices[0].detail = "its DMA is wedged";
    devices[2].healthy = true;
    board.table.set_devices(devices, board.now);
    CHECK(board.take_log() == "end 1 1; ");
    CHECK(board.free() == Slots{0, 1, 1});
    CHECK(starts_with(board.renew("1"), "refused: "));
    CHECK(starts_with(board.renew("3"), "refused: "));
    CHECK(board.renew("2") == "granted");
    CHECK(board.reserve("4", "a") == "refused: device 'a' is unhealthy: its DMA is wedged");
    board.reap("1");
    CHECK(board.reserve("5", "x") == "granted");
    devices[0].healthy = true;
    devices[1].slots = 1;
    board.table.set_devices(devices, board.now);
    CHECK(board.free() == Slots{1, 0, 0});
    CHECK(board.reserve("4", "a", {1, 2}) == "granted");
    devices[1].slots = 0;
    board.table.set_devices(devices, board.now);
    CHECK(starts_with(board.renew("2"), "refused: "));
    CHECK(board.free() == Slots{0, 0, 0});
}
