// `fard plan` as people and scripts call it.
#include <doctest/doctest.h>

#include "tests/e2e/harness.hpp"
#include "tests/has.hpp"

using namespace fard;
using namespace fard::e2e;

namespace {

std::string cnv() { return (source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx").string(); }
std::string app() { return (source_root() / "apps/two_stage_bnn.toml").string(); }

void refused(const World& world, const std::vector<std::string>& arguments, const std::string& about) {
    const auto outcome = world.fard(arguments);
    INFO(outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(has(outcome.err, about));
}

}  // namespace

TEST_CASE("plan prints who sits where and what it gives; with --json what scripts rely on") {
    const World world;
    const auto table = world.fard({"plan", cnv(), "--board", "pynq-z1", "--boards", "2"});
    REQUIRE_MESSAGE(table.exit_code == 0, table.err);
    for (const auto* part : {"compute ms", "64 chunks", "throughput", "latency", "energy", "limit", "bound", "pynq-z1-0"})
        CHECK_MESSAGE(has(table.out, part), part);
    const auto json = world.fard({"plan", cnv(), "--board", "pynq-z1", "--boards", "2", "--chunks", "200", "--json"}).json();
    for (const auto* key : {"wall_s", "throughput_per_s", "steady_per_s", "latency_ms", "reloads", "energy_j", "limit", "bound", "gap"})
        CHECK_MESSAGE(json.contains(key), key);
    CHECK(json["throughput_per_s"].get<double>() == doctest::Approx(200 / json["wall_s"].get<double>()));
    CHECK(json["bound"].get<double>() >= json["throughput_per_s"].get<double>() * (1 - 1e-9));
    CHECK(json["reloads"] == 2);
    CHECK(json["batch"].is_null());
}

TEST_CASE("more stages than slots take turns, and the timeline and the schedule can be kept") {
    const World world;
    const auto svg = world.files().path() / "run.svg", schedule = world.files().path() / "run.txt";
    const auto planned = world.fard({"plan", cnv(), "--board", "pynq-z1", "--boards", "1", "--stages", "3", "--batch", "16", "--chunks", "40",
                                     "--svg", svg.string(), "--schedule", schedule.string(), "--json"});
    REQUIRE_MESSAGE(planned.exit_code == 0, planned.err);
    const auto json = planned.json();
    CHECK(json["batch"] == 16);
    CHECK(json["reloads"] >= 3);
    CHECK(json["stages"].size() == 3);
    CHECK(has(read_file(svg), "stage2 load"));
    CHECK(has(read_file(schedule), "turns 0.0 0 "));
    const auto lowered = world.fard({"plan", cnv(), "--board", "pynq-z1", "--boards", "1", "--stages", "2", "--batch", "100", "--chunks", "10"});
    CHECK(has(lowered.out, "a batch of 10 instead of 100"));
}

TEST_CASE("parts of a layer are spread over boards of several slots, where stages take turns") {
    const World world;
    std::string boards;
    for (int i = 0; i < 3; ++i)
        boards += "[[board]]\nname = 'b" + std::to_string(i) + "'\nprofile = 'pynq-z2'\nslots = 2\n";
    const auto cluster = world.files().write("cluster.toml", boards);
    const auto network = (source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx").string();
    const auto planned = world.fard({"plan", network, "--cluster", cluster.string(), "--chunks", "20", "--batch", "20", "--json"});
    REQUIRE_MESSAGE(planned.exit_code == 0, planned.err);
    const auto plan = planned.json();
    CHECK(plan["stages"].size() > 6);
    std::size_t parts = 0;
    for (const auto& stage : plan["stages"])
        parts = std::max(parts, stage["parts"].get<std::size_t>());
    CHECK(parts > 1);
}

TEST_CASE("an app is planned with its own cuts, on its own cluster or on another") {
    const World world;
    const auto plain = world.fard({"plan", app(), "--json"}).json();
    REQUIRE(plain["stages"].size() == 2);
    CHECK(plain["stages"][0]["bytes_out"] == 64);
    CHECK(plain["reloads"] == 0);
    const auto boards = world.fard({"plan", app(), "--board", "zedboard", "--boards", "1", "--json"}).json();
    CHECK(boards["reloads"] == 2);
}

TEST_CASE("a client on the first board needs no port of its own") {
    const World world;
    const auto network = (source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx").string();
    std::vector<std::string> command{"plan", network, "--board", "zedboard", "--boards", "6", "--stages", "6", "--fraction", "1", "--chunks", "400", "--json"};
    const auto apart = world.fard(command).json();
    command.push_back("--on-board");
    const auto there = world.fard(command).json();
    CHECK(apart["steady_per_s"].get<double>() < 85);   // 150,528 bytes over 94.9 Mbit/s
    CHECK(there["steady_per_s"].get<double>() > 200);
    const auto file = world.files().write("c.toml", "[[board]]\nname = 'a'\nprofile = 'pynq-z1'\n");
    const auto refused = world.fard({"plan", app(), "--cluster", file.string(), "--on-board"});
    CHECK(refused.exit_code == 2);
    CHECK(refused.err.find("input_at") != std::string::npos);
}

TEST_CASE("what boards hold already is not loaded again, and goes where it is") {
    const World world;
    const auto board = [](const std::string& name, const std::string& loaded) {
        return "[[board]]\nname = '" + name + "'\nprofile = 'pynq-z1'\n" + (loaded.empty() ? "" : "loaded = '" + loaded + "'\n");
    };
    for (const bool packed : {true, false}) {  // by the figures of the packages, or by estimates
        CAPTURE(packed);
        const auto plan_on = [&](const std::string& cluster) {
            std::vector<std::string> command{"plan", app(), "--cluster", world.files().write("cluster.toml", cluster).string(), "--chunks", "20"};
            if (!packed) command.insert(command.end(), {"--estimates", "mended"});
            return command;
        };
        const auto plan = [&](const std::string& cluster) {
            auto command = plan_on(cluster);
            command.push_back("--json");
            return world.fard(command).json();
        };
        const auto cold = plan(board("a", "") + board("b", "")), half = plan(board("a", "") + board("b", "two_stage_bnn.first"));
        const auto warm = plan(board("a", "two_stage_bnn.second") + board("b", "two_stage_bnn.first"));
        CHECK(cold["reloads"] == 2);
        CHECK(half["reloads"] == 1);
        CHECK(warm["reloads"] == 0);
        CHECK(half["stages"][0]["board"] == "b");
        CHECK(warm["stages"][0]["board"] == "b");
        CHECK(warm["wall_s"].get<double>() < half["wall_s"].get<double>());
        CHECK(half["wall_s"].get<double>() <= cold["wall_s"].get<double>());
        CHECK(warm["bound"].get<double>() >= warm["throughput_per_s"].get<double>() * (1 - 1e-9));
        // Two slots of one board: each stage stays in the one that holds it.
        const auto both = plan("[[board]]\nname = 'a'\nprofile = 'zcu102'\nmbit_per_s = 1000\nslots = 2\nloaded = 'two_stage_bnn.second'\n");
        CHECK(both["reloads"] == 1);
        // One slot for both, in turns.
        CHECK(plan(board("a", "two_stage_bnn.first"))["reloads"] == 1);
        CHECK(plan(board("a", "two_stage_bnn.second"))["reloads"] == 2);
        const auto foreign = world.fard(plan_on(board("a", "other")));
        CHECK_MESSAGE(has(foreign.out, "'other' is no position's overlay"), foreign.out << foreign.err);
    }
}

TEST_CASE("what cannot be planned is said, with what to do") {
    const World world;
    const auto copy = (source_root() / "apps/copy.toml").string();
    refused(world, {"plan", cnv()}, "which boards?");
    refused(world, {"plan", copy}, "there is no [model] in it");
    refused(world, {"plan", app(), "--stages", "3"}, "--stages goes with a model");
    refused(world, {"plan", app(), "--board", "zedboard"}, "how many? --boards N");
    refused(world, {"plan", cnv(), "--board", "zedbord"}, "(did you mean zedboard?)");
    refused(world, {"plan", cnv(), "--board", "zedboard", "--batch", "many"}, "--batch");
    refused(world, {"plan", cnv(), "--board", "zedboard", "--latency-bound", "0"}, "--latency-bound 0: must be a number above 0");
    const auto slow = world.fard({"plan", cnv(), "--board", "zedboard", "--boards", "1", "--latency-bound", "0.01"});
    CHECK(slow.exit_code != 0);
    CHECK(has(slow.err, "the least found is"));
}
