#include "jobs/turn_state.hpp"

#include <doctest/doctest.h>

using namespace fard;

namespace {

constexpr std::uint64_t ms = 1'000'000;

TurnState::Around with(std::size_t inbox, std::uint64_t room = 100) {
    TurnState::Around around;
    around.inbox = inbox;
    around.room = room;
    around.depth = 2;
    return around;
}

}  // namespace

TEST_CASE("chunks wait for a turn, and a turn has so many of them") {
    TurnState turn;
    CHECK_FALSE(turn.may_start(with(5)));
    CHECK(turn.news(with(5)).value() == wire::JobReady{0, 0, true, false});
    CHECK_FALSE(turn.news(with(6)));  // no news
    REQUIRE(turn.take({1, 2, 100}, 0).value());
    CHECK_FALSE(turn.take({1, 2, 100}, 0));  // an error: one is on
    CHECK(turn.may_start(with(5)));
    CHECK_FALSE(turn.may_start(with(0)));
    turn.started();
    turn.started();
    CHECK_FALSE(turn.may_start(with(5)));
    turn.made();
    CHECK_FALSE(turn.may_end(with(3)));
    turn.made();
    CHECK(turn.may_end(with(3)));
    turn.end();
    CHECK(turn.news(with(3)).value() == wire::JobReady{1, 2, true, false});
}

TEST_CASE("a turn computes nothing until all its results have room; then each takes its place") {
    TurnState turn(4);
    REQUIRE(turn.take({1, 4, 100}, 0).value());
    CHECK_FALSE(turn.may_start(with(9, 3)));
    CHECK(turn.may_start(with(9, 4)));
    turn.started();
    turn.made();
    CHECK(turn.may_start(with(9, 3)));
    CHECK_FALSE(turn.may_start(with(9, 2)));
    auto blocked = with(9, 3);
    blocked.outbox = 1;
    CHECK_FALSE(turn.may_start(blocked));
}

TEST_CASE("a job is ready for a turn only if a whole batch of results has room") {
    TurnState turn(4);
    CHECK_FALSE(turn.news(with(9, 3)));
    CHECK(turn.news(with(9, 4)).value().ready);
}

TEST_CASE("a turn that is ended gives the device back when it is empty and loaded") {
    TurnState turn;
    REQUIRE(turn.take({1, 4, 100}, 0).value());
    turn.started();
    CHECK_FALSE(turn.take({1, 0, 0}, 0).value());
    auto around = with(3);
    CHECK_FALSE(turn.may_start(around));
    around.inside = 1;
    CHECK_FALSE(turn.may_end(around));
    around.inside = 0;
    around.loaded = false;
    CHECK_FALSE(turn.may_end(around));
    around.loaded = true;
    CHECK(turn.may_end(around));
    turn.end();
    REQUIRE(turn.take({2, 4, 100}, 0).value());
    CHECK_FALSE(turn.take({1, 0, 0}, 0).value());  // the end of another turn
    CHECK_FALSE(turn.may_end(with(0)));
}

TEST_CASE("a turn without patience is not idle while it loads or computes") {
    TurnState turn;
    REQUIRE(turn.take({1, 4, 0}, 0).value());
    auto around = with(1);
    around.loaded = false;
    CHECK_FALSE(turn.news(around));
    around.loaded = true;
    turn.started();
    CHECK_FALSE(turn.news(around));
    around.inside = 1;
    CHECK_FALSE(turn.news(around));
    around.inside = 0;
    CHECK(turn.news(around).value().idle);
}

TEST_CASE("a turn is idle when nothing could be done for its time, loading and computing not counted") {
    TurnState turn;
    REQUIRE(turn.take({1, 4, 100}, 0).value());
    auto around = with(0);
    around.loaded = false;
    around.now_ns = 500 * ms;
    CHECK_FALSE(turn.news(around));
    around.loaded = true;
    around.now_ns = 550 * ms;
    CHECK_FALSE(turn.news(around));
    around.now_ns = 600 * ms;
    CHECK(turn.news(around).value() == wire::JobReady{0, 0, false, true});
    turn.started();
    CHECK(turn.news(around).value() == wire::JobReady{0, 0, false, false});
    around.inside = 1;
    around.now_ns = 900 * ms;
    CHECK_FALSE(turn.news(around));
}
