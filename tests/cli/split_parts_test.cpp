// Parallel parts as `fard split` plans and writes them, and the plans of networks that papers report on.
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/e2e/harness.hpp"
#include "tests/has.hpp"

using namespace fard;
using namespace fard::e2e;

namespace {

std::string cnv() { return (source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx").string(); }

fs::path data_file(const std::string& name) {
    const char* data = std::getenv("FARD_TEST_DATA");
    return fs::path(data ? data : source_root() / "../shared/data") / name;
}

// A network of tools/bench_networks.py; "" without python3-onnx.
std::string network(const World& world, const std::string& name) {
    const auto tool = (source_root() / "tools/bench_networks.py").string();
    const auto write = "/usr/bin/python3 '" + tool + "' '" + world.directory().string() + "' " + name + " 2>/dev/null";
    if (std::system(write.c_str()) != 0) {
        MESSAGE("skipped: needs python3-onnx");
        return "";
    }
    return (world.directory() / (name + ".onnx")).string();
}

nlohmann::json plan_of(const World& world, std::vector<std::string> command) {
    command.insert(command.begin(), "split");
    command.push_back("--json");
    const auto outcome = world.fard(command);
    REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
    return outcome.json();
}

// The stage with the most parts.
nlohmann::json widest(const nlohmann::json& plan) {
    nlohmann::json found = plan["stages"][0];
    for (const auto& stage : plan["stages"])
        if (stage["parts"] > found["parts"]) found = stage;
    return found;
}

}  // namespace

TEST_CASE("a layer in parts is planned, written and run, with the results of the whole network") {
    const World world;
    const auto images = (source_root() / "apps/two_stage_bnn/images").string();
    const auto whole = (world.files().path() / "whole.npy").string();
    const auto once = world.fard({"run", cnv(), "--input", images, "--output", whole});
    REQUIRE_MESSAGE(once.exit_code == 0, once.err);
    struct Case {
        std::vector<std::string> demands;
        std::size_t jobs;
    };
    int number = 0;
    for (const auto& [demands, parts] : std::vector<Case>{{{"Conv_4=4"}, 4}, {{"Conv_0=2", "MatMul_1=8"}, 8}, {{"MatMul_2=5"}, 5}}) {
        CAPTURE(demands);
        const auto out = world.files().path() / ("out" + std::to_string(number++));
        std::vector<std::string> command{cnv(), "--board", "pynq-z1", "--boards", "14", "--out", out.string()};
        for (const auto& demand : demands)
            command.insert(command.end(), {"--parts", demand});
        const auto plan = plan_of(world, command);
        const auto stage = widest(plan);
        CHECK(stage["parts"] == parts);
        CHECK(stage["replicas"] == 1);
        const auto directory = out / ("stage-" + stage["position"].dump());
        for (std::size_t i = 0; i < parts; ++i) {
            const auto part = directory / ("part-" + std::to_string(i));
            CHECK(fs::exists(part / "stage.onnx"));
            CHECK(fs::exists(part / "overlay/overlay.toml"));
            CHECK(has(read_file(part / "overlay/overlay.toml"), "cycles"));
        }
        CHECK(has(read_file(out / "cnv_w2a2.toml"), "parts = " + std::to_string(parts)));
        CHECK(has(read_file(out / "plan.svg"), "in " + std::to_string(parts) + " parts"));
        const auto result = (world.files().path() / "parts.npy").string();
        const auto submitted = world.fard({"submit", (out / "cnv_w2a2.toml").string(), "--input", images, "--output", result});
        REQUIRE_MESSAGE(submitted.exit_code == 0, submitted.err);
        CHECK(read_file(result) == read_file(whole));
    }
}

TEST_CASE("depthwise layers in parts, beside others, give the results of the whole network") {
    const World world;
    const auto app = (source_root() / "apps/mobilenet_six_stage.toml").string();
    const auto model = (source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx").string();
    const auto at = [&](const std::string& name) { return (world.files().path() / name).string(); };
    const auto once = world.fard({"submit", app, "--chunks", "2", "--prepared", at("in.npy"), "--output", at("whole.npy")});
    REQUIRE_MESSAGE(once.exit_code == 0, once.err);
    int number = 0;
    for (const auto& demands : std::vector<std::vector<std::string>>{{"Conv_1=4", "Conv_4=2"}, {"Conv_9=8"}, {"Conv_21=2", "MatMul_0=5"}}) {
        CAPTURE(demands);
        const auto out = at("out" + std::to_string(number++));
        std::vector<std::string> command{model, "--board", "zcu102", "--boards", "10", "--strategy", "latency", "--out", out};
        for (const auto& demand : demands)
            command.insert(command.end(), {"--parts", demand});
        const auto plan = plan_of(world, command);
        CHECK(widest(plan)["parts"] > 1);
        const auto submitted = world.fard({"submit", (fs::path(out) / "mobilenet_v1_w4a4.toml").string(), "--input", at("in.npy"), "--output", at("parts.npy")});
        REQUIRE_MESSAGE(submitted.exit_code == 0, submitted.err);
        CHECK(read_file(at("parts.npy")) == read_file(at("whole.npy")));
    }
}

TEST_CASE("MobileNetV1 W4A4 at FINN's fractions: what passes a Zedboard alone is made in parts") {
    const World world;
    const auto model = network(world, "mobilenet_v1_w4a4_pixels");
    if (model.empty()) return;
    const auto folding = data_file("finn/folding/ZCU102_folding_config.json");
    if (fs::exists(folding)) {
        const auto refused = world.fard({"split", model, "--board", "zedboard", "--strategy", "occupancy", "--folding", folding.string()});
        CHECK(refused.exit_code == 2);
        CHECK(has(refused.err, "228 bram18 of 224"));
        CHECK(has(refused.err, "252 bram18 of 224"));
        CHECK(has(refused.err, "the layer in 2 parallel parts"));
        const auto solved = plan_of(world, {model, "--board", "zedboard", "--folding", folding.string()});
        CHECK(widest(solved)["parts"] >= 2);
    }
    const auto mended = plan_of(world, {model, "--board", "zedboard"});
    std::size_t in_parts = 0;
    for (const auto& stage : mended["stages"])
        in_parts += stage["parts"] > 1;
    CHECK(in_parts >= 1);
    CHECK(mended["bound"].get<double>() >= mended["throughput_per_s"].get<double>() * (1 - 1e-9));
}

TEST_CASE("the papers' networks on the papers' boards have plans with a bottleneck and a bound") {
    const World world;
    struct Case {
        const char* network;
        std::vector<std::string> boards;
        std::size_t parts;  // of the widest stage, at least
    };
    for (const auto& [name, boards, parts] : std::vector<Case>{
             {"squeezenet_qdq", {"--board", "zcu102", "--boards", "6"}, 1},
             {"mnist_fcnn_w4a4", {"--board", "pynq-z2", "--boards", "5", "--parts", "MatMul_3=3"}, 3},
             {"mnist_cnn_w4a4", {"--board", "pynq-z2", "--boards", "5", "--parts", "MatMul_24=3"}, 3},
             {"mobilenet_v1_w4a4_pixels", {"--board", "u280", "--boards", "1"}, 1},
             {"mobilenet_v1_w4a4_pixels", {"--board", "u280", "--boards", "2"}, 1},
             {"resnet50_w1a2", {"--board", "u280", "--boards", "2"}, 1},
         }) {
        CAPTURE(name);
        const auto model = network(world, name);
        if (model.empty()) return;
        auto command = boards;
        command.insert(command.begin(), model);
        const auto plan = plan_of(world, command);
        CHECK(widest(plan)["parts"].get<std::size_t>() >= parts);
        CHECK_FALSE(plan["bottleneck"].get<std::string>().empty());
        CHECK(plan["gap"].get<double>() < 0.05);
    }
}

TEST_CASE("the boards of the cluster that is up are planned for") {
    World world;
    world.up(3, {"--slots", "1"});
    const auto plan = plan_of(world, {cnv(), "--node", "", "--stages", "3"});
    CHECK(plan["stages"].size() == 3);
    const World elsewhere;
    const auto nobody = elsewhere.fard({"split", cnv(), "--node", ""});
    CHECK(nobody.exit_code == 3);
}
