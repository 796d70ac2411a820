#include "runtime/node_manager/chunk_ledger.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace fard;

namespace {

Chunk chunk(std::uint64_t index, std::string_view text = "data") {
    Chunk made;
    made.index = index;
    made.tensors.emplace_back(text);
    return made;
}

}  // namespace

TEST_CASE("the window admits whole chunks, and one that alone is larger") {
    ChunkLedger ledger(10, 4);
    CHECK(ledger.admit(chunk(0)));
    CHECK(ledger.may_admit());
    CHECK(ledger.admit(chunk(1)));
    CHECK_FALSE(ledger.may_admit());
    ChunkLedger tight(10, 100);
    CHECK(tight.may_admit());
    CHECK(tight.admit(chunk(0)));
    CHECK_FALSE(tight.may_admit());
}

TEST_CASE("results leave in the order of their chunks, whatever the order of their coming") {
    ChunkLedger ledger(1000, 1);
    for (auto index : {3, 4, 9})
        REQUIRE(ledger.admit(chunk(index)));
    CHECK(ledger.result(chunk(9, "nine")));
    CHECK_FALSE(ledger.next_result());
    CHECK(ledger.result(chunk(3, "three")));
    REQUIRE(ledger.next_result());
    CHECK(ledger.next_result()->tensors[0].text() == "three");
    ledger.handed_over(3);
    CHECK_FALSE(ledger.next_result());
    CHECK(ledger.result(chunk(4)));
    CHECK(ledger.next_result()->index == 4);
    ledger.handed_over(4);
    CHECK(ledger.next_result()->index == 9);
}

TEST_CASE("an index is admitted once, and has one result") {
    ChunkLedger ledger(1000, 1);
    CHECK(ledger.admit(chunk(5)));
    CHECK_FALSE(ledger.admit(chunk(5)));
    CHECK_FALSE(ledger.admit(chunk(4)));
    CHECK(ledger.result(chunk(5, "first")));
    CHECK_FALSE(ledger.result(chunk(5, "second")));
    CHECK_FALSE(ledger.result(chunk(6)));
    CHECK(ledger.duplicates() == 4);
    CHECK(ledger.next_result()->tensors[0].text() == "first");
}

TEST_CASE("a new wiring sends again what has no result, and only that") {
    ChunkLedger ledger(1000, 1);
    for (auto index : {0, 1, 2, 3})
        REQUIRE(ledger.admit(chunk(index)));
    for (auto index : {0, 1, 2}) {
        REQUIRE(ledger.next_to_send()->index == static_cast<std::uint64_t>(index));
        ledger.sent(index);
    }
    CHECK(ledger.result(chunk(1)));
    ledger.rewire();
    std::vector<std::uint64_t> again;
    while (auto next = ledger.next_to_send()) {
        again.push_back(next->index);
        ledger.sent(next->index);
    }
    CHECK(again == std::vector<std::uint64_t>{0, 2, 3});
    CHECK(ledger.replays() == 2);
}

TEST_CASE("a late result of the former wiring counts, and its chunk is not sent again") {
    ChunkLedger ledger(1000, 1);
    REQUIRE(ledger.admit(chunk(0)));
    ledger.sent(0);
    ledger.rewire();
    CHECK(ledger.result(chunk(0)));
    CHECK_FALSE(ledger.next_to_send());
    CHECK(ledger.replays() == 0);
}

TEST_CASE("bytes leave the window when the client has the result") {
    ChunkLedger ledger(2, 1);
    REQUIRE(ledger.admit(chunk(0)));
    REQUIRE(ledger.admit(chunk(1)));
    REQUIRE(ledger.result(chunk(0)));
    ledger.acknowledged(1);  // nothing was handed over yet: nothing to acknowledge
    CHECK_FALSE(ledger.may_admit());
    ledger.handed_over(0);
    ledger.acknowledged(1);
    CHECK(ledger.may_admit());
    CHECK(ledger.acknowledged() == 1);
}

TEST_CASE("whatever is lost, doubled or late: every result once, in order, in bounded memory") {
    for (unsigned seed = 0; seed < 200; ++seed) {
        std::mt19937 random(seed);
        auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
        ChunkLedger ledger(8, 1);
        std::vector<std::uint64_t> in_flight, out;
        std::uint64_t next = 0, client_has = 0;
        constexpr std::uint64_t total = 60;
        while (client_has < total) {
            if (next < total && ledger.may_admit()) REQUIRE(ledger.admit(chunk(next++)));
            CHECK(next - client_has <= 8);
            if (auto send = ledger.next_to_send(); send && chance(70)) {
                ledger.sent(send->index);
                in_flight.push_back(send->index);
            }
            if (!in_flight.empty() && chance(60)) {
                const auto at = random() % in_flight.size();
                ledger.result(chunk(in_flight[at]));
                if (chance(80)) in_flight.erase(in_flight.begin() + static_cast<std::ptrdiff_t>(at));
            }
            if (chance(3)) {
                if (chance(50)) in_flight.clear();
                ledger.rewire();
            }
            if (auto result = ledger.next_result()) {
                out.push_back(result->index);
                ledger.handed_over(result->index);
            }
            if (chance(50)) ledger.acknowledged(client_has = out.size());
        }
        REQUIRE(out.size() == total);
        CHECK(std::ranges::is_sorted(out));
        CHECK(std::ranges::adjacent_find(out) == out.end());
    }
}
