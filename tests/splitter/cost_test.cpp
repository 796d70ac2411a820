#include <doctest/doctest.h>

#include "splitter/cost/plan.hpp"

namespace fard {
namespace {

using namespace splitter;

// Two layers, 1,000 bytes in, 500 between, 10 out. Boards of 1 MHz with ways of 100,000 bytes/s and 1 ms; a chunk costs a
// processor 2 ms, a byte 2 us. The client's way is ten times as fast, its latency 0.5 ms.
Network two_layers() {
    Network network{"two", {}, {{0, 1000}, {1, 500}, {2, 10}}};
    network.layers.push_back({"a", {{{{10, 0, 3, 0, 0}}, 20'000, 1'000}, {{{30, 0, 3, 0, 0}}, 10'000, 500}}, 4'000, 10});
    network.layers.push_back({"b", {{{{5, 0, 0, 0, 2}}, 8'000, 2'000}}, 2'000, 10});
    return network;
}

Cluster boards(std::size_t count) {
    Cluster cluster;
    for (std::size_t i = 0; i < count; ++i) {
        Board board{.name = "board" + std::to_string(i), .profile = "p"};
        board.whole.of = board.usable.of = {40, 40, 4, 0, 4};
        board.clock_hz = 1e6;
        board.way = {1e5, 1e-3};
        board.host_s_per_chunk = 2e-3;
        board.host_s_per_byte = 2e-6;
        board.macs_per_s = 1e5;
        cluster.boards.push_back(board);
    }
    cluster.client = {1e6, 5e-4};
    return cluster;
}

void refused(const Network& network, const Cluster& cluster, const Plan& plan, const std::string& about) {
    const auto cost = evaluate(network, cluster, plan);
    REQUIRE_FALSE(cost);
    INFO(cost.error().message);
    CHECK(cost.error().message.find(about) != std::string::npos);
}

}  // namespace

TEST_CASE("one board pays for the input, the result and the slower layer") {
    const Plan plan{{{0, 2, false, {0, 0}, {0}}}};
    const auto cost = evaluate(two_layers(), boards(1), plan).value();
    CHECK(cost.stages[0].need.of == std::array<std::int64_t, 5>{15, 0, 3, 0, 2});
    CHECK(cost.stages[0].cycles == 20'000);
    CHECK(cost.period_s == doctest::Approx(20e-3));
    CHECK(cost.bottleneck.what == Load::What::fabric);
    // In: 0.5 + 1 ms of ways, 10 ms at the board's rate, 2 + 2 ms of its processor. Through: 20 + 1 + 2 ms. Out: 1.5 + 0.1 +
    // 2.02 ms.
    CHECK(cost.stages[0].arrive_s == doctest::Approx(15.5e-3));
    CHECK(cost.stages[0].latency_s == doctest::Approx(23e-3));
    CHECK(cost.deliver_s == doctest::Approx(3.62e-3));
    CHECK(cost.latency_s == doctest::Approx(42.12e-3));
}

TEST_CASE("two boards each pay their end of the cut") {
    const Plan plan{{{0, 1, false, {1}, {0}}, {1, 2, false, {0}, {1}}}};
    const auto cost = evaluate(two_layers(), boards(2), plan).value();
    // Board 0: 10 ms of fabric, 10 ms in, 5 ms out, 2 + 2 + 2 + 1 ms of its processor: the ways and the fabric bind equally.
    CHECK(cost.period_s == doctest::Approx(10e-3));
    double processor = 0;
    for (const auto& load : cost.loads)
        if (load.what == Load::What::processor && load.board == 0) processor = load.seconds;
    CHECK(processor == doctest::Approx(7e-3));
    CHECK(cost.stages[1].arrive_s == doctest::Approx(2e-3 + 5e-3 + 3e-3 + 3e-3));
}

TEST_CASE("energy is what boards take always, and more where they compute and while a way is in use") {
    const Plan plan{{{0, 1, false, {1}, {0}}, {1, 2, false, {0}, {1}}}};
    auto cluster = boards(3);
    CHECK_FALSE(evaluate(two_layers(), cluster, plan)->energy_j);
    for (auto& board : cluster.boards)
        board.power = Board::Power{2, 0.5, 0.1, 9};
    // Three boards for 10 ms; 10 and 8 ms of fabrics; 10 + 5 and 5 + 0.1 ms of ways.
    CHECK(*evaluate(two_layers(), cluster, plan)->energy_j == doctest::Approx(3 * 2 * 10e-3 + 0.5 * 18e-3 + 0.1 * 20.1e-3));
    cluster.boards.pop_back();
    CHECK(*evaluate(two_layers(), cluster, plan)->energy_j == doctest::Approx(2 * 2 * 10e-3 + 0.5 * 18e-3 + 0.1 * 20.1e-3));
    cluster.boards[1].power.reset();
    CHECK_FALSE(evaluate(two_layers(), cluster, plan)->energy_j);
}

TEST_CASE("more stages than slots are on their boards in rounds") {
    const Plan plan{{{0, 1, false, {1}, {0}}, {1, 2, false, {0}, {0}}}};
    auto cluster = boards(1);
    cluster.boards[0].reload_s = 0.2;
    refused(two_layers(), cluster, plan, "has 1 slots, and the plan takes more");
    CHECK_FALSE(evaluate(two_layers(), cluster, plan, 0));
    const auto batch = evaluate(two_layers(), cluster, plan, 10).value();
    REQUIRE(batch.rounds.size() == 2);
    CHECK(batch.rounds[1].first == 1);
    CHECK(batch.rounds[0].reload_s == doctest::Approx(0.2));
    // The first round: 10 ms of fabric and 10 ms in. The second: 8 ms, nothing comes in. Between them nothing travels.
    CHECK(batch.rounds[0].period_s == doctest::Approx(10e-3));
    CHECK(batch.rounds[1].period_s == doctest::Approx(8e-3));
    // 15.5 ms in, 10.5 and 10 ms through, 3.62 ms out; nine chunks more in each round.
    CHECK(batch.latency_s == doctest::Approx(0.4 + 39.62e-3 + 9 * 18e-3));
    CHECK(batch.period_s == doctest::Approx(batch.latency_s / 10));
    const auto one = evaluate(two_layers(), cluster, plan, 1).value();
    CHECK(one.latency_s == doctest::Approx(0.4 + 39.62e-3));
    cluster.boards[0].power = Board::Power{2, 0.5, 0.1, 9};
    CHECK(*evaluate(two_layers(), cluster, plan, 1)->energy_j ==
          doctest::Approx(2 * one.period_s + 0.5 * 18e-3 + 0.1 * 10.1e-3 + 9 * 0.4));
    // Boards enough: the same with a batch as without.
    const Plan apart{{{0, 1, false, {1}, {0}}, {1, 2, false, {0}, {1}}}};
    CHECK(evaluate(two_layers(), boards(2), apart, 10)->period_s == evaluate(two_layers(), boards(2), apart)->period_s);
    CHECK(evaluate(two_layers(), boards(2), apart, 10)->latency_s == evaluate(two_layers(), boards(2), apart)->latency_s);
    // Two slots hold both; a slot that holds one stage in all rounds is not loaded.
    cluster.boards[0].slots = 2;
    CHECK(evaluate(two_layers(), cluster, plan, 10)->rounds.size() == 1);
}

TEST_CASE("replicas share the chunks evenly") {
    const Plan plan{{{0, 1, false, {1}, {0, 1}}, {1, 2, false, {0}, {2}}}};
    const auto cost = evaluate(two_layers(), boards(3), plan).value();
    // Board 2: 8 ms of fabric, 5 ms in, 3 + 2.02 ms of its processor.
    CHECK(cost.period_s == doctest::Approx(8e-3));
    CHECK(cost.bottleneck.board == 2);
    for (const auto& load : cost.loads)
        if (load.what == Load::What::fabric && load.board < 2) CHECK(load.seconds == doctest::Approx(5e-3));
}

namespace {

// The first layer may be made in two parts.
Network with_parts() {
    auto network = two_layers();
    network.layers[0].parts = {{{{{6, 0, 2, 0, 0}}, 6'000, 300}}};
    return network;
}

}  // namespace

TEST_CASE("parts each take the whole chunk and hand on their share of the bytes") {
    const Plan plan{{{0, 1, false, {0}, {0, 1}, 2}, {1, 2, false, {0}, {2}}}};
    const auto cost = evaluate(with_parts(), boards(3), plan).value();
    CHECK(cost.stages[0].need.of == std::array<std::int64_t, 5>{6, 0, 2, 0, 0});
    CHECK(cost.stages[0].latency_s == doctest::Approx(6.3e-3));
    // The client sends 2,000 bytes, each board takes 1,000; 250 bytes leave each, board 2 takes 500 in two messages.
    CHECK(cost.period_s == doctest::Approx(10e-3));
    CHECK(cost.bottleneck.what == Load::What::way_in);
    CHECK(cost.stages[0].arrive_s == doctest::Approx(1.5e-3 + 10e-3 + 4e-3));
    CHECK(cost.stages[1].arrive_s == doctest::Approx(2e-3 + 5e-3 + 2.5e-3 + 5e-3));
    for (const auto& load : cost.loads) {
        if (load.what == Load::What::fabric && load.board < 2) CHECK(load.seconds == doctest::Approx(6e-3));
        if (load.what == Load::What::way_out && load.board == 3) CHECK(load.seconds == doctest::Approx(2e-3));
        if (load.what == Load::What::way_out && load.board < 2) CHECK(load.seconds == doctest::Approx(2.5e-3));
        if (load.what == Load::What::processor && load.board < 2) CHECK(load.seconds == doctest::Approx(6.5e-3));
        if (load.what == Load::What::processor && load.board == 2) CHECK(load.seconds == doctest::Approx(5e-3 + 2.02e-3));
    }
}

TEST_CASE("a part hands on for nothing to what is on its own board") {
    auto cluster = boards(2);
    cluster.boards[0].slots = 2;
    const Plan plan{{{0, 1, false, {0}, {0, 1}, 2}, {1, 2, false, {0}, {0}}}};
    const auto cost = evaluate(with_parts(), cluster, plan).value();
    CHECK(cost.stages[1].arrive_s == doctest::Approx(2e-3 + 2.5e-3 + 2.5e-3 + 2.5e-3));
    for (const auto& load : cost.loads)
        if (load.what == Load::What::processor && load.board == 0) CHECK(load.seconds == doctest::Approx(4e-3 + 2.5e-3 + 2.02e-3));
}

TEST_CASE("parts need a slot each, lie between two cuts, and are made as they were offered") {
    refused(with_parts(), boards(3), {{{0, 1, false, {0}, {0}, 2}, {1, 2, false, {0}, {2}}}}, "2 parts on 1 slots");
    refused(with_parts(), boards(3), {{{0, 2, false, {0, 0}, {0, 1}, 2}}}, "more than what lies between two cuts");
    refused(with_parts(), boards(3), {{{0, 1, false, {1}, {0, 1}, 2}, {1, 2, false, {0}, {2}}}}, "no such folding");
    refused(two_layers(), boards(3), {{{0, 1, false, {0}, {0, 1}, 2}, {1, 2, false, {0}, {2}}}}, "no such folding");
}

TEST_CASE("what stays on a board is free, and its processor and ways serve all of its positions") {
    auto cluster = boards(1);
    cluster.boards[0].slots = 2;
    const Plan plan{{{0, 1, false, {1}, {0}}, {1, 2, false, {0}, {0}}}};
    const auto cost = evaluate(two_layers(), cluster, plan).value();
    CHECK(cost.stages[1].arrive_s == 0);
    CHECK(cost.period_s == doctest::Approx(10e-3));
    for (const auto& load : cost.loads) {
        if (load.what == Load::What::processor) CHECK(load.seconds == doctest::Approx(4e-3 + 2.02e-3));
        if (load.what == Load::What::way_out && load.board == 0) CHECK(load.seconds == doctest::Approx(1e-4));
    }
}

TEST_CASE("an input on a board costs its way, unless the first stage is there") {
    auto cluster = boards(2);
    cluster.input_at = 0;
    const Network network = two_layers();
    const auto near = evaluate(network, cluster, {{{0, 2, false, {0, 0}, {0}}}}).value();
    CHECK(near.stages[0].arrive_s == 0);
    const auto far = evaluate(network, cluster, {{{0, 2, false, {0, 0}, {1}}}}).value();
    CHECK(far.stages[0].arrive_s == doctest::Approx(2e-3 + 10e-3 + 4e-3 + 4e-3));
    bool sends = false;
    for (const auto& load : far.loads)
        sends |= load.what == Load::What::way_out && load.board == 0 && load.seconds == doctest::Approx(10e-3);
    CHECK(sends);
}

TEST_CASE("a stage on a processor takes time for its products, beside its messages") {
    const Plan plan{{{0, 2, true, {}, {0}}}};
    const auto cost = evaluate(two_layers(), boards(1), plan).value();
    CHECK(cost.stages[0].compute_s == doctest::Approx(60e-3));
    CHECK(cost.period_s == doctest::Approx(60e-3 + 4e-3 + 2.02e-3));
    CHECK(cost.bottleneck.what == Load::What::processor);
}

TEST_CASE("a plan that cannot be is refused with what does not fit") {
    const auto network = two_layers();
    auto cluster = boards(2);
    refused(network, cluster, {{{0, 1, false, {0}, {0}}}}, "do not hold the whole");
    refused(network, cluster, {{{1, 2, false, {0}, {0}}}}, "do not follow");
    refused(network, cluster, {{{0, 1, false, {0}, {0}}, {1, 2, false, {0}, {0}}}}, "has 1 slots");
    refused(network, cluster, {{{0, 2, false, {0, 1}, {0}}}}, "no such folding");
    cluster.boards[0].usable.of[2] = 2;
    refused(network, cluster, {{{0, 2, false, {0, 0}, {0}}}}, "takes 3 bram18, and a slot of 'board0' may give 2");
    cluster.boards[1].profile = "q";
    refused(network, cluster, {{{0, 2, false, {0, 0}, {0, 1}}}}, "two kinds");
}

}  // namespace fard
