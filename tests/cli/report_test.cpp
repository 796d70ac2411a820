#include "cli/report.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/scores.hpp"

using namespace fard;
using namespace fard::cli;

namespace {

RunSummary sample() {
    RunSummary summary;
    summary.app = "two_stage_bnn";
    summary.run = RunId{"00112233445566778899aabbccddeeff"};
    summary.chunks_in = summary.chunks_out = 20;
    summary.wall_s = 0.5;
    summary.throughput_per_s = 40;
    summary.steady_per_s = 50;
    summary.latency_ms = {10, 1, 9, 12, 13};
    wire::JobReport row{1, 2, "second", "b1", "cpu0", "abcdef", {}};
    row.stats = {200, 1'500'000, 2'000'000, 3'000'000, 800, 1};
    summary.stages.push_back(row);
    summary.replays = 3;
    return summary;
}

}  // namespace

TEST_CASE("the JSON object of a run has exactly the keys that scripts rely on") {
    const auto json = nlohmann::ordered_json::parse(summary_json(sample()));
    std::vector<std::string> keys, stage_keys, latency_keys;
    for (const auto& [key, value] : json.items())
        keys.push_back(key);
    for (const auto& [key, value] : json["stages"][0].items())
        stage_keys.push_back(key);
    for (const auto& [key, value] : json["latency_ms"].items())
        latency_keys.push_back(key);
    CHECK(keys == std::vector<std::string>{"app", "run_id", "chunks_in", "chunks_out", "wall_s",
                                           "throughput_per_s", "steady_per_s", "latency_ms", "stages",
                                           "replays", "duplicates_dropped", "reloads", "turns", "batch", "first_result_s"});
    CHECK(stage_keys == std::vector<std::string>{"position", "replica", "name", "board", "device", "overlay",
                                                 "load_ms", "compute_ms", "wait_ms", "bytes_out", "late", "reloads", "turns"});
    CHECK(latency_keys == std::vector<std::string>{"mean", "sd", "p50", "p95", "p99"});
    CHECK(json["run_id"] == "00112233445566778899aabbccddeeff");
    CHECK(json["chunks_in"] == 20);
    CHECK(json["stages"][0]["replica"] == 2);
    CHECK(json["stages"][0]["load_ms"] == 1.5);
    CHECK(json["stages"][0]["late"] == 1);
    CHECK(json["replays"] == 3);
}

TEST_CASE("what was expected of a run stands beside what was measured in the same way") {
    auto summary = sample();
    summary.placed_wall_s = 0.4;
    summary.reloads = 3;
    Expected expected{.wall_s = 0.38, .throughput_per_s = 52.6, .steady_per_s = 60, .reloads = 2};
    expected.bound_per_s = 55;
    expected.energy_j = 2;
    expected.measured_energy_j = 3;
    const auto json = nlohmann::json::parse(summary_json(summary, std::nullopt, {}, expected));
    CHECK(json["plan"]["wall_s"] == 0.38);
    CHECK(json["plan"]["bound"] == 55);
    CHECK(json["plan"]["energy_j"] == 2);
    CHECK(json["plan"]["measured"]["energy_j"] == 3);
    CHECK(summary_text(summary, expected).find("energy: 0.15 J for each chunk, by the plan 0.1 J") != std::string::npos);
    CHECK(json["plan"]["measured"]["wall_s"] == 0.4);
    CHECK(json["plan"]["measured"]["throughput_per_s"] == doctest::Approx(50));
    CHECK(json["plan"]["measured"]["reloads"] == 3);
    CHECK(summary_text(summary, expected).find("0.380 s from its places to the last result") != std::string::npos);
    CHECK(summary_text(summary, expected).find("measured: 0.400 s (+5.3 %)") != std::string::npos);
    CHECK(summary_text(summary).find("plan:") == std::string::npos);
}

TEST_CASE("a run with more than 1 % late chunks says that its figures do not count") {
    auto summary = sample();
    CHECK(summary_text(summary).find("do not count") == std::string::npos);
    summary.stages[0].stats.late = 3;
    CHECK(summary_text(summary).find("3 of 200 chunks of 'second' on b1 came later") != std::string::npos);
    const auto json = nlohmann::json::parse(summary_json(summary));
    CHECK(json["invalid"].get<std::string>().find("do not count") != std::string::npos);
}

TEST_CASE("names with broken UTF-8 do not break the JSON object") {
    auto summary = sample();
    summary.app = "\xff\xfe";
    CHECK(!nlohmann::json::parse(summary_json(summary), nullptr, false).is_discarded());
}

TEST_CASE("the summary for people says what matters") {
    const auto text = summary_text(sample());
    CHECK(text.find("20 of 20 results") != std::string::npos);
    CHECK(text.find("replays: 3") != std::string::npos);
    CHECK(text.find("second") != std::string::npos);
}

TEST_CASE("tables are aligned: numbers to the right, words to the left") {
    CHECK(table_text({"name", "n"}, {{"a", "1"}, {"long", "100"}}) == "name    n\na       1\nlong  100\n");
    CHECK(table_text({"name"}, {}) == "name\n");
}

TEST_CASE("the best classes of integer and float results") {
    const TensorDesc integers{"scores", {1, 4}, "NC", DataType::sint(4), "INT8"};
    std::vector<std::byte> wire(integers.wire_bytes());
    const std::vector<std::int32_t> values{-8, 7, -1, 7};
    REQUIRE(pack(integers.type, values, wire));
    const auto best = top_scores(integers, wire, 3);
    REQUIRE(best);
    CHECK(scores_text(*best, {"cat", "dog"}) == "dog 7, 3 7, 2 -1");
    CHECK(top_scores(integers, wire, 100)->size() == 4);
    CHECK(!top_scores(integers, std::span(wire).first(1), 1));

    const TensorDesc floats{"scores", {1, 3}, "NC", DataType::float32(), "FLOAT32"};
    const float numbers[] = {std::numeric_limits<float>::quiet_NaN(), 0.5f, 12.25f};
    std::vector<std::byte> bytes(sizeof numbers);
    std::memcpy(bytes.data(), numbers, sizeof numbers);
    CHECK(scores_text(*top_scores(floats, bytes, 2), {"a", "b", "c"}) == "c 12.25, b 0.5");
}
