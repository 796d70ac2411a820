// `fard split` as people and scripts call it.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>

#include "tests/e2e/harness.hpp"
#include "tests/has.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::e2e;
using model::test::OnnxMaker;

namespace {

std::string cnv() { return (source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx").string(); }

// Two chunks of a model's input as an .npy file: whole numbers within its range, as `fard inspect --json` says it.
fs::path chunks_for(const World& world, const nlohmann::json& input) {
    const std::string declared = input["declared"], type = input["type"];
    std::int64_t low = type.starts_with("UINT") ? 0 : -8, high = type.starts_with("UINT") ? 15 : 7;
    if (input.contains("range")) low = input["range"][0].get<std::int64_t>(), high = input["range"][1].get<std::int64_t>();
    std::size_t count = 2;
    std::string shape = "(2,";
    for (std::size_t i = 1; i < input["shape"].size(); ++i) {
        count *= input["shape"][i].get<std::size_t>();
        shape += " " + input["shape"][i].dump() + ",";
    }
    std::string header = "{'descr': '" + std::string(declared == "FLOAT32" ? "<f4" : declared == "UINT8" ? "|u1" : "|i1") +
                         "', 'fortran_order': False, 'shape': " + shape + "), }";
    header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
    header += '\n';
    std::string text("\x93NUMPY\x01\x00", 8);
    text += static_cast<char>(header.size() % 256);
    text += static_cast<char>(header.size() / 256);
    text += header;
    for (std::size_t i = 0; i < count; ++i) {
        const auto step = static_cast<std::int64_t>(i * 7919 % 1009);
        const auto value = type == "BIPOLAR" ? (step % 2 == 0 ? -1 : 1) : low + step % (high - low + 1);
        if (declared == "FLOAT32") {
            const auto real = static_cast<float>(value);
            text.append(reinterpret_cast<const char*>(&real), sizeof real);
        } else {
            text += static_cast<char>(value);
        }
    }
    return world.files().write("chunks.npy", text);
}

}  // namespace

TEST_CASE("split prints a table, a bottleneck and a bound; with --json what scripts rely on") {
    const World world;
    const auto table = world.fard({"split", cnv(), "--board", "pynq-z1", "--boards", "2", "--strategy", "traffic"});
    REQUIRE_MESSAGE(table.exit_code == 0, table.err);
    for (const auto* part : {"BRAM%", "compute ms", "bottleneck", "relief", "bound", "pynq-z1-1"})
        CHECK_MESSAGE(has(table.out, part), part);
    const auto json = world.fard({"split", cnv(), "--board", "pynq-z1", "--boards", "2", "--strategy", "traffic", "--json"}).json();
    CHECK(json["strategy"] == "traffic");
    REQUIRE(json["stages"].size() == 2);
    for (const auto* key : {"position", "layers", "board", "resources", "utilisation", "cycles", "compute_ms", "bytes_out", "replicas", "parts"})
        CHECK_MESSAGE(json["stages"][0].contains(key), key);
    for (const auto* key : {"lut", "ff", "bram18", "uram", "dsp"}) {
        CHECK(json["stages"][0]["resources"].contains(key));
        CHECK(json["stages"][0]["utilisation"].contains(key));
    }
    for (const auto* key : {"throughput_per_s", "latency_ms", "energy_j", "bottleneck", "bound", "gap"})
        CHECK_MESSAGE(json.contains(key), key);
    CHECK(json["stages"][0]["bytes_out"] == 64);
    CHECK(json["gap"].get<double>() >= 0);
    CHECK(json["bound"].get<double>() >= json["throughput_per_s"].get<double>() * 0.999999);
}

TEST_CASE("split takes as many boards as it needs, a cluster file, and an exact number of stages") {
    const World world;
    const auto some = world.fard({"split", cnv(), "--board", "pynq-z1", "--fraction", "0.4", "--json"});
    REQUIRE_MESSAGE(some.exit_code == 0, some.err);
    CHECK(some.json()["stages"].size() >= 2);
    const auto three = world.fard({"split", cnv(), "--board", "pynq-z1", "--boards", "4", "--stages", "3", "--json"});
    REQUIRE_MESSAGE(three.exit_code == 0, three.err);
    CHECK(three.json()["stages"].size() == 3);
    const auto file = world.files().write("cluster.toml",
                                          "[[board]]\nname = 'a'\nprofile = 'zedboard'\n[[board]]\nname = 'b'\nprofile = 'zcu104'\n");
    const auto mixed = world.fard({"split", cnv(), "--cluster", file.string(), "--strategy", "latency", "--json"});
    REQUIRE_MESSAGE(mixed.exit_code == 0, mixed.err);
    CHECK(mixed.json()["stages"][0]["board"] == "b");
}

TEST_CASE("boards that hold too few stages take turns, by the planner's plan") {
    const World world;
    const auto turned = [&](std::vector<std::string> more) {
        more.insert(more.begin(), {"split", cnv(), "--board", "pynq-z1", "--json"});
        const auto outcome = world.fard(more);
        REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
        return outcome.json();
    };
    const auto json = turned({"--boards", "1", "--stages", "3"});
    CHECK(json["stages"].size() == 3);
    CHECK(json["turns"]["batch"] == 64);
    CHECK(json["turns"]["images"] == 64);
    CHECK(json["turns"]["reloads"] == 3);
    CHECK(json["bound"].get<double>() >= json["throughput_per_s"].get<double>() * (1 - 1e-9));
    CHECK_FALSE(json["bottleneck"].get<std::string>().empty());
    const auto plan = world.fard({"plan", cnv(), "--board", "pynq-z1", "--boards", "1", "--stages", "3", "--batch", "64", "--json"}).json();
    CHECK(json["throughput_per_s"].get<double>() == doctest::Approx(plan["throughput_per_s"].get<double>()));
    const auto one = turned({"--boards", "1", "--stages", "2", "--strategy", "latency", "--batch", "1"});
    CHECK(one["turns"]["images"] == 1);
    CHECK(one["latency_ms"].get<double>() == doctest::Approx(one["turns"]["wall_s"].get<double>() * 1e3));
    CHECK(one["bound"].get<double>() <= one["latency_ms"].get<double>() * (1 + 1e-9));
    const auto few = turned({"--boards", "1", "--fraction", "0.4", "--batch", "16", "--chunks", "32"});  // two boards of such would hold it
    CHECK(few["stages"].size() >= 2);
    CHECK(few["turns"]["batch"] == 16);
    CHECK_FALSE(turned({"--boards", "2"}).contains("turns"));
}

TEST_CASE("what split writes for turns runs, and says the batch") {
    const World world;
    const auto images = (source_root() / "apps/two_stage_bnn/images").string(), out = (world.files().path() / "out").string();
    const auto whole = (world.files().path() / "whole.npy").string(), result = (world.files().path() / "result.npy").string();
    const auto split = world.fard({"split", cnv(), "--board", "pynq-z1", "--boards", "1", "--stages", "3", "--batch", "8", "--out", out});
    REQUIRE_MESSAGE(split.exit_code == 0, split.err);
    for (const auto* part : {"in turns", "64 images in batches of 8", "pynq-z1-0: 0, 1, 2", "bound", "relief"})
        CHECK_MESSAGE(has(split.out, part), part << " is not in: " << split.out);
    CHECK(has(read_file(fs::path(out) / "cnv_w2a2.toml"), "batch = 8"));
    CHECK(has(read_file(fs::path(out) / "plan.svg"), "stage2 load"));
    REQUIRE(world.fard({"run", cnv(), "--input", images, "--output", whole}).exit_code == 0);
    const auto submitted = world.fard({"submit", (fs::path(out) / "cnv_w2a2.toml").string(), "--input", images, "--output", result});
    REQUIRE_MESSAGE(submitted.exit_code == 0, submitted.err);
    CHECK(read_file(result) == read_file(whole));
}

TEST_CASE("split answers mistakes with what to do") {
    const World world;
    const auto& files = world.files();
    const auto cluster = [&](const std::string& text) { return files.write("c.toml", text).string(); };
    struct Case {
        std::vector<std::string> command;
        std::string part;
    };
    for (const auto& wrong : std::vector<Case>{
             {{"split", cnv()}, "--board NAME, --cluster CLUSTER.toml, or --node"},
             {{"split", cnv(), "--board", "zedboard", "--parts", "Conv_4"}, "must be LAYER=N"},
             {{"split", cnv(), "--board", "zedboard", "--parts", "Conf_4=2"}, "did you mean Conv_4"},
             {{"split", cnv(), "--board", "zedboard", "--parts", "Conv_4=9"}, "there can be 2 to 8"},
             {{"split", cnv(), "--board", "zedboard", "--parts", "Conv_4=3"}, "cannot be made in 3 parts"},
             {{"split", cnv(), "--board", "zedboard", "--parts", "Conv_4=2", "--strategy", "traffic"}, "makes none"},
             {{"split", cnv(), "--board", "zedboard", "--report", "r.json"}, "give that folding"},
             {{"split", cnv(), "--board", "zedbord"}, "did you mean zedboard"},
             {{"split", cnv(), "--board", "zedboard", "--boards", "0"}, "--boards"},
             {{"split", cnv(), "--board", "zedboard", "--strategy", "trafic"}, "did you mean traffic"},
             {{"split", cnv(), "--board", "zedboard", "--fraction", "0"}, "above 0"},
             {{"split", cnv(), "--board", "zedboard", "--fraction", "-1"}, "above 0"},
             {{"split", cnv(), "--board", "zedboard", "--fraction", "1.5"}, "at most 1"},
             {{"split", cnv(), "--board", "zedboard", "--estimates", "mine"}, "finn or mended"},
             {{"split", cnv(), "--board", "zedboard", "--boards", "40", "--stages", "30"}, "can be cut into"},
             {{"split", cnv(), "--board", "zedboard", "--boards", "2", "--stages", "3", "--strategy", "balance"}, "give more boards"},
             {{"split", cnv(), "--board", "zedboard", "--boards", "2", "--stages", "3", "--batch", "0"}, "--batch"},
             {{"split", cnv(), "--board", "zedboard", "--boards", "2", "--stages", "3", "--chunks", "-1"}, "--chunks"},
             {{"split", cnv(), "--board", "zedboard", "--boards", "1", "--fraction", "0.4", "--strategy", "balance"}, "or turns on these"},
             {{"split", cnv(), "--board", "zedboard", "--boards", "1", "--fraction", "0.1"}, "what would do"},
             {{"split", cnv(), "--board", "zedboard", "--folding", "/nope.json"}, "/nope.json"},
             {{"split", cnv(), "--board", "zedboard", "--folding", cnv()}, "not a JSON file"},
             {{"split", cnv(), "--cluster", cluster("[[board]]\nname = 'a'\nprofile = 'ultra96'\n")}, "has no network of its own"},
             {{"split", (source_root() / "apps/two_stage_bnn.toml").string(), "--board", "zedboard"}, "is an app file"},
         }) {
        const auto outcome = world.fard(wrong.command);
        CHECK_MESSAGE(outcome.exit_code == 2, wrong.part << ": " << outcome.err);
        CHECK_MESSAGE(has(outcome.err, wrong.part), wrong.part << " is not in: " << outcome.err);
        CHECK(outcome.out.empty());
    }
}

TEST_CASE("what split writes runs on a local cluster, with the results of the whole network") {
    const World world;
    const auto images = (source_root() / "apps/two_stage_bnn/images").string();
    const auto whole = (world.files().path() / "whole.npy").string();
    const auto once = world.fard({"run", cnv(), "--input", images, "--output", whole});
    REQUIRE_MESSAGE(once.exit_code == 0, once.err);
    for (const auto& [strategy, boards] : {std::pair{"traffic", "2"}, std::pair{"balance", "3"}, std::pair{"throughput", "3"}}) {
        INFO(strategy);
        const auto out = world.files().path() / strategy;
        const auto split = world.fard({"split", cnv(), "--board", "pynq-z1", "--boards", boards, "--strategy", strategy, "--out", out.string()});
        REQUIRE_MESSAGE(split.exit_code == 0, split.err);
        CHECK(has(split.out, "run it with fard submit"));
        const auto result = (world.files().path() / (std::string(strategy) + ".npy")).string();
        const auto submitted = world.fard({"submit", (out / "cnv_w2a2.toml").string(), "--input", images, "--output", result});
        REQUIRE_MESSAGE(submitted.exit_code == 0, submitted.err);
        CHECK(read_file(result) == read_file(whole));
        CHECK(has(read_file(out / "stage-0/overlay/overlay.toml"), "\"bram18\" = "));
        CHECK(has(read_file(out / "stage-0/folding.json"), "\"MVAU_hls_0\""));
        CHECK(std::filesystem::exists(out / "stage-0/finn.onnx"));
        CHECK(has(read_file(out / "stage-0/specialize_layers.json"), "\"MVAU_0\""));
        CHECK(read_file(out / "plan.svg").starts_with("<svg"));
        CHECK(has(read_file(out / "plan.json"), strategy));
    }
}

TEST_CASE("every network's stages of every strategy give the results of the whole network") {
    const auto data = test_data();
    if (!data) return;
    const World world;
    std::size_t runs = 0, cuts = 0;
    for (const auto& entry : fs::directory_iterator(*data / "models")) {
        if (entry.path().extension() != ".onnx") continue;
        INFO(entry.path().filename().string());
        const auto model = entry.path().string();
        const auto input = chunks_for(world, world.fard({"inspect", model, "--json"}).json()["inputs"][0]).string();
        const auto whole = (world.files().path() / "whole.npy").string(), result = (world.files().path() / "result.npy").string();
        const auto once = world.fard({"run", model, "--input", input, "--output", whole});
        REQUIRE_MESSAGE(once.exit_code == 0, once.err);
        for (const auto* strategy : {"occupancy", "traffic", "balance", "throughput", "latency"}) {
            INFO(strategy);
            const auto out = world.files().path() / "out";
            // Half of each board, so that there is something to cut.
            const auto split = world.fard({"split", model, "--board", "zcu102", "--fraction", "0.5", "--strategy", strategy, "--out", out.string(), "--json"});
            REQUIRE_MESSAGE(split.exit_code == 0, split.err);
            cuts += split.json()["stages"].size() - 1;
            fs::path app;
            for (const auto& file : fs::directory_iterator(out))
                if (file.path().extension() == ".toml") app = file.path();
            const auto submitted = world.fard({"submit", app.string(), "--input", input, "--output", result});
            REQUIRE_MESSAGE(submitted.exit_code == 0, submitted.err);
            CHECK(read_file(result) == read_file(whole));
            fs::remove_all(out);
            ++runs;
        }
    }
    MESSAGE(runs << " runs, " << cuts << " cuts");
    CHECK(runs >= 45);
    CHECK(cuts >= 10);
}

TEST_CASE("the app that split writes goes by split's own foldings") {
    const World world;
    const auto model = (source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx").string();
    const auto out = world.files().path() / "out";
    const std::vector<std::string> boards{"--board", "zedboard", "--boards", "6", "--on-board"};
    auto command = boards;
    command.insert(command.begin(), {"split", model, "--fraction", "1", "--out", out.string(), "--json"});
    const auto split = world.fard(command);
    REQUIRE_MESSAGE(split.exit_code == 0, split.err);
    const auto app = (out / "mobilenet_v1_w4a4.toml").string();
    const auto plan = [&](std::vector<std::string> wanted) {
        wanted.insert(wanted.begin(), {"plan", app, "--chunks", "400", "--json"});
        const auto planned = world.fard(wanted);
        REQUIRE_MESSAGE(planned.exit_code == 0, planned.err);
        return planned;
    };
    const auto same = plan(boards);
    CHECK(same.json()["steady_per_s"].get<double>() > 0.95 * split.json()["throughput_per_s"].get<double>());
    // For other boards nothing of it holds.
    const auto others = plan({"--board", "zcu102", "--boards", "6", "--on-board"});
    CHECK(others.json()["stages"] != same.json()["stages"]);
    // What a board holds is called as ever.
    std::string cluster;
    for (int i = 0; i < 6; ++i)
        cluster += "[[board]]\nname = 'z" + std::to_string(i) + "'\nprofile = 'zedboard'\n" + (i == 3 ? "loaded = 'mobilenet_v1_w4a4.stage0'\n" : "");
    const auto held = plan({"--cluster", world.files().write("six.toml", cluster).string()}).json();
    CHECK(held["reloads"] == same.json()["reloads"].get<int>() - 1);
}

TEST_CASE("whatever is wrong is said, and nothing of --out is there") {
    const World world;
    const auto& files = world.files();
    int number = 0;
    const auto file = [&](const std::string& kind, const std::string& text) {
        return files.write(std::to_string(number++) + kind, text).string();
    };
    const auto model = [&](const std::function<void(OnnxMaker&)>& fill) {
        OnnxMaker maker;
        maker.input("x", {1, 4}).annotate("x", "INT4");
        fill(maker);
        return file(".onnx", maker.bytes());
    };
    const auto product = [](OnnxMaker& maker, const std::string& from, const std::string& to) {
        maker.constant("w_" + to, {4, 4}).annotate("w_" + to, "INT5");
        maker.node("MatMul", {from, "w_" + to}, to);
    };
    const auto cycle = model([&](OnnxMaker& maker) {
        maker.node("Add", {"x", "b"}, "a");
        product(maker, "a", "b");
        maker.output("b");
    });
    const auto apart = model([&](OnnxMaker& maker) {  // the result depends on nothing that comes in
        maker.constant("c", {1, 4});
        product(maker, "c", "y");
        maker.output("y");
    });
    const auto two = model([&](OnnxMaker& maker) {
        maker.input("z", {1, 4}).annotate("z", "INT4");
        product(maker, "x", "y");
        product(maker, "z", "v");
        maker.output("y").output("v");
    });
    const auto nobody = model([&](OnnxMaker& maker) {
        product(maker, "elsewhere", "y");
        maker.output("y");
    });
    const auto broke = read_file(source_root() / "overlays/boards/zedboard.toml");
    const auto folding = file(".json", R"({"MVAU_hls_0": {"PE": 1, "SIMD": 1}})");
    const auto profile = [&](const std::string& from, const std::string& to) {
        auto text = broke;
        const auto at = text.find(from);
        REQUIRE(at != text.npos);
        text.replace(at, from.size(), to);
        const auto directory = files.path() / ("boards" + std::to_string(std::hash<std::string>()(to)));
        fs::create_directory(directory);
        std::ofstream(directory / "zedboard.toml") << text;
        return directory.string();
    };
    struct Case {
        std::vector<std::string> command;
        std::string part, boards = "";
    };
    const std::string minus = profile("lut = { value = 53200", "lut = { value = -53200"), zero = profile("lut = { value = 53200", "lut = { value = 0");
    for (const auto& wrong : std::vector<Case>{
             {{cycle, "--board", "zedboard"}, "cycle"},
             {{apart, "--board", "zedboard"}, "depends on no input"},
             {{two, "--board", "zedboard"}, "has no tensor in common with"},
             {{nobody, "--board", "zedboard"}, "needs tensor 'elsewhere', which nothing makes"},
             {{cnv(), "--board", "zedbord"}, "did you mean zedboard"},
             {{cnv(), "--board", "zedboard", "--fraction", "-0.1"}, "above 0"},
             {{cnv(), "--board", "zedboard", "--boards", "-2"}, "--boards"},
             {{cnv(), "--board", "zedboard"}, "zedboard.toml:8: 'value' must be a whole number >= 0", minus},
             {{cnv(), "--board", "zedboard", "--boards", "3"}, "lut", zero},
             {{cnv(), "--cluster", file(".toml", "[[board]]\nname = 'a'\nprofile = 'zedboard'\nmbit_per_s = 0\n")}, "nothing can reach it"},
             {{cnv(), "--cluster", file(".toml", "[[board]]\nname = 'a'\nprofile = 'zedboard'\n[client]\nmbit_per_s = 0\n")}, "nothing can reach"},
             {{cnv(), "--cluster", file(".toml", "input_at = 'b'\n[[board]]\nname = 'a'\nprofile = 'zedboard'\n")}, "there is no board 'b'"},
             {{cnv(), "--board", "zedboard", "--boards", "60", "--stages", "60"}, "can be cut into 1 to"},
             {{cnv(), "--board", "zedboard", "--folding", folding, "--report", file(".json", R"({"MVAU_hls_77": {"LUT": 3}})")}, "another network's"},
             {{cnv(), "--board", "zedboard", "--folding", file(".json", R"({"MVAU_hls_0": {"PE": 7}})")}, "do not divide"},
         }) {
        auto command = wrong.command;
        const auto out = files.path() / "out";
        command.insert(command.begin(), "split");
        command.insert(command.end(), {"--out", out.string()});
        std::size_t before = 0, after = 0;
        for ([[maybe_unused]] const auto& entry : fs::directory_iterator(files.path()))
            ++before;
        std::map<std::string, std::string> environment{{"XDG_RUNTIME_DIR", world.directory().string()}, {"FARD_NODE", ""}};
        if (!wrong.boards.empty()) environment["FARD_BOARDS"] = wrong.boards;
        command.insert(command.begin(), (build_root() / "cli/fard").string());
        const auto outcome = Background(command, environment).wait();
        CHECK_MESSAGE(outcome.exit_code == 2, wrong.part << ": " << outcome.err);
        CHECK_MESSAGE(has(outcome.err, wrong.part), wrong.part << " is not in: " << outcome.err);
        CHECK(outcome.out.empty());
        for ([[maybe_unused]] const auto& entry : fs::directory_iterator(files.path()))
            ++after;
        CHECK(after == before);
    }
}

TEST_CASE("split leaves nothing half written, and overwrites nothing") {
    const World world;
    const auto there = world.files().write("there/file", "mine");
    const auto refused = world.fard({"split", cnv(), "--board", "pynq-z1", "--out", there.parent_path().string()});
    CHECK(refused.exit_code == 2);
    CHECK(has(refused.err, "is there already"));
    const auto nowhere = world.fard({"split", cnv(), "--board", "pynq-z1", "--out", "/nope/deeper"});
    CHECK(nowhere.exit_code == 2);
    CHECK(has(nowhere.err, "nothing can be written there"));
    const auto infeasible = world.files().path() / "infeasible";
    CHECK(world.fard({"split", cnv(), "--board", "pynq-z1", "--boards", "1", "--fraction", "0.1", "--out", infeasible.string()}).exit_code == 2);
    CHECK_FALSE(std::filesystem::exists(infeasible));
    std::size_t entries = 0;
    for (const auto& entry : std::filesystem::directory_iterator(world.files().path()))
        entries += entry.path() != there.parent_path();
    CHECK(entries == 0);
}

TEST_CASE("MobileNetV1 W4A4 fills six Zedboards with the ZCU102 folding, the first of them to its last DSP") {
    const char* data = std::getenv("FARD_TEST_DATA");
    const auto folding = std::filesystem::path(data ? data : source_root() / "../shared/data") / "finn/folding/ZCU102_folding_config.json";
    const World world;
    const auto tool = (source_root() / "tools/bench_networks.py").string();
    const auto written = "/usr/bin/python3 '" + tool + "' '" + world.directory().string() + "' mobilenet_v1_w4a4 2>/dev/null";
    if (!std::filesystem::exists(folding) || std::system(written.c_str()) != 0) {
        MESSAGE("skipped: needs " << folding.string() << " and python3-onnx");
        return;
    }
    const auto model = (world.directory() / "mobilenet_v1_w4a4.onnx").string();
    const auto split = [&](const std::string& fraction) {
        return world.fard({"split", model, "--board", "zedboard", "--strategy", "occupancy", "--folding", folding.string(), "--fraction",
                           fraction, "--json"});
    };
    const auto whole = split("1.0");
    REQUIRE_MESSAGE(whole.exit_code == 0, whole.err);
    const auto stages = whole.json()["stages"];
    REQUIRE(stages.size() == 6);
    CHECK(stages[0]["resources"]["dsp"] == 220);
    const auto less = split("0.8");
    CHECK(less.exit_code == 2);
    CHECK(has(less.err, "228 bram18 of 224"));
    CHECK(has(less.err, "252 bram18 of 224"));
    CHECK(has(less.err, "what would do"));
    // Stages that are hard to decide from an earlier cut are not lost to a later one.
    const auto best = world.fard({"split", model, "--board", "zedboard", "--boards", "6", "--fraction", "0.9", "--json"});
    REQUIRE_MESSAGE(best.exit_code == 0, best.err);
    CHECK(best.json()["gap"].get<double>() < 0.05);
}
