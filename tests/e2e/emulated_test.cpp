// Apps on emulated boards: exact results, what is loaded stays, and faults end in one of two ways.
#include <doctest/doctest.h>

#include "tests/e2e/harness.hpp"

using namespace fard::e2e;
using nlohmann::json;

namespace {

fs::path app(const std::string& name) {
    return source_root() / "apps" / (name + ".toml");
}

struct Ran {
    json summary;
    std::string results;
};

Ran submit(const World& world, const fs::path& file, int chunks, const std::string& tag) {
    const auto output = world.files().path() / (tag + ".npy");
    const auto outcome = world.fard({"submit", file.string(), "--chunks", std::to_string(chunks), "--output", output.string(),
                                     "--prepared", (world.files().path() / (tag + "-in.npy")).string(), "--json"});
    CAPTURE(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return {outcome.json(), read_file(output)};
}

std::string uncut(const World& world, const fs::path& model, const std::string& tag) {
    const auto output = world.files().path() / (tag + "-whole.npy");
    const auto outcome = world.fard({"run", model.string(), "--input", (world.files().path() / (tag + "-in.npy")).string(), "--output",
                                     output.string()});
    CAPTURE(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return read_file(output);
}

json status(const World& world) {
    return world.fard({"status", "--json"}).json();
}

// Names of what the cluster's fabrics hold.
std::vector<std::string> loaded(const json& status) {
    std::vector<std::string> names;
    for (const auto& board : status["boards"])
        for (const auto& device : board["devices"])
            for (const auto& slot : device["loaded"])
                if (slot["state"] == "loaded") names.push_back(slot["name"]);
    std::sort(names.begin(), names.end());
    return names;
}

bool nothing_leased(const World& world) {
    return eventually(
        [&] {
            const auto now = status(world);
            for (const auto& board : now["boards"])
                for (const auto& device : board["devices"])
                    if (device["healthy"] == true && device["slots_free"] != device["slots"]) return false;  // an unhealthy one has none
            return true;
        },
        std::chrono::seconds(10));
}

void check_app(int boards, const std::string& name, const fs::path& model, int chunks) {
    World world;
    world.up(boards, {"--profile", "zedboard"});
    const auto first = submit(world, app(name), chunks, "first");
    CHECK(first.results == uncut(world, source_root() / "apps" / model, "first"));
    CHECK(first.summary["reloads"] == boards);
    for (const auto& stage : first.summary["stages"])
        CHECK(stage["device"] == "fabric0");
    const auto held = loaded(status(world));
    CHECK(held.size() == static_cast<std::size_t>(boards));
    CHECK(std::all_of(held.begin(), held.end(), [&](const std::string& one) { return one.starts_with(name + "."); }));
    // Programs that have the stages compiled wait for the next run.
    CHECK(eventually(
        [&] {
            const auto parked = world.parked();
            return std::ranges::count_if(parked, [](pid_t one) {
                       return read_file("/proc/" + std::to_string(one) + "/cmdline").find("--prepare") != std::string::npos;
                   }) == boards;
        },
        std::chrono::seconds(20)));
    const auto second = submit(world, app(name), chunks, "second");
    CHECK(second.results == first.results);
    CHECK(second.summary["reloads"] == 0);
    CHECK(nothing_leased(world));
}

}  // namespace

TEST_CASE("two_stage_bnn on two emulated Zedboards: exact, and the second run loads nothing") {
    check_app(2, "two_stage_bnn", "two_stage_bnn/cnv_w2a2.onnx", 40);
}

TEST_CASE("mobilenet_six_stage on six emulated Zedboards: exact, and the second run loads nothing") {
    check_app(6, "mobilenet_six_stage", "mobilenet_six_stage/mobilenet_v1_w4a4.onnx", 6);
}

TEST_CASE("an app brings up the emulated boards that its [cluster] names") {
    World world;
    auto text = read_file(app("two_stage_bnn"));
    for (const auto* path : {"\"two_stage_bnn/"})
        for (std::size_t at = 0; (at = text.find(path, at)) != std::string::npos; at += 10)
            text.replace(at, 1, "\"" + (source_root() / "apps").string() + "/");
    const auto file = world.files().write("own.toml", text + "profile = \"zedboard\"\n");
    const auto ran = submit(world, file, 5, "own");
    CHECK(ran.summary["chunks_out"] == 5);
    CHECK(ran.summary["reloads"] == 2);
}

TEST_CASE("two stages in the two slots of one board: each is planned for a slot, and what lies between them is free") {
    World world;
    world.up(1, {"--profile", "zedboard", "--slots", "2"});
    const auto ran = submit(world, app("two_stage_bnn"), 8, "slots");
    CHECK(ran.results == uncut(world, source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx", "slots"));
    CHECK(ran.summary["reloads"] == 2);
    CHECK(loaded(status(world)).size() == 2);
    CHECK(nothing_leased(world));
}

TEST_CASE("a client on the board that coordinates: what its own positions get is free, what others get takes that board's port") {
    World world;
    world.up(2, {"--profile", "zedboard"});
    constexpr int chunks = 10, bytes = 1'000'000;
    constexpr double port_s = chunks * bytes * 8 / 94.9e6;  // one way, all of it
    const auto taken = [&](const std::string& board, std::vector<std::string> more) {
        const auto file = world.files().write("on_" + board + ".toml",
                                              "[app]\nname = \"on\"\n[input]\nrandom_chunks = " + std::to_string(chunks) +
                                                  "\n[[input.tensor]]\nname = \"x\"\nshape = [1, " + std::to_string(bytes) +
                                                  "]\ntype = \"UINT8\"\n[pipeline]\nwindow = \"16 MiB\"\nlink = \"4 MiB\"\n"
                                                  "[[pipeline.position]]\nname = \"p\"\njob = \"copy\"\nboard = \"" + board + "\"\n");
        const auto output = world.files().path() / "on.npy", fed = world.files().path() / "fed.npy";
        more.insert(more.begin(), {"submit", file.string(), "--output", output.string(), "--prepared", fed.string(), "--json"});
        const auto outcome = world.fard(more);
        REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
        CHECK(read_file(output) == read_file(fed));
        return outcome.json()["wall_s"].get<double>();
    };
    CHECK(taken("b0", {}) > port_s);
    CHECK(taken("b0", {"--on-board"}) < port_s);
    CHECK(taken("b1", {"--on-board"}) > port_s);
}

TEST_CASE("what no board can hold is refused before anything is loaded") {
    World world;
    world.up(1, {"--profile", "zedboard", "--slots", "2"});
    const auto whole = world.files().write(
        "whole.toml", "[app]\nname = \"whole\"\n[model]\nfile = \"" +
                          (source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx").string() +
                          "\"\n[input]\ndefault = \"" + (source_root() / "apps/two_stage_bnn/images").string() +
                          "\"\nresize = { width = 224, height = 224, method = \"bilinear\" }\n[[pipeline.position]]\nname = \"all\"\n");
    const auto outcome = world.fard({"submit", whole.string(), "--chunks", "1", "--json"});
    CHECK(outcome.exit_code != 0);
    CHECK(outcome.err.find("position 'all' fits no board of the cluster") != std::string::npos);
    CHECK(loaded(status(world)).empty());
}

TEST_CASE("faults of an emulated board: the run completes exactly, or says why it ended; nothing stays leased") {
    std::string right;
    for (const std::string fault : {"load-request@1", "load-init@1", "load-write@1", "load-complete@1", "dma@3", "stuck@3", "freeze@3:300"}) {
        CAPTURE(fault);
        World world;
        world.up(2, {"--profile", "zedboard", "--fault", fault});
        const auto ran = submit(world, app("two_stage_bnn"), 8, "fault");
        if (right.empty()) right = uncut(world, source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx", "fault");
        CHECK(ran.results == right);
        const bool anew = !fault.starts_with("freeze");
        CHECK(ran.summary["reloads"] == (anew ? 3 : 2));
        CHECK(nothing_leased(world));
    }
}

TEST_CASE("a wrong result is found where results are verified, and made again") {
    World world;
    world.up(2, {"--profile", "zedboard", "--fault", "wrong@3"});
    auto text = read_file(app("two_stage_bnn"));
    for (std::size_t at = 0; (at = text.find("\"two_stage_bnn/", at)) != std::string::npos; at += 10)
        text.replace(at, 1, "\"" + (source_root() / "apps").string() + "/");
    for (const auto* job : {"job = \"first_stage\"", "job = \"second_stage\""})
        text.insert(text.find(job), "params = { verify = 1 }\n");
    const auto ran = submit(world, world.files().write("verified.toml", text), 8, "verified");
    CHECK(ran.results == uncut(world, source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx", "verified"));
    CHECK(ran.summary["reloads"] == 3);
}

TEST_CASE("a device that fails three times in a row is out of placement until it is mended") {
    World world;
    world.up(1, {"--profile", "zedboard", "--fault", "load-init@1*3"});
    const auto failed = world.fard({"submit", app("two_stage_bnn").string(), "--chunks", "2", "--json", "--timeout", "40"});
    CHECK(failed.exit_code == 1);
    const auto device = status(world)["boards"][0]["devices"][0];
    CHECK(device["healthy"] == false);
    CHECK(device["detail"].get<std::string>().find("write init error") != std::string::npos);
    const auto refused = world.fard({"submit", app("two_stage_bnn").string(), "--chunks", "2", "--json"});
    CHECK(refused.exit_code == 1);
    CHECK(refused.err.find("taken out after 3 failures in a row") != std::string::npos);
    CHECK(nothing_leased(world));
    const std::string board = status(world)["boards"][0]["name"];
    CHECK(refused.err.find("`fard mend " + board + "`") != std::string::npos);
    const auto none = world.fard({"mend", board + "x"});
    CHECK(none.exit_code == 2);
    CHECK(none.err.find("did you mean " + board) != std::string::npos);
    const auto mended = world.fard({"mend", board});
    CHECK(mended.exit_code == 0);
    CHECK(mended.out.find(board + " is used again: fabric0 (taken out") == 0);
    REQUIRE(eventually([&] { return status(world)["boards"][0]["devices"][0]["healthy"] == true; }, std::chrono::seconds(5)));
    CHECK(world.fard({"mend", board}).out == "nothing on " + board + " was out of placement\n");
    CHECK(submit(world, app("two_stage_bnn"), 2, "mended").summary["chunks_out"] == 2);
    CHECK(nothing_leased(world));
}

TEST_CASE("a run whose device is taken out goes on in turns on the one that is left") {
    World world;
    world.up(2, {"--profile", "zedboard", "--fault", "load-init@1*3"});
    const auto ran = submit(world, app("two_stage_bnn"), 4, "left");
    CHECK(ran.results == uncut(world, source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx", "left"));
    CHECK(ran.summary["turns"] == 2);
    CHECK(ran.summary["batch"] == 4);
}
