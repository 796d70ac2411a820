// `fard submit MODEL.onnx --boards N`: cut, packed and run in one go.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "tests/e2e/harness.hpp"
#include "tests/has.hpp"
#include "tests/model/large_layer.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::e2e;

namespace {

using model::test::Extents;
using model::test::OnnxMaker;
using model::test::set;

// Chunks of small whole numbers as an array of float32, the same at every call.
fs::path chunks(const World& world, std::size_t count, const Extents& shape) {
    std::string extents = std::to_string(count) + ",";
    for (std::size_t i = 1; i < shape.size(); ++i) {
        extents += " " + std::to_string(shape[i]) + ",";
        count *= static_cast<std::size_t>(shape[i]);
    }
    auto header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + extents + "), }";
    header.resize(128 - 10 - 1, ' ');
    header += '\n';
    std::string text("\x93NUMPY\x01\x00", 8);
    text += static_cast<char>(header.size());
    text += '\0';
    text += header;
    std::minstd_rand random(7);
    for (std::size_t i = 0; i < count; ++i) {
        const auto value = static_cast<float>(static_cast<int>(random() % 17) - 8);
        text.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    return world.files().write("chunks.npy", text);
}

std::vector<float> weights(std::size_t count, unsigned seed) {
    std::minstd_rand random(seed);
    std::vector<float> values(count);
    for (auto& value : values)
        value = static_cast<float>(static_cast<int>(random() % 9) - 4) / 16;
    return values;
}

// Float layers, one behind the other: only processors compute them.
fs::path dense(const World& world) {
    OnnxMaker maker;
    maker.input("x", {1, 24});
    const std::vector<std::int64_t> widths{24, 40, 32, 16, 10};
    std::string from = "x";
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
        const auto name = std::to_string(i);
        maker.constant("w" + name, {widths[i], widths[i + 1]}, weights(static_cast<std::size_t>(widths[i] * widths[i + 1]), 3 + static_cast<unsigned>(i)));
        maker.node("MatMul", {from, "w" + name}, "m" + name);
        from = "m" + name;
        if (i + 2 == widths.size()) break;
        maker.node("Relu", {from}, "r" + name);
        from = "r" + name;
    }
    maker.output(from);
    return world.files().write("dense.onnx", maker.bytes());
}

// Layers of 8 bits (QDQ) around a skip connection, which some cuts cross.
fs::path skipping(const World& world) {
    OnnxMaker maker;
    maker.input("x", {1, 4, 8, 8});
    maker.constant("scale", {}, {0.125F});
    auto& zero = *maker.proto().mutable_graph()->add_initializer();
    zero.set_name("zero");
    zero.set_data_type(onnx::TensorProto::INT8);
    zero.set_raw_data(std::string(1, '\0'));
    const auto quantized = [&](const std::string& from, const std::string& to) {
        maker.node("QuantizeLinear", {from, "scale", "zero"}, to + "_q");
        maker.node("DequantizeLinear", {to + "_q", "scale", "zero"}, to);
    };
    const auto convolution = [&](const std::string& from, const std::string& to, unsigned seed) {
        maker.constant("w_" + to, {4, 4, 3, 3}, weights(4 * 4 * 9, seed));
        quantized("w_" + to, "v_" + to);
        auto& node = maker.node("Conv", {from, "v_" + to}, "c_" + to);
        set(node, "pads", Extents{1, 1, 1, 1});
        maker.node("Relu", {"c_" + to}, "r_" + to);
        quantized("r_" + to, to);
    };
    quantized("x", "a");
    convolution("a", "b", 11);
    convolution("b", "c", 12);
    maker.node("Add", {"b", "c"}, "s");
    quantized("s", "d");
    convolution("d", "e", 13);
    maker.output("e");
    return world.files().write("skipping.onnx", maker.bytes());
}

struct Network {
    fs::path file;
    Extents shape;
};

std::string whole(const World& world, const fs::path& model, const fs::path& input) {
    const auto result = world.files().path() / "whole.npy";
    const auto run = world.fard({"run", model.string(), "--input", input.string(), "--output", result.string()});
    REQUIRE_MESSAGE(run.exit_code == 0, run.err);
    return read_file(result);
}

// What a cut model's run gives; its summary is kept.
std::string cut(const World& world, std::vector<std::string> command, Outcome& outcome) {
    const auto result = world.files().path() / "cut.npy";
    fs::remove(result);
    command.insert(command.begin(), "submit");
    command.insert(command.end(), {"--output", result.string()});
    outcome = world.fard(command);
    REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
    return read_file(result);
}

}  // namespace

TEST_CASE("models cut for boards give the results of the whole, whatever the boards and the strategy") {
    const World world;
    std::vector<Network> networks{{dense(world), {1, 24}}, {skipping(world), {1, 4, 8, 8}}};
    if (const auto data = test_data()) networks.push_back({*data / "models/tfc_2w2a.onnx", {1, 1, 28, 28}});
    for (const auto& network : networks) {
        INFO(network.file.filename().string());
        const auto model = network.file.string(), input = chunks(world, 6, network.shape).string();
        const auto expected = whole(world, network.file, input);
        Outcome outcome;
        for (const auto* boards : {"1", "2", "3"}) {
            INFO(boards);
            CHECK(cut(world, {model, "--boards", boards, "--input", input, "--json"}, outcome) == expected);
            const auto json = outcome.json();
            CHECK(json["app"] == network.file.stem().string());
            CHECK(json["chunks_out"] == 6);
            REQUIRE(json["stages"].size() == static_cast<std::size_t>(*boards - '0'));
            for (std::size_t i = 0; i < json["stages"].size(); ++i)
                CHECK(json["stages"][i]["position"] == i);
            CHECK(has(outcome.err, "plain computers"));
            CHECK_FALSE(has(outcome.err, " used"));
        }
        for (const auto* strategy : {"occupancy", "traffic", "balance", "throughput", "latency"}) {
            INFO(strategy);
            CHECK(cut(world, {model, "--boards", "2", "--strategy", strategy, "--input", input}, outcome) == expected);
        }
        CHECK(cut(world, {model, "--boards", "2", "--profile", "zcu102", "--input", input}, outcome) == expected);
        CHECK(has(outcome.err, "planned for zcu102"));
        CHECK(cut(world, {model, "--boards", "2", "--profile", "ultra96", "--input", input}, outcome) == expected);
    }
    CHECK(world.node_managers().empty());
}

TEST_CASE("more boards than a model has stages: fewer are used, which is said") {
    const World world;
    const auto model = dense(world).string(), input = chunks(world, 2, {1, 24}).string();
    Outcome outcome;
    CHECK(cut(world, {model, "--boards", "40", "--input", input, "--json"}, outcome) == whole(world, model, input));
    const auto stages = outcome.json()["stages"].size();
    CHECK(stages >= 4);
    CHECK(stages < 40);
    CHECK_MESSAGE(has(outcome.err, std::to_string(stages) + " of the 40 boards are used"), outcome.err);
}

TEST_CASE("a cluster that is up takes the stages; --out keeps them, else nothing stays") {
    World world;
    world.up(3);
    const auto model = dense(world).string(), input = chunks(world, 3, {1, 24}).string();
    const auto expected = whole(world, model, input);
    const auto out = world.files().path() / "kept";
    Outcome outcome;
    CHECK(cut(world, {model, "--boards", "3", "--out", out.string(), "--input", input}, outcome) == expected);
    CHECK(has(outcome.err, "kept: `fard submit " + (out / "dense.toml").string()));
    CHECK(fs::exists(out / "stage-2/stage.onnx"));
    CHECK(cut(world, {(out / "dense.toml").string(), "--input", input}, outcome) == expected);
    CHECK(cut(world, {model, "--boards", "3", "--input", input, "--json"}, outcome) == expected);
    std::vector<std::string> boards;
    const auto report = outcome.json();
    for (const auto& stage : report["stages"])
        boards.push_back(stage["board"]);
    std::ranges::sort(boards);
    CHECK(std::ranges::adjacent_find(boards) == boards.end());
    const auto temporary = world.directory() / "tmp";
    fs::create_directory(temporary);
    const auto alone = Background({(build_root() / "cli/fard").string(), "submit", model, "--boards", "3", "--input", input},
                                  {{"XDG_RUNTIME_DIR", world.directory().string()}, {"FARD_NODE", ""}, {"TMPDIR", temporary.string()}})
                           .wait();
    CHECK_MESSAGE(alone.exit_code == 0, alone.err);
    CHECK(fs::is_empty(temporary));
    world.down();
}

TEST_CASE("a layer that no board holds is made in parallel parts, which run at once") {
    const World world;
    const auto model = world.files().write("large.onnx", model::test::large_layer()).string();
    const auto input = chunks(world, 5, {1, model::test::large_layer_inputs}).string();
    const auto expected = whole(world, model, input);
    Outcome outcome;
    for (const auto* strategy : {"", "throughput", "latency"}) {
        CAPTURE(strategy);
        std::vector<std::string> command{model, "--boards", "4", "--profile", "zedboard", "--input", input, "--json"};
        if (*strategy) command.insert(command.end(), {"--strategy", strategy});
        CHECK(cut(world, command, outcome) == expected);
        CHECK_MESSAGE(has(outcome.err, "made in parallel parts: "), outcome.err);
        const auto json = outcome.json();
        std::size_t first = 0;
        for (const auto& stage : json["stages"])
            first += stage["position"] == 0;
        CHECK(first >= 2);
    }
    const auto simple = world.fard({"submit", model, "--boards", "4", "--profile", "zedboard", "--strategy", "traffic", "--input", input});
    CHECK(simple.exit_code == 2);
    CHECK_MESSAGE(has(simple.err, "parallel parts"), simple.err);
}

TEST_CASE("boards that hold too few stages at once take turns, as their FPGAs would, and as was expected") {
    const World world;
    const auto model = world.files().write("large.onnx", model::test::large_layer()).string();
    const auto input = chunks(world, 12, {1, model::test::large_layer_inputs}).string();
    const auto expected = whole(world, model, input);
    Outcome outcome;
    const std::vector<std::string> command{model, "--boards", "1", "--profile", "zedboard", "--input", input, "--json"};
    const auto with = [&](std::vector<std::string> more) {
        more.insert(more.begin(), command.begin(), command.end());
        return more;
    };
    for (const auto& [more, batch] : std::vector<std::pair<std::vector<std::string>, int>>{{{}, 12}, {{"--batch", "4"}, 4}, {{"--batch", "auto"}, 12},
                                                                                           {{"--strategy", "latency", "--batch", "12"}, 12}}) {
        CAPTURE(more.size());
        CHECK(cut(world, with(more), outcome) == expected);
        CHECK_MESSAGE(has(outcome.err, "they take turns, in batches of " + std::to_string(batch)), outcome.err);
        const auto json = outcome.json();
        CHECK(json["batch"] == batch);
        std::size_t parts = 0;
        for (const auto& stage : json["stages"])
            parts += stage["position"] == 0;
        CHECK(parts >= 2);  // on the one slot that there is
        REQUIRE(json.contains("plan"));
        CHECK(json["reloads"] >= json["plan"]["reloads"]);  // more, where the machine is so busy that a turn stands idle
        CHECK(json["plan"]["measured"]["throughput_per_s"].get<double>() <= json["plan"]["bound"].get<double>() * 1.01);
    }
    const auto impossible = world.fard([&] {
        auto bounded = with({"--latency-bound", "1"});
        bounded.insert(bounded.begin(), "submit");
        return bounded;
    }());
    CHECK(impossible.exit_code == 2);
    CHECK_MESSAGE(has(impossible.err, "keep 1 ms for each chunk; the least found is"), impossible.err);
    CHECK(cut(world, with({"--latency-bound", "60000"}), outcome) == expected);
}

TEST_CASE("what is wrong with a model to be cut, or its boards, is said before anything starts") {
    const World world;
    const auto model = dense(world).string(), input = chunks(world, 1, {1, 24}).string();
    const auto app = (source_root() / "apps/two_stage_bnn.toml").string();
    const auto& files = world.files();
    struct Case {
        std::vector<std::string> command;
        std::string part;
    };
    for (const auto& wrong : std::vector<Case>{
             {{model}, "`--boards N`"},
             {{model}, "`fard split`"},
             {{model, "--strategy", "traffic"}, "`--boards N`"},
             {{model, "--boards", "0", "--input", input}, "--boards 0: a whole number from 1 to 256"},
             {{model, "--boards", "-1", "--input", input}, "a whole number from 1"},
             {{model, "--boards", "257", "--input", input}, "from 1 to 256"},
             {{model, "--boards", "two", "--input", input}, "a whole number"},
             {{model, "--boards", "2", "--strategy", "trafic", "--input", input}, "did you mean traffic"},
             {{model, "--boards", "2", "--profile", "zedbord", "--input", input}, "did you mean zedboard"},
             {{model, "--boards", "2"}, "--input"},
             {{model, "--boards", "2", "--input", chunks(world, 1, {1, 25}).string()}, "25"},
             {{model, "--boards", "2", "--out", files.path().string(), "--input", input}, "is there already"},
             {{app, "--boards", "2"}, "--boards goes with a model"},
             {{app, "--strategy", "traffic"}, "--strategy goes with a model"},
             {{app, "--out", "x"}, "--out goes with a model"},
             {{files.write("broken.onnx", "no model").string(), "--boards", "2", "--input", input}, "broken.onnx"},
             {{files.write("empty.onnx", "").string(), "--boards", "2", "--input", input}, "empty.onnx"},
             {{"/no/such.onnx", "--boards", "2", "--input", input}, "/no/such.onnx"},
             {{files.path().string(), "--boards", "2", "--input", input}, files.path().string()},
             {{files.write("app", "[app]\n").string(), "--strategy", "traffic"}, "--strategy goes with --boards N"},
         }) {
        auto command = wrong.command;
        command.insert(command.begin(), "submit");
        const auto outcome = world.fard(command);
        CHECK_MESSAGE(outcome.exit_code == 2, wrong.part << ": " << outcome.err);
        CHECK_MESSAGE(has(outcome.err, wrong.part), wrong.part << " is not in: " << outcome.err);
        CHECK(outcome.out.empty());
    }
    CHECK(world.node_managers().empty());
}
