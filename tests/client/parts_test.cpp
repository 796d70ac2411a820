// Parallel parts of dense, convolution and depthwise layers, from the app file to the bytes on the wire.
#include <doctest/doctest.h>

#include <random>

#include "client/packing.hpp"
#include "model/layers/subgraph.hpp"
#include "model/reference.hpp"
#include "model/wire_form.hpp"
#include "runtime/peer/channel_join.hpp"
#include "tests/model/onnx_maker.hpp"
#include "tests/scratch_dir.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

constexpr std::int64_t channels = 17;  // divided by none of 2 to 8

std::vector<float> some(std::size_t count, int least, int most, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<float> values;
    for (std::size_t i = 0; i < count; ++i)
        values.push_back(static_cast<float>(std::uniform_int_distribution<int>(least, most)(random)));
    return values;
}

// Thresholds behind `name`: as many results as `steps` + 1, so of 2 to 4 bits, and a sum of whole bits only now and then.
void activate(OnnxMaker& maker, const std::string& name, const std::string& result, std::int64_t steps) {
    std::vector<float> thresholds;
    for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t s = 0; s < steps; ++s)
            thresholds.push_back(static_cast<float>(s * 9 - 20 + c % 5));
    maker.constant("t_" + name, {channels, steps}, thresholds);
    auto& node = maker.node("MultiThreshold", {name, "t_" + name}, result, "qonnx.custom_op.general");
    const auto type = "UINT" + std::to_string(steps == 1 ? 1 : steps == 3 ? 2 : steps == 7 ? 3 : 4);
    set(node, "out_dtype", type.c_str());
    maker.annotate(result, type);
}

OnnxMaker dense(std::int64_t steps) {
    OnnxMaker maker;
    maker.input("x", {1, 24}).annotate("x", "UINT4");
    maker.constant("w", {24, channels}, some(24 * channels, -3, 3, 1)).annotate("w", "INT3");
    maker.node("MatMul", {"x", "w"}, "c");
    activate(maker, "c", "y", steps);
    return maker.output("y");
}

OnnxMaker convolution(std::int64_t steps) {
    OnnxMaker maker;
    maker.input("x", {1, 3, 5, 6}).annotate("x", "UINT4");
    maker.constant("w", {channels, 3, 3, 3}, some(27 * channels, -3, 3, 2)).annotate("w", "INT3");
    set(maker.node("Conv", {"x", "w"}, "c"), "pads", Extents{1, 1, 1, 1});
    activate(maker, "c", "y", steps);
    return maker.output("y");
}

OnnxMaker depthwise(std::int64_t steps) {
    OnnxMaker maker;
    maker.input("x", {1, channels, 5, 6}).annotate("x", "UINT4");
    maker.constant("w", {channels, 1, 3, 3}, some(9 * channels, -3, 3, 3)).annotate("w", "INT3");
    auto& node = maker.node("Conv", {"x", "w"}, "c");
    set(node, "pads", Extents{1, 1, 1, 1}), set(node, "group", static_cast<int>(channels));
    activate(maker, "c", "y", steps);
    return maker.output("y");
}

Frame on_wire(const Graph& graph, const std::vector<Values>& inputs) {
    const auto made = run_reference(graph, inputs);
    REQUIRE_MESSAGE(made, made.error().message);
    const auto& output = graph[graph.outputs[0]];
    Frame frame(output.type.wire_bytes(output.elements()));
    REQUIRE(values_to_wire(output, (*made)[0], frame.writable()));
    return frame;
}

void check_parts(const OnnxMaker& maker) {
    const auto whole = maker.import();
    REQUIRE_MESSAGE(whole, whole.error().message);
    const auto& input = whole->graph()[whole->graph().inputs[0]];
    Values values;
    for (const auto value : some(input.elements(), 0, 15, 4))
        values.integers.push_back(static_cast<std::int32_t>(value));
    const auto expected = on_wire(whole->graph(), {values});
    for (std::size_t count = 2; count <= 8; ++count) {
        CAPTURE(count);
        const auto parts = channel_parts(whole->graph(), count);
        REQUIRE_MESSAGE(parts, parts.error().message);
        std::vector<wire::PartSpec> specs;
        std::vector<Chunk> chunks(count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto part = Model::parse((*parts)[i].onnx, "part");
            REQUIRE_MESSAGE(part, part.error().message);
            CHECK(part->inputs() == whole->inputs());
            specs.push_back({"", part->outputs()});
            chunks[i].tensors.push_back(on_wire(part->graph(), {values}));
        }
        const auto join = ChannelJoin::make(specs, whole->outputs());
        REQUIRE_MESSAGE(join, join.error().message);
        CHECK(join->join(chunks)[0].text() == expected.text());
    }
}

std::filesystem::path write_model(const ScratchDir& dir, const OnnxMaker& maker) {
    const auto file = dir.path() / "model.onnx";
    std::ofstream(file, std::ios::binary) << maker.bytes();
    return file;
}

}  // namespace

TEST_CASE("2 to 8 parts of a layer make its result, bit for bit, in types of any width") {
    for (const std::int64_t steps : {1, 3, 7, 15}) {
        CAPTURE(steps);
        check_parts(dense(steps));
        check_parts(convolution(steps));
        check_parts(depthwise(steps));
    }
}

TEST_CASE("a position with parts has a package for each, and what they make together") {
    const ScratchDir dir;
    const auto app = parse_app_file("[app]\nname = \"a\"\n[model]\nfile = \"" + write_model(dir, dense(3)).string() +
                                        "\"\n[[pipeline.position]]\nname = \"wide\"\nparts = 3\n",
                                    dir.path() / "a.toml");
    REQUIRE_MESSAGE(app, app.error().message);
    CHECK(app->jobs() == 3);
    const auto packed = pack_app(*app);
    REQUIRE_MESSAGE(packed, packed.error().message);
    const auto& position = packed->spec.positions[0];
    CHECK(position.overlay.empty());
    CHECK(position.jobs() == 3);
    REQUIRE(position.parts.size() == 3);
    CHECK(packed->archives.size() == 3);
    CHECK(position.outputs[0].shape == std::vector<std::int64_t>{1, channels});
    std::int64_t sum = 0;
    for (const auto& part : position.parts) {
        CHECK(packed->archives.contains(part.overlay));
        sum += part.outputs[0].shape[1];
    }
    CHECK(sum == channels);
}

TEST_CASE("parts that cannot be are refused where they stand") {
    const ScratchDir dir;
    const auto read = [&](const std::string& position, const std::string& head) {
        const auto app = parse_app_file("[app]\nname = \"a\"\n" + head + "[[pipeline.position]]\nname = \"p\"\n" + position,
                                        dir.path() / "a.toml");
        return app ? std::string() : app.error().message;
    };
    const auto model = "[model]\nfile = \"" + write_model(dir, dense(3)).string() + "\"\n";
    CHECK(read("parts = 2\n", model).empty());
    CHECK(read("parts = 2\nreplicas = 2\n", model).find("exclude each other") != std::string::npos);
    CHECK(read("parts = 1\n", model).find("2 to 8") != std::string::npos);
    CHECK(read("parts = 9\n", model).find("2 to 8") != std::string::npos);
    CHECK(read("parts = 2\n", "[[input.tensor]]\nname = \"x\"\nshape = [1, 4]\ntype = \"UINT8\"\n").find("needs a [model]") !=
          std::string::npos);
    OnnxMaker two;
    two.input("x", {1, 24}).annotate("x", "UINT4");
    two.constant("w", {24, 4}, some(96, -3, 3, 1)).annotate("w", "INT3");
    two.node("MatMul", {"x", "w"}, "y");
    two.node("Relu", {"y"}, "z");
    two.output("y").output("z");
    const auto app = parse_app_file("[app]\nname = \"a\"\n[model]\nfile = \"" + write_model(dir, two).string() +
                                        "\"\n[[pipeline.position]]\nname = \"p\"\nparts = 2\n",
                                    dir.path() / "a.toml");
    REQUIRE(app);
    const auto packed = pack_app(*app);
    REQUIRE(!packed);
    CHECK(packed.error().message.find("cut where a single tensor crosses") != std::string::npos);
}
