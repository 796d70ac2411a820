#include "runtime/node_manager/turn_keeper.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace fard;

namespace {

// What the keeper says: "0:+8" gives job 0 a turn of 8 chunks, "0:end" ends it.
struct Rig {
    std::string told;
    TurnKeeper keeper;

    Rig(TurnKeeper::Terms terms, std::size_t jobs, std::vector<TurnKeeper::Slot> slots, std::vector<TurnKeeper::Job> kinds = {})
        : keeper(terms, kinds.empty() ? std::vector<TurnKeeper::Job>(jobs) : kinds, std::move(slots),
                 [this](std::size_t job, const wire::JobTurn& turn) {
                     told += std::to_string(job) + (turn.chunks ? ":+" + std::to_string(turn.chunks) : ":end") + " ";
                 }) {}

    void up(std::size_t jobs) {
        for (std::size_t job = 0; job < jobs; ++job)
            keeper.up(job);
    }
    std::string heard() { return std::exchange(told, ""); }
    void over(std::size_t job, std::uint64_t turn, std::uint64_t chunks, bool ready = false) {
        keeper.said(job, {turn, chunks, ready, false});
    }
    void ready(std::size_t job, std::uint64_t turns, std::uint64_t chunks) { keeper.said(job, {turns, chunks, true, false}); }
    void idle(std::size_t job, std::uint64_t turn, std::uint64_t chunks) { keeper.said(job, {turn - 1, chunks, false, true}); }
};

}  // namespace

TEST_CASE("turns follow the order, in batches, before their chunks are there; the last batch is what is left") {
    Rig rig({.batch = 8, .chunks = 20}, 2, {{{0, 1}}});
    rig.up(2);
    CHECK(rig.heard() == "0:+8 ");
    rig.over(0, 1, 8);
    CHECK(rig.heard() == "1:+8 ");
    rig.over(1, 1, 8);
    CHECK(rig.heard() == "0:+8 ");
    rig.over(0, 2, 16);
    rig.over(1, 2, 16);
    CHECK(rig.heard() == "1:+8 0:+4 ");
    rig.over(0, 3, 20);
    CHECK(rig.heard() == "1:+4 ");
    rig.over(1, 3, 20);
    CHECK(rig.heard() == "");
    CHECK(rig.keeper.holder(0) == TurnKeeper::none);
}

TEST_CASE("replicas have a batch each in turn, and turns for as many chunks as that gives them") {
    CHECK(TurnKeeper::share_of(20, 8, 0, 1) == 20);
    CHECK(TurnKeeper::share_of(20, 8, 0, 2) == 12);
    CHECK(TurnKeeper::share_of(20, 8, 1, 2) == 8);
    CHECK(TurnKeeper::share_of(7, 8, 1, 2) == 0);
    CHECK(TurnKeeper::share_of(50, 8, 2, 3) == 16);
    for (const std::uint64_t chunks : {0, 1, 9, 24, 100})
        CHECK(TurnKeeper::share_of(chunks, 5, 0, 3) + TurnKeeper::share_of(chunks, 5, 1, 3) + TurnKeeper::share_of(chunks, 5, 2, 3) == chunks);
    Rig rig({.batch = 8, .chunks = 20}, 2, {{{0, 1}}}, {{}, {.share = 8}});
    rig.up(2);
    rig.over(0, 1, 8);
    rig.over(1, 1, 8);
    rig.over(0, 2, 16);
    CHECK(rig.heard() == "0:+8 1:+8 0:+8 0:+4 ");  // the replica has had all of its own
}

TEST_CASE("the first in the order has the first turn, whoever is up first; who has a slot alone hears nothing of turns") {
    Rig rig({.batch = 4, .chunks = 4}, 3, {{{2, 0}}});
    CHECK(rig.keeper.shares(0));
    CHECK_FALSE(rig.keeper.shares(1));
    CHECK(rig.keeper.together(0, 2));
    CHECK_FALSE(rig.keeper.together(0, 1));
    rig.keeper.up(0);
    rig.keeper.up(1);
    CHECK(rig.heard() == "");
    rig.keeper.up(2);
    CHECK(rig.heard() == "2:+4 ");
}

TEST_CASE("an idle turn ends only for one that could compute, which is next; batches keep their places") {
    Rig rig({.batch = 8, .chunks = 16}, 3, {{{0, 1, 2}}});
    rig.up(3);
    rig.heard();
    rig.idle(0, 1, 5);
    CHECK(rig.heard() == "");
    rig.ready(2, 0, 0);
    CHECK(rig.heard() == "0:end ");
    rig.ready(1, 0, 0);
    CHECK(rig.heard() == "");  // once
    rig.over(0, 1, 5);
    CHECK(rig.heard() == "1:+8 ");  // the first of those that could, from whose turn it is
    rig.over(1, 1, 8);
    CHECK(rig.heard() == "2:+8 ");
    rig.over(2, 1, 8);
    CHECK(rig.heard() == "0:+3 ");  // up to a multiple of the batch
}

TEST_CASE("a turn that was idle and works again goes on") {
    Rig rig({.batch = 8, .chunks = 16}, 2, {{{0, 1}}});
    rig.up(2);
    rig.heard();
    rig.idle(0, 1, 5);
    rig.keeper.said(0, {0, 6, false, false});
    rig.ready(1, 0, 0);
    CHECK(rig.heard() == "");
}

TEST_CASE("more chunks than were counted are computed, too") {
    Rig rig({.batch = 4, .chunks = 2}, 1, {{{0}}});
    rig.up(1);
    CHECK(rig.heard() == "0:+2 ");
    rig.over(0, 1, 2, true);
    CHECK(rig.heard() == "0:+2 ");
}

TEST_CASE("the slot of a job that was lost in its turn is nobody's any more; one that waited is passed over") {
    Rig rig({.batch = 4, .chunks = 8}, 3, {{{0, 1, 2}}});
    rig.up(3);
    rig.heard();
    rig.keeper.lost(1);
    rig.over(0, 1, 4);
    CHECK(rig.heard() == "2:+4 ");
    rig.keeper.lost(2);
    rig.ready(0, 1, 4);
    CHECK(rig.heard() == "");
}

TEST_CASE("words about a turn that is not on change nothing") {
    Rig rig({.batch = 4, .chunks = 8}, 2, {{{0, 1}}});
    rig.up(2);
    rig.heard();
    rig.over(0, 7, 4);
    rig.over(1, 1, 4);
    CHECK(rig.keeper.holder(0) == 0);
    CHECK(rig.heard() == "");
}
