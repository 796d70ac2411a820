#include "cli/forecast.hpp"

#include <doctest/doctest.h>

using namespace fard;
using namespace fard::cli;

namespace {

constexpr std::size_t bytes = 10'000;

TensorDesc tensor() { return {.name = "t", .shape = {1, static_cast<std::int64_t>(bytes)}, .layout = "NC", .type = DataType::uint(8), .declared = "UINT8"}; }

splitter::Cluster two_boards(std::size_t slots = 1) {
    splitter::Cluster cluster;
    for (const auto* name : {"b0", "b1"}) {
        splitter::Board board{.name = name, .profile = "zedboard", .part = "xc7z020clg484-1"};
        board.slots = slots;
        board.way = splitter::way_at(100, 100);
        board.host_s_per_chunk = 0.25e-3;
        board.reload_s = 0.23;
        cluster.boards.push_back(board);
    }
    cluster.client = cluster.boards.front().way;
    return cluster;
}

// Positions of 1, 2, 3 ... ms, each with a package for the boards' part.
PackedApp app_of(std::size_t positions) {
    PackedApp packed;
    packed.spec.name = "made";
    for (std::size_t i = 0; i < positions; ++i) {
        auto& position = packed.spec.positions.emplace_back();
        position.name = "p" + std::to_string(i);
        position.overlay = "package" + std::to_string(i);
        position.inputs = position.outputs = {tensor()};
        Hardware build;
        build.part = "xc7z020clg400-1";  // another package of the same die is another part
        build.clock_mhz = 50;
        build.interval_cycles = 1;
        auto own = build;
        own.part = "xc7z020clg484-1";
        own.clock_mhz = 100;
        own.interval_cycles = 100'000 * static_cast<std::int64_t>(i + 1);
        own.latency_cycles = 2 * own.interval_cycles;
        packed.hardware[position.overlay] = {build, own};
    }
    return packed;
}

planner::Wish wish_of(std::size_t chunks) {
    planner::Wish wish;
    wish.run.chunks = chunks;
    return wish;
}

wire::BoardRow row_of(const std::string& name, const std::string& holds) {
    wire::BoardRow row;
    row.member.name = name;
    auto& cpu = row.state.devices.emplace_back();
    cpu.id = "cpu0";
    auto& fabric = row.state.devices.emplace_back();
    fabric.id = "fabric0";
    fabric.part = "xc7z020clg484-1";
    fabric.loaded.push_back({static_cast<std::uint8_t>(holds.empty() ? 0 : 2), holds, "", ""});
    return row;
}

}  // namespace

TEST_CASE("a forecast takes the packages' own figures, and a chunk with its header") {
    const auto made = forecast(app_of(2), two_boards(), wish_of(100));
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    CHECK_FALSE(made->turns());
    REQUIRE(made->pipeline.positions.size() == 2);
    CHECK(made->pipeline.positions[1].interval_s == doctest::Approx(2e-3));
    CHECK(made->pipeline.positions[1].latency_s == doctest::Approx(4e-3));
    CHECK(made->pipeline.positions[0].bytes_in > bytes);
    CHECK(made->pipeline.positions[0].bytes_in < bytes + 1000);
    CHECK(made->simulated.reloads == 2);
    CHECK(*made->simulated.steady_per_s() == doctest::Approx(500).epsilon(0.05));
    CHECK(planner::period_s(made->simulated) == doctest::Approx(2e-3));
    CHECK(made->bound_s <= made->simulated.wall_s());
}

TEST_CASE("what the boards hold is not loaded again, and stays where it is") {
    wire::Status status;
    status.boards = {row_of("b0", "package1"), row_of("b1", "package0")};
    const auto app = app_of(2);
    auto wish = wish_of(10);
    wish.run.loaded = loaded_now(app.spec, two_boards(), status);
    CHECK(wish.run.loaded == std::vector<std::vector<std::optional<planner::Held>>>{{planner::Held(1)}, {planner::Held(0)}});
    const auto made = forecast(app, two_boards(), wish);
    REQUIRE(made.has_value());
    CHECK(made->simulated.reloads == 0);
    CHECK(made->schedule.positions[0].seats == std::vector<planner::Seat>{{1, 0}});
    status.boards[0].state.devices[1].loaded[0].state = 1;  // it is on its way, which may fail
    CHECK(loaded_now(app.spec, two_boards(), status)[0][0] == std::nullopt);
}

TEST_CASE("more positions than slots take turns, in the batch that was asked for") {
    auto wish = wish_of(24);
    wish.batch = 8;
    const auto made = forecast(app_of(4), two_boards(), wish);
    REQUIRE(made.has_value());
    CHECK(made->turns());
    CHECK(made->schedule.batch == 8);
    CHECK(made->schedule.boards == std::vector<std::string>{"b0", "b1"});
    const auto same = forecast_as(app_of(4), two_boards(), made->schedule, wish.run);
    REQUIRE(same.has_value());
    CHECK(same->simulated.wall_s() == made->simulated.wall_s());
    // The boards in another order: the same run.
    auto swapped = made->schedule;
    std::swap(swapped.boards[0], swapped.boards[1]);
    for (auto& placed : swapped.positions)
        for (auto& seat : placed.seats)
            seat.board = 1 - seat.board;
    for (auto& turns : swapped.turns)
        turns.slot.board = 1 - turns.slot.board;
    const auto other = forecast_as(app_of(4), two_boards(), swapped, wish.run);
    REQUIRE(other.has_value());
    CHECK(other->simulated.wall_s() == made->simulated.wall_s());
}

TEST_CASE("parts and replicas have slots of their own") {
    auto app = app_of(2);
    app.spec.positions[1].replicas = 2;
    const auto made = forecast(app, two_boards(2), wish_of(200));
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    CHECK(made->schedule.positions[1].seats.size() == 2);
    CHECK(*made->simulated.steady_per_s() > 600);
    app.spec.positions[1].replicas = 1;
    app.spec.positions[1].parts = {{"package1", {tensor()}}, {"package1", {tensor()}}};
    const auto parts = forecast(app, two_boards(2), wish_of(20));
    REQUIRE_MESSAGE(parts.has_value(), parts.error().message);
    CHECK(parts->pipeline.positions[1].parts.size() == 2);
}

TEST_CASE("replicas and parts take turns where slots are too few, and what boards hold of them counts") {
    auto app = app_of(2);
    app.spec.positions[1].replicas = 2;
    auto wish = wish_of(200);
    wish.batch = 50;
    const auto replicas = forecast(app, two_boards(), wish);
    REQUIRE_MESSAGE(replicas.has_value(), replicas.error().message);
    CHECK(replicas->turns());
    CHECK(replicas->schedule.positions[1].seats.size() == 2);
    app.spec.positions[1].replicas = 1;
    app.spec.positions[1].parts = {{"part0", {tensor()}}, {"part1", {tensor()}}};
    app.hardware["part0"] = app.hardware["part1"] = app.hardware["package1"];
    const auto parts = forecast(app, two_boards(), wish_of(20));
    REQUIRE_MESSAGE(parts.has_value(), parts.error().message);
    CHECK(parts->turns());
    CHECK(parts->simulated.reloads >= 3);
    wire::Status status;
    status.boards = {row_of("b0", "part1"), row_of("b1", "part0")};
    const auto loaded = loaded_now(app.spec, two_boards(), status);
    CHECK(loaded == std::vector<std::vector<std::optional<planner::Held>>>{{planner::Held(1, 1)}, {planner::Held(1, 0)}});
    // With a slot for each job a part that is loaded stays where it is.
    status.boards[0].state.devices[1].loaded.push_back({2, "package0", "", ""});
    wish = wish_of(20);
    wish.run.loaded = loaded_now(app.spec, two_boards(2), status);
    const auto held = forecast(app, two_boards(2), wish);
    REQUIRE(held.has_value());
    CHECK(held->simulated.reloads == 0);
    CHECK(held->schedule.positions[1].seats == std::vector<planner::Seat>{{1, 0}, {0, 0}});
}

TEST_CASE("what nothing is known of has no forecast, and the reason is said") {
    const auto refused = [](const PackedApp& app, const std::string& why) {
        const auto made = forecast(app, two_boards(), wish_of(4));
        REQUIRE_FALSE(made.has_value());
        CHECK(made.error().fault == Fault::unsupported);
        CHECK_MESSAGE(made.error().message.find(why) != std::string::npos, made.error().message);
    };
    auto app = app_of(2);
    app.spec.positions[0].device = "soft";
    refused(app, "may run on a CPU");
    app = app_of(2);
    app.hardware.erase("package1");
    refused(app, "nothing is known of how fast position 'p1' is");
    app = app_of(2);
    app.spec.positions[0].board = "elsewhere";
    refused(app, "position 'p0'");
    app = app_of(2);
    app.spec.positions[0].replicas = 3;
    const auto crowded = forecast(app, two_boards(), wish_of(4));
    REQUIRE_FALSE(crowded.has_value());
    CHECK(crowded.error().fault == Fault::refused);
    CHECK_MESSAGE(crowded.error().message.find("3 replicas and 2 slots") != std::string::npos, crowded.error().message);
    auto wish = wish_of(4);
    wish.latency_s = 1e-4;
    const auto slow = forecast(app_of(2), two_boards(), wish);
    REQUIRE_FALSE(slow.has_value());
    CHECK(slow.error().fault == Fault::refused);
}

namespace {

splitter::Cluster with_power(splitter::Cluster cluster) {
    for (auto& board : cluster.boards)
        board.power = splitter::Board::Power{2, 0.5, 0.25, 0.1};
    return cluster;
}

// What a run would report that did as was forecast.
RunSummary as_forecast(const Forecast& made, std::size_t chunks) {
    RunSummary summary;
    summary.chunks_out = chunks;
    summary.placed_wall_s = made.simulated.wall_s();
    for (std::uint32_t p = 0; p < made.pipeline.positions.size(); ++p) {
        const auto& position = made.pipeline.positions[p];
        const auto& seats = made.schedule.positions[p].seats;
        for (std::uint32_t job = 0; job < seats.size(); ++job) {
            wire::JobReport row{.position = p, .replica = job, .board = made.schedule.boards[seats[job].board]};
            const auto done = position.parts.empty() ? chunks / seats.size() : chunks;
            row.stats.compute_ns = static_cast<std::uint64_t>(static_cast<double>(done) * position.interval_s * 1e9 + 0.5);
            row.stats.bytes_out = done * (position.parts.empty() ? made.pipeline.bytes_into(p + 1) : position.parts[job]);
            row.stats.reloads = 1;
            summary.stages.push_back(row);
        }
    }
    return summary;
}

}  // namespace

TEST_CASE("energy is what the boards' profiles say for what a run did, through the board that coordinates, too") {
    for (const std::optional<std::size_t> coordinator : {std::optional<std::size_t>(), std::optional<std::size_t>(0), std::optional<std::size_t>(1)}) {
        auto cluster = with_power(two_boards());
        cluster.coordinator = coordinator;
        const auto made = forecast(app_of(2), cluster, wish_of(100));
        REQUIRE(made.has_value());
        auto summary = as_forecast(*made, 100);
        REQUIRE(energy_of(*made, summary).has_value());
        CHECK(*energy_of(*made, summary) == doctest::Approx(*made->energy_j).epsilon(1e-9));
        summary.stages[1].board = "elsewhere";
        CHECK_FALSE(energy_of(*made, summary).has_value());
    }
}

TEST_CASE("parts each get all of a chunk, which counts as energy, too") {
    auto app = app_of(3);
    app.spec.positions[1].parts = {{"package1", {tensor()}}, {"package1", {tensor()}}};
    auto cluster = with_power(two_boards(2));
    cluster.coordinator = 1;
    const auto made = forecast(app, cluster, wish_of(20));
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    CHECK(*energy_of(*made, as_forecast(*made, 20)) == doctest::Approx(*made->energy_j).epsilon(1e-9));
}
