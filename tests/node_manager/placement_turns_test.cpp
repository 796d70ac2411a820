// More jobs than slots: who shares an FPGA with whom.
#include <doctest/doctest.h>

#include "runtime/node_manager/placement.hpp"

using namespace fard;

namespace {

BoardView zedboard(const std::string& name, std::uint32_t free = 1, std::uint32_t slots = 1) {
    BoardView view;
    view.member.peer = {name};
    view.member.name = name;
    view.state.devices = {{"fabric0", "emulated", slots, true, ""}, {"cpu0", "soft", 2, true, ""}};
    view.state.devices.front().loaded.resize(slots);
    view.state.slots_free = {free, 2};
    return view;
}

wire::AppSpec app(std::size_t positions) {
    wire::AppSpec spec;
    spec.name = "test";
    for (std::size_t p = 0; p < positions; ++p) {
        wire::PositionSpec position;
        position.name = "p" + std::to_string(p);
        position.overlay = "overlay" + std::to_string(p);
        spec.positions.push_back(position);
    }
    return spec;
}

std::string text(const Placement& placement) {
    std::string text;
    for (const auto& job : placement.jobs)
        text += fmt::format("{}{}{} ", job.board.hex, job.device == "cpu0" ? "c" : "", job.shared);
    return text;
}

}  // namespace

TEST_CASE("positions go round the boards, so that neighbours work at the same time; each slot is asked for once") {
    const std::vector boards{zedboard("a"), zedboard("b"), zedboard("c")};
    CHECK_FALSE(place_jobs(app(6), boards, {"a"}, {}));
    const auto placed = place_in_turns(app(6), boards, {"a"}, {}).value();
    CHECK(text(placed) == "a1 b1 c1 a1 b1 c1 ");
    CHECK(placed.shared_slots() == 3);
    const auto asked = placed.by_board();
    REQUIRE(asked.size() == 3);
    CHECK(asked.at({"b"}) == std::vector<wire::SlotRequest>{{1, 0, "fabric0"}});
}

TEST_CASE("who has a slot alone keeps it") {
    const std::vector boards{zedboard("a"), zedboard("b"), zedboard("c")};
    CHECK(text(place_in_turns(app(4), boards, {"a"}, {}).value()) == "a1 b0 c0 a1 ");
}

TEST_CASE("slots of one board are shared each for itself") {
    const std::vector boards{zedboard("a", 2, 2)};
    const auto placed = place_in_turns(app(5), boards, {"a"}, {}).value();
    CHECK(text(placed) == "a1 a2 a1 a2 a1 ");
    CHECK(placed.by_board().at({"a"}).size() == 2);
}

TEST_CASE("free boards are shared before busy ones are waited for, and boards with a failure come last") {
    const std::vector boards{zedboard("a", 0), zedboard("b"), zedboard("c")};
    CHECK(text(place_in_turns(app(4), boards, {"a"}, {}).value()) == "b1 c1 b1 c1 ");
    Misgivings misgivings;
    misgivings.boards = {{"b"}};
    CHECK(text(place_in_turns(app(4), boards, {"a"}, misgivings).value()) == "c1 c1 c1 c1 ");
    const std::vector busy{zedboard("a", 0), zedboard("b", 0)};
    CHECK(text(place_in_turns(app(4), busy, {"a"}, {}).value()) == "a1 b1 a1 b1 ");
}

TEST_CASE("what is loaded, and what a position asks for, decides who shares with whom") {
    std::vector boards{zedboard("a"), zedboard("b")};
    boards[1].state.devices[0].loaded[0] = {2, "overlay0", "", ""};
    CHECK(text(place_in_turns(app(4), boards, {"a"}, {}).value()) == "b1 a1 a1 b1 ");
    auto pinned = app(4);
    pinned.positions[3].board = "a";
    CHECK(text(place_in_turns(pinned, {zedboard("a"), zedboard("b")}, {"a"}, {}).value()) == "b1 a1 b1 a1 ");
    pinned.positions[2].device = "soft";
    CHECK(text(place_in_turns(pinned, {zedboard("a"), zedboard("b")}, {"a"}, {}).value()) == "b0 a1 ac0 a1 ");
}

TEST_CASE("jobs without an overlay, and apps without an FPGA, do not share") {
    auto copies = app(6);
    for (auto& position : copies.positions)
        position.overlay.clear();
    const std::vector boards{zedboard("a"), zedboard("b")};
    CHECK_FALSE(place_in_turns(copies, boards, {"a"}, {}));
    BoardView computer = zedboard("d");
    computer.state.devices = {{"cpu0", "soft", 2, true, ""}};
    computer.state.slots_free = {2};
    CHECK_FALSE(place_in_turns(app(3), {computer}, {"d"}, {}));
}

namespace {

planner::Schedule schedule_of(const std::string& lines) {
    return planner::parse_schedule("fard-schedule 1\nbatch 4\nwindow 8\nboard b\nboard a\n" + lines).value();
}

}  // namespace

TEST_CASE("a schedule says who sits where, and in which order they take turns") {
    auto boards = std::vector{zedboard("a"), zedboard("b", 2, 2)};
    for (auto& board : boards)
        board.state.programs = {"stage"};
    auto spec = app(4);
    for (auto& position : spec.positions)
        position.program = "stage";
    const auto schedule = schedule_of("position room 8 staged next at 0.1\nposition room 8 staged next at 0.0\nposition room 4 staged next at 0.1\n"
                                      "position room 8 staged next at 1.0\nturns 0.1 2 0 2\n");
    const auto placed = place_by_schedule(schedule, spec, boards, {}).value();
    CHECK(text(placed) == "b2 b0 b2 a0 ");
    CHECK(placed.orders == std::map<SharedSlot, std::vector<std::uint32_t>>{{{{"b"}, "fabric0", 2}, {2, 0, 2}}});
    CHECK(placed.rooms == std::vector<std::uint64_t>{8, 8, 4, 8});
    CHECK(placed.by_board().at({"b"}).size() == 2);

    const auto why = [&](const std::vector<BoardView>& those, const Misgivings& misgivings = {}) {
        const auto not_placed = place_by_schedule(schedule, spec, those, misgivings);
        return not_placed ? std::string() : not_placed.error().message;
    };
    CHECK(why({boards[0]}).find("there is no board 'b'") == 0);
    CHECK(why({boards[0], boards[1], boards[1]}).find("there are several") != std::string::npos);
    auto small = boards;
    small[1].state.devices[0].slots = 1;
    CHECK(why(small).find("board 'b' has no slot 1 of a healthy FPGA") == 0);
    auto ill = boards;
    ill[0].state.devices[0].healthy = false;
    CHECK(why(ill).find("board 'a' has no slot 0") == 0);
    Misgivings failed, apart;
    failed.boards = {{"a"}};
    CHECK(why(boards, failed).find("has failed before") != std::string::npos);
    apart.keep_apart({"a"}, {"b"});
    CHECK(why(boards, apart).find("no chunk came through") == 0);
    auto bare = boards;
    bare[0].state.programs.clear();
    CHECK(why(bare).find("has no job program 'stage'") != std::string::npos);
    spec.positions[3].board = "b";
    CHECK(why(boards).find("is to be on board 'b'") != std::string::npos);
}
