#include <doctest/doctest.h>

#include "planner/schedule.hpp"

namespace fard {
namespace {

using namespace planner;

const std::string whole =
    "fard-schedule 1\nbatch 4\nwindow 8\nboard left one\nboard right\n"
    "position room 4 staged next at 0.0\nposition room 8 staged here at 1.0 1.1\nposition room 4 staged next at 0.0\n"
    "turns 0.0 0 0 2 2\n";

void complains(const std::string& text, const std::string& about) {
    const auto schedule = parse_schedule(text);
    REQUIRE_FALSE(schedule);
    INFO(schedule.error().message);
    CHECK(schedule.error().fault == Fault::invalid_input);
    CHECK(schedule.error().message.find(about) != std::string::npos);
}

}  // namespace

TEST_CASE("a schedule reads as it is written") {
    const auto schedule = parse_schedule(whole);
    REQUIRE_MESSAGE(schedule, (schedule ? "" : schedule.error().message));
    CHECK(schedule->batch == 4);
    CHECK(schedule->window == 8);
    CHECK(schedule->boards == std::vector<std::string>{"left one", "right"});
    CHECK(schedule->positions[1].seats == std::vector<Seat>{{1, 0}, {1, 1}});
    CHECK(schedule->positions[1].staging == Staging::here);
    CHECK(schedule->turns == std::vector<Turns>{{{0, 0}, {0, 0, 2, 2}}});
    CHECK(text_of(*schedule) == whole);
}

TEST_CASE("what is wrong with a schedule is said with its line") {
    complains("", "it is empty");
    complains("fard-schedule 2\n", "line 1: a schedule begins with");
    complains("fard-schedule 1\nbatch 0\n", "line 2: a number of chunks");
    complains("fard-schedule 1\nbatch 4 4\n", "line 2: a number of chunks");
    complains("fard-schedule 1\nbatch 99999999999999999999\n", "line 2");
    complains("fard-schedule 1\nboard\n", "line 2: a board's name");
    complains("fard-schedule 1\nbored x\n", "line 2: it must begin with");
    complains("fard-schedule 1\nposition room 1 staged there at 0.0\n", "line 2: a position must say");
    complains("fard-schedule 1\nposition room 1 staged next at 0\n", "line 2: seats must be BOARD.SLOT");
    complains("fard-schedule 1\nturns 0 1\n", "line 2: turns must say");
    complains("fard-schedule 1\nturns 0.0 a\n", "line 2: turns must be numbers");
    complains("fard-schedule 1\n", "no positions");
}

TEST_CASE("a schedule that no board could follow is refused") {
    const auto but = [](const std::string& from, const std::string& to) {
        auto text = whole;
        text.replace(text.find(from), from.size(), to);
        return text;
    };
    complains(but("window 8", "window 3"), "a batch of 4 in a window of 3");
    complains(but("room 4", "room 3"), "a batch of 4 is more than position 0 has room for (3)");
    complains(but("room 8", "room 0"), "no room for a chunk");
    complains(but("turns 0.0 0 0 2 2\n", ""), "several positions are on 0.0");
    complains(but("0 0 2 2", "0 0"), "position 2 never has a turn on 0.0");
    complains(but("0 0 2 2", "0 1 2"), "a turn of position 1 on 0.0, where it is not");
    complains(but("at 0.0", "at 7.0"), "position 0 is on board 7");
    complains(but("at 0.0\n", "at\n"), "position 0 has no seat");
    complains(whole + "turns 0.0 0 2\n", "given twice");
    complains(but("at 1.0 1.1", "at 1.0 1.0") + "turns 1.0 1 1 1\n", "the 2 parts of position 1 on 1.0 do not have as many turns each");
}

TEST_CASE("parts of a position may share a slot, replicas may not") {
    auto text = whole;
    text.replace(text.find("at 1.0 1.1"), 10, "at 1.0 1.0");
    const auto schedule = parse_schedule(text + "turns 1.0 1 1\n");
    REQUIRE_MESSAGE(schedule, (schedule ? "" : schedule.error().message));
    CHECK(check_replicas(*schedule, 0));
    const auto replicas = check_replicas(*schedule, 1);
    REQUIRE_FALSE(replicas);
    CHECK(replicas.error().message.find("two replicas of position 1 take turns on 1.0") != std::string::npos);
}

}  // namespace fard
