// Whatever way a network is cut and spread, its results are the uncut network's, bit for bit.
#include <doctest/doctest.h>

#include <fstream>

#include "base/npy.hpp"
#include "model/model.hpp"
#include "tests/e2e/harness.hpp"

using namespace fard;
using namespace fard::e2e;

namespace {

const fs::path cnv() {
    return source_root() / "apps" / "two_stage_bnn" / "cnv_w2a2.onnx";
}

// The bytes of an .npy file, so that equal means equal in type, shape and every bit.
std::string results_of(const World& world, std::vector<std::string> arguments, const fs::path& output) {
    arguments.insert(arguments.end(), {"--output", output.string(), "--json"});
    const auto outcome = world.fard(arguments);
    CAPTURE(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return read_file(output);
}

// An app of stock stages that cuts CnvW2A2 at `cuts`, with that many replicas per position.
std::string app_text(const std::vector<std::string>& cuts, const std::vector<int>& replicas) {
    std::string text = "[app]\nname = \"cut\"\n[model]\nfile = \"" + cnv().string() + "\"\ncuts = [";
    for (const auto& cut : cuts)
        text += "\"" + cut + "\", ";
    text += "]\n[input]\ndefault = \"" + (source_root() / "apps" / "two_stage_bnn" / "images").string() +
            "\"\n[pipeline]\n";
    for (std::size_t p = 0; p < replicas.size(); ++p)
        text += "[[pipeline.position]]\nname = \"s" + std::to_string(p) +
                "\"\nreplicas = " + std::to_string(replicas[p]) + "\n";
    return text;
}

struct Whole {
    fs::path prepared;
    std::string results;
};

// The same with the lines that say how many jobs a position has: "parts = 3".
std::string app_with(const std::vector<std::string>& cuts, const std::vector<std::string>& positions, const std::string& pipeline = "") {
    auto text = app_text(cuts, {}) + pipeline;
    for (std::size_t p = 0; p < positions.size(); ++p)
        text += "[[pipeline.position]]\nname = \"s" + std::to_string(p) + "\"\n" + positions[p] + "\n";
    return text;
}

// What the apps' default images give on the reference interpreter.
Whole whole_network(const World& world, int chunks) {
    const auto app = world.files().write("whole.toml", app_text({}, {1}));
    Whole whole{world.files().path() / "prepared.npy", {}};
    const auto submitted = world.fard({"submit", app.string(), "--chunks", std::to_string(chunks),
                                       "--prepared", whole.prepared.string(), "--json"});
    CAPTURE(submitted.err);
    REQUIRE(submitted.exit_code == 0);
    whole.results = results_of(
        world, {"run", cnv().string(), "--input", whole.prepared.string(), "--device", "reference"},
        world.files().path() / "reference.npy");
    REQUIRE(whole.results.size() > 128);
    return whole;
}

}  // namespace

TEST_CASE("every cut position of CnvW2A2 gives the uncut network's results") {
    World world;
    world.up(2);
    const auto whole = whole_network(world, 6);
    const auto model = model::Model::load(cnv());
    REQUIRE(model);
    const auto cuts = model->cut_tensors();
    REQUIRE(cuts.size() >= 17);
    for (const auto& cut : cuts) {
        CAPTURE(cut);
        const auto app = world.files().write("cut.toml", app_text({cut}, {1, 1}));
        CHECK(results_of(world, {"submit", app.string(), "--chunks", "6"},
                         world.files().path() / "cut.npy") == whole.results);
    }
}

TEST_CASE("replicas 1, 2 and 3 of any position give the same results in the same order") {
    World world;
    world.up(3);
    const auto whole = whole_network(world, 20);
    const std::vector<std::string> cuts{"MaxPool_0", "Flatten_0"};
    for (const auto& replicas : {std::vector{1, 1, 1},
                                 {2, 1, 1},
                                 {1, 2, 1},
                                 {1, 1, 2},
                                 {3, 1, 1},
                                 {1, 3, 1},
                                 {1, 1, 3},
                                 {2, 2, 2}}) {
        const auto app = world.files().write("replicas.toml", app_text(cuts, replicas));
        const auto output = world.files().path() / "replicas.npy";
        const auto outcome =
            world.fard({"submit", app.string(), "--chunks", "20", "--output", output.string(), "--json"});
        CAPTURE(outcome.err);
        REQUIRE(outcome.exit_code == 0);
        CHECK(read_file(output) == whole.results);
        CHECK(outcome.json()["stages"].size() ==
              static_cast<std::size_t>(replicas[0] + replicas[1] + replicas[2]));
        CHECK(outcome.json()["chunks_out"] == 20);
    }
}

TEST_CASE("the apps run without a cluster, from any directory, and agree with the reference") {
    World world;
    struct App {
        std::string name, model;
        int chunks;
    };
    for (const auto& app : {App{"two_stage_bnn", "two_stage_bnn/cnv_w2a2.onnx", 20},
                            App{"mobilenet_six_stage", "mobilenet_six_stage/mobilenet_v1_w4a4.onnx", 2}}) {
        CAPTURE(app.name);
        const auto apps = source_root() / "apps";
        const auto prepared = world.files().path() / (app.name + ".in.npy"),
                   output = world.files().path() / (app.name + ".npy");
        const auto outcome =
            world
                .start({"submit", fs::relative(apps / (app.name + ".toml"), "/usr/share").string(),
                        "--chunks", std::to_string(app.chunks), "--prepared", prepared.string(), "--output",
                        output.string(), "--json"},
                       "/usr/share")
                .wait();
        CAPTURE(outcome.err);
        REQUIRE(outcome.exit_code == 0);
        CHECK(outcome.json()["chunks_out"] == app.chunks);
        CHECK(outcome.json()["app"] == app.name);
        CHECK(read_file(output) == results_of(world,
                                              {"run", (apps / app.model).string(), "--input",
                                               prepared.string(), "--device", "reference"},
                                              world.files().path() / "reference.npy"));
        CHECK(world.node_managers().empty());
    }
}

TEST_CASE("several submissions at the same time share one cluster") {
    World world;
    world.up(6);
    std::vector<Background> running;
    for (const char* app : {"two_stage_bnn", "mobilenet_six_stage", "two_stage_bnn", "mobilenet_six_stage"})
        running.push_back(
            world.start({"submit", (source_root() / "apps" / (std::string(app) + ".toml")).string(),
                         "--chunks", "4", "--json"}));
    for (auto& submission : running) {
        const auto outcome = submission.wait();
        CAPTURE(outcome.err);
        CHECK(outcome.exit_code == 0);
        CHECK(outcome.json()["chunks_out"] == 4);
    }
    world.down();
    CHECK(world.node_managers().empty());
}

TEST_CASE("parts at the head, in the middle and at the end, beside replicas and each other, give the same results") {
    World world;
    world.up(4, {"--slots", "4"});
    const auto whole = whole_network(world, 20);
    const std::vector<std::string> cuts{"Threshold_conv_2", "Threshold_conv_5"};
    const std::vector<std::vector<std::string>> cases{
        {"", "parts = 2", ""},
        {"", "parts = 8", ""},
        {"parts = 3", "", ""},
        {"", "", "parts = 5"},
        {"parts = 2", "parts = 3", "parts = 2"},
        {"replicas = 3", "parts = 3", "replicas = 2"},
        {"replicas = 2", "parts = 2", ""},
        {"", "parts = 4", "replicas = 3"},
    };
    for (const auto& positions : cases)
        for (const char* pipeline : {"", "link = \"20 KiB\"\n"}) {  // a chunk or two on each link
            CAPTURE(positions);
            const auto app = world.files().write("parts.toml", app_with(cuts, positions, pipeline));
            CHECK(results_of(world, {"submit", app.string(), "--chunks", "20"}, world.files().path() / "parts.npy") == whole.results);
        }
}

TEST_CASE("packages that somebody damages or cleans away on living boards come anew, and no result is wrong") {
    World world;
    world.up(2);
    const auto app = (source_root() / "apps/two_stage_bnn.toml").string();
    const auto result = [&](const std::string& name) {
        const auto file = (world.files().path() / (name + ".npy")).string();
        const auto outcome = world.fard({"submit", app, "--chunks", "4", "--output", file});
        CHECK_MESSAGE(outcome.exit_code == 0, outcome.err);
        return read_file(file);
    };
    const auto stored = [&] {
        std::vector<fs::path> directories;
        for (const auto* board : {"b0", "b1"})
            for (const auto& entry : fs::directory_iterator(world.directory() / "fard" / board / "overlays"))
                if (fs::exists(entry.path() / "stage.onnx")) directories.push_back(entry.path());
        return directories;
    };
    const auto right = result("right");
    REQUIRE_FALSE(right.empty());
    REQUIRE(stored().size() >= 2);
    for (const auto& directory : stored()) {
        std::fstream file(directory / "stage.onnx", std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(fs::file_size(directory / "stage.onnx") / 2));
        file << std::string(3000, 'x');
    }
    CHECK(result("damaged") == right);
    REQUIRE(stored().size() >= 2);
    for (const auto& directory : stored()) fs::remove_all(directory);
    CHECK(result("gone") == right);
}
