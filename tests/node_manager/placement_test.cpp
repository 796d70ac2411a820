#include "runtime/node_manager/placement.hpp"

#include <doctest/doctest.h>

using namespace fard;

namespace {

BoardView board(const std::string& name, std::uint32_t slots, std::uint32_t free,
                const std::string& kind = "soft") {
    BoardView view;
    view.member.peer = {name};
    view.member.name = name;
    view.state.devices = {{"cpu0", kind, slots, true, ""}};
    view.state.slots_free = {free};
    return view;
}

wire::AppSpec app(std::size_t positions, std::uint32_t replicas = 1) {
    wire::AppSpec spec;
    spec.name = "test";
    for (std::size_t p = 0; p < positions; ++p) {
        wire::PositionSpec position;
        position.name = "p" + std::to_string(p);
        position.replicas = replicas;
        spec.positions.push_back(position);
    }
    return spec;
}

std::string boards_of(const Placement& placement) {
    std::string names;
    for (const auto& job : placement.jobs)
        names += job.board.hex + " ";
    return names;
}

}  // namespace

TEST_CASE("jobs spread over the boards, position 0 near the data") {
    const std::vector boards{board("a", 2, 2), board("b", 2, 2), board("c", 2, 2)};
    CHECK(boards_of(place_jobs(app(3), boards, {"b"}, {}).value()) == "b a c ");
    CHECK(boards_of(place_jobs(app(6), boards, {"a"}, {}).value()) == "a b c a b c ");
}

TEST_CASE("free slots come before busy ones; a full cluster is queued for") {
    const std::vector boards{board("a", 1, 0), board("b", 2, 2)};
    CHECK(boards_of(place_jobs(app(2), boards, {"a"}, {}).value()) == "b b ");
    CHECK(boards_of(place_jobs(app(3), boards, {"a"}, {}).value()) == "b b a ");
}

TEST_CASE("a board that holds the overlay is preferred among free ones") {
    std::vector boards{board("a", 2, 2), board("b", 2, 2)};
    boards[1].state.overlays = {"hash"};
    auto spec = app(1);
    spec.positions[0].overlay = "hash";
    CHECK(boards_of(place_jobs(spec, boards, {"a"}, {}).value()) == "b ");
}

TEST_CASE("each part takes a slot, on the board that holds its package") {
    std::vector boards{board("a", 1, 1), board("b", 1, 1), board("c", 1, 1)};
    boards[2].state.overlays = {"low"};
    boards[0].state.overlays = {"high"};
    auto spec = app(2);
    spec.positions[0].parts = {{"low", {}}, {"high", {}}};
    CHECK(boards_of(place_jobs(spec, boards, {"b"}, {}).value()) == "c a b ");
    boards.pop_back();
    const auto too_few = place_jobs(spec, boards, {"b"}, {});
    REQUIRE_FALSE(too_few);
    CHECK(too_few.error().message.find("needs 3") != std::string::npos);
}

TEST_CASE("jobs are spread before it counts who holds the overlay") {
    std::vector boards{board("a", 2, 2), board("b", 2, 2)};
    boards[1].state.overlays = {"hash"};
    auto spec = app(2);
    spec.positions[0].overlay = spec.positions[1].overlay = "hash";
    CHECK(boards_of(place_jobs(spec, boards, {"a"}, {}).value()) == "b a ");
}

TEST_CASE("a named board without the program or the kind of device is not said to lack slots") {
    std::vector boards{board("a", 2, 2), board("b", 2, 2)};
    boards[0].state.programs = {"stage"};
    auto spec = app(1);
    spec.positions[0].board = "b";
    spec.positions[0].program = "stage";
    CHECK(place_jobs(spec, boards, {"a"}, {}).error().message.find("board 'b', which has no job program 'stage'") !=
          std::string::npos);
    boards[1].state.programs = {"stage"};
    spec.positions[0].device = "zynq";
    CHECK(place_jobs(spec, boards, {"a"}, {}).error().message.find("board 'b', which has no device of kind 'zynq'") !=
          std::string::npos);
}

TEST_CASE("a board without the program is passed over; with none that has it, it is named") {
    std::vector boards{board("a", 2, 2), board("b", 2, 2)};
    boards[1].state.programs = {"copy", "stage"};
    auto spec = app(2);
    for (auto& position : spec.positions)
        position.program = "stage";
    CHECK(boards_of(place_jobs(spec, boards, {"a"}, {}).value()) == "b b ");
    spec.positions.push_back(spec.positions.back());
    const auto too_few = place_jobs(spec, boards, {"a"}, {});
    REQUIRE_FALSE(too_few);
    CHECK(too_few.error().message.find("2 on 1 board(s) that have its program 'stage'") != std::string::npos);
    spec.positions[1].program = "elsewhere";
    const auto nobody = place_jobs(spec, boards, {"a"}, {});
    REQUIRE_FALSE(nobody);
    CHECK(nobody.error().fault == Fault::not_found);
    CHECK(nobody.error().message.find("the job program 'elsewhere', which none of the 2 board(s) has") !=
          std::string::npos);
}

TEST_CASE("boards that no chunk came through between are no neighbours, where that is possible") {
    const std::vector boards{board("a", 1, 1), board("b", 1, 1), board("c", 1, 1), board("d", 1, 1)};
    Misgivings misgivings;
    misgivings.keep_apart({"c"}, {"b"});
    CHECK(boards_of(place_jobs(app(3), boards, {"a"}, misgivings).value()) == "a b d ");
    misgivings.keep_apart({"b"}, {"d"});
    misgivings.keep_apart({"c"}, {"d"});
    CHECK(boards_of(place_jobs(app(3), boards, {"a"}, misgivings).value()) == "b a c ");
    CHECK(boards_of(place_jobs(app(4), boards, {"a"}, misgivings).value()) == "a b c d ");  // it is not
    misgivings.keep_apart({"a"}, {"b"});  // the coordinator is the neighbour of both ends
    CHECK(boards_of(place_jobs(app(1), boards, {"a"}, misgivings).value()) == "a ");
    CHECK(boards_of(place_jobs(app(2), {boards[0], boards[1], boards[2]}, {"a"}, misgivings).value()) == "a c ");
}

TEST_CASE("boards to avoid are a last resort") {
    const std::vector boards{board("a", 2, 2), board("b", 1, 1)};
    const Misgivings misgivings{.boards = {{"a"}}, .apart = {}, .unfit = {}};
    CHECK(boards_of(place_jobs(app(1), boards, {"a"}, misgivings).value()) == "b ");
    CHECK(boards_of(place_jobs(app(2), boards, {"a"}, misgivings).value()) == "b a ");
}

TEST_CASE("what a kind of device refused goes to no device like it, however few there are") {
    std::vector boards{board("a", 1, 1), board("b", 1, 1), board("c", 2, 2)};
    for (auto& one : boards)
        one.state.devices[0].part = "xc7z020clg484-1";
    auto spec = app(1);
    spec.positions[0].overlay = "large";
    const Misgivings misgivings{.boards = {}, .apart = {}, .unfit = {{"large", "xc7z020clg484-1", 2, "too large"}}};
    CHECK(boards_of(place_jobs(spec, boards, {"c"}, misgivings).value()) == "a ");
    CHECK(boards_of(place_jobs(app(1), boards, {"c"}, misgivings).value()) == "c ");  // another overlay
    CHECK_FALSE(place_jobs(spec, {boards[2]}, {"c"}, misgivings));
}

TEST_CASE("a position that needs a kind of device gets it before those that take any") {
    const std::vector boards{board("a", 1, 1, "zynq"), board("b", 1, 1)};
    auto spec = app(2);
    spec.positions[1].device = "zynq";
    CHECK(boards_of(place_jobs(spec, boards, {"a"}, {}).value()) == "b a ");
}

TEST_CASE("an unhealthy device has no slots, and too few slots are refused with the numbers") {
    std::vector boards{board("a", 2, 2), board("b", 2, 2)};
    boards[0].state.devices[0].healthy = false;
    const auto refused = place_jobs(app(2, 2), boards, {"a"}, {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().fault == Fault::refused);
    CHECK(refused.error().message.find("needs 4 device slots at once, the cluster has 2 on 1 board(s)") !=
          std::string::npos);
    CHECK_FALSE(place_jobs(app(1), {}, {"a"}, {}));
}

TEST_CASE("a position goes to the board that it names, by name or label") {
    std::vector boards{board("a", 2, 2), board("b", 1, 0), board("c", 2, 2)};
    boards[2].state.labels = {"camera"};
    auto spec = app(2);
    spec.positions[0].board = "camera";
    spec.positions[1].board = "b";
    CHECK(boards_of(place_jobs(spec, boards, {"a"}, {}).value()) == "c b ");  // b is full: it is queued for

    spec.positions[0].board = "b";  // which has one slot
    CHECK(place_jobs(spec, boards, {"a"}, {}).error().message.find("'b', which has no slot left") != std::string::npos);
    spec.positions[0].board = "zed";
    const auto nobody = place_jobs(spec, boards, {"a"}, {});
    CHECK(nobody.error().fault == Fault::refused);
    CHECK(nobody.error().message.find("there are 'a', 'b', 'c', 'camera'") != std::string::npos);
}

TEST_CASE("a kind of device that no board has is told apart from too few of them") {
    auto spec = app(1);
    spec.positions[0].device = "fpga";
    const auto refused = place_jobs(spec, {board("a", 2, 2)}, {"a"}, {});
    CHECK(refused.error().message.find("no board of the cluster has one; there are 'soft'") != std::string::npos);
}
