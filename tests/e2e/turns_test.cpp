// More positions than FPGAs: they take turns, and nobody can tell by the results.
#include <doctest/doctest.h>
#include <signal.h>

#include <random>
#include <thread>

#include "tests/e2e/harness.hpp"

using namespace fard::e2e;
using nlohmann::json;

namespace {

// The app with the keys of [pipeline] replaced, its paths made absolute.
fs::path app(const World& world, const std::string& name, const std::string& window = "", const std::string& more = "") {
    auto text = read_file(source_root() / "apps" / (name + ".toml"));
    for (const auto* directory : {"\"two_stage_bnn/", "\"mobilenet_six_stage/"}) {
        const auto absolute = "\"" + (source_root() / "apps").string() + "/";
        for (std::size_t at = 0; (at = text.find(directory, at)) != std::string::npos; at += absolute.size())
            text.replace(at, 1, absolute);
    }
    if (!window.empty()) {
        const auto at = text.find("window = ");
        text.replace(at, text.find('\n', at) - at, "window = \"" + window + "\"");
    }
    if (!more.empty()) text.insert(text.find("window = "), more + "\n");
    return world.files().write(name + ".toml", text);
}

struct Ran {
    json summary;
    std::string results, notes;
};

Ran submit(const World& world, const fs::path& file, int chunks, std::vector<std::string> more = {}) {
    const auto output = world.files().path() / "out.npy";
    std::vector<std::string> arguments{"submit", file.string(), "--chunks", std::to_string(chunks), "--output", output.string(), "--prepared",
                                       (world.files().path() / "in.npy").string(), "--json", "--timeout", "120"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto outcome = world.fard(arguments);
    CAPTURE(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return {outcome.json(), read_file(output), outcome.err};
}

// What the whole network makes of the last submission's inputs.
std::string uncut(const World& world, const fs::path& model) {
    const auto output = world.files().path() / "whole.npy";
    const auto outcome = world.fard({"run", (source_root() / "apps" / model).string(), "--input", (world.files().path() / "in.npy").string(),
                                     "--output", output.string()});
    CAPTURE(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return read_file(output);
}

// So that turns can be counted on a machine that is busy.
const std::string patient = "turn_wait = \"10 s\"";

const fs::path mobilenet = "mobilenet_six_stage/mobilenet_v1_w4a4.onnx", cnv = "two_stage_bnn/cnv_w2a2.onnx";

}  // namespace

TEST_CASE("six positions on three emulated Zedboards: exact, and each is loaded once for one batch") {
    World world;
    world.up(3, {"--profile", "zedboard"});
    const auto file = app(world, "mobilenet_six_stage", "", patient);
    const auto ran = submit(world, file, 16, {"--batch", "auto"});
    CHECK(ran.results == uncut(world, mobilenet));
    CHECK(ran.summary["reloads"] == 6);
    CHECK(ran.summary["turns"] == 6);
    CHECK(ran.summary["batch"] == 16);
    CHECK(ran.summary["replays"] == 0);
    const auto again = submit(world, file, 16, {"--batch", "5"});
    CHECK(again.results == ran.results);
    CHECK(again.summary["turns"] == 24);
    const auto status = world.fard({"status", "--json"}).json();
    for (const auto& board : status["boards"])
        for (const auto& device : board["devices"])
            CHECK(device["slots_free"] == device["slots"]);
    CHECK(status["runs"].back()["shared_slots"] == 3);
    CHECK(status["runs"].back()["batch"] == 5);
}

TEST_CASE("without a word of turns, positions take them where there are too few FPGAs, and say so") {
    World world;
    world.up(1, {"--profile", "zedboard"});
    const auto ran = submit(world, app(world, "two_stage_bnn"), 6);
    CHECK(ran.results == uncut(world, cnv));
    CHECK(ran.summary["turns"] == 2);
    CHECK(ran.summary["reloads"] == 2);
    CHECK(world.fard({"status"}).out.find("1 of its slots are shared: turns of 6 chunks") != std::string::npos);
    CHECK(submit(world, app(world, "two_stage_bnn"), 6).summary["reloads"] == 2);
}

TEST_CASE("windows from one chunk to the whole input, inputs around a batch: exact, and nothing stands still") {
    World world;
    world.up(1, {"--profile", "zedboard"});
    constexpr int batch = 4, chunk_bytes = 32 * 32 * 3;
    for (const int window : {1, batch - 1, batch, batch + 1, 10 * batch}) {
        CAPTURE(window);
        const auto file = app(world, "two_stage_bnn", std::to_string(window * chunk_bytes) + " B", patient);
        for (const int chunks : {1, batch - 1, batch, batch + 1, 10 * batch}) {
            if (window < batch && chunks == 10 * batch && window == 1) continue;  // 40 rounds of reloads
            CAPTURE(chunks);
            const auto ran = submit(world, file, chunks, {"--batch", std::to_string(batch)});
            CHECK(ran.results == uncut(world, cnv));
            CHECK(ran.summary["batch"] == std::min(window, batch));
            CHECK((ran.notes.find("the app's window of") != std::string::npos) == (window < batch));
            const int turns = (chunks + std::min(window, batch) - 1) / std::min(window, batch);
            CHECK(ran.summary["turns"] == 2 * turns);
        }
    }
}

TEST_CASE("jobs that are killed in the middle of turns and reloads: every result once") {
    World world;
    world.up(1, {"--profile", "zedboard"});
    const auto file = app(world, "two_stage_bnn", "", "batch = 4");
    const auto right = submit(world, file, 48).results;
    std::mt19937 random(7);
    for (int i = 0; i < 4; ++i) {
        CAPTURE(i);
        auto run = world.start({"submit", file.string(), "--chunks", "48", "--output", (world.files().path() / "killed.npy").string(), "--json",
                                "--timeout", "120"});
        REQUIRE(eventually([&] { return !world.jobs().empty(); }, std::chrono::seconds(20)));
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 1500));
        const auto jobs = world.jobs();
        if (!jobs.empty()) kill(jobs[random() % jobs.size()], SIGKILL);
        const auto outcome = run.wait();
        CAPTURE(outcome.err);
        REQUIRE(outcome.exit_code == 0);
        CHECK(read_file(world.files().path() / "killed.npy") == right);
    }
}
