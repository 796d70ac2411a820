// The soft device against the reference interpreter, on every instruction set that this processor has.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "model/reference.hpp"
#include "overlays/soft/plan.hpp"
#include "tests/model/onnx_maker.hpp"
#include "tests/overlays/random_network.hpp"

using namespace fard;
using model::test::OnnxMaker;
using model::test::set;

namespace {

using Tensors = std::vector<std::vector<std::byte>>;

std::vector<std::span<const std::byte>> views(const Tensors& tensors) {
    return {tensors.begin(), tensors.end()};
}

soft::Recipe recipe_of(const model::Model& model, const soft::Kernels& kernels) {
    auto owner = std::make_shared<const model::Model>(model);
    return soft::compile({owner, &owner->graph()}, kernels);
}

Result<Tensors> run_soft(const model::Model& model, const soft::Kernels& kernels, const Tensors& inputs) {
    soft::Plan plan(recipe_of(model, kernels));
    Tensors outputs;
    std::vector<std::span<std::byte>> places;
    for (const auto& desc : model.outputs())
        outputs.emplace_back(desc.wire_bytes());
    for (auto& output : outputs)
        places.emplace_back(output);
    if (auto loaded = plan.load(views(inputs)); !loaded) return fail(loaded.error());
    if (auto done = plan.run(); !done) return fail(done.error());
    if (auto stored = plan.store(places); !stored) return fail(stored.error());
    return outputs;
}

void agrees(const model::Model& model, const Tensors& inputs, const std::string& what) {
    const auto expected = model::run_reference_wire(model.graph(), views(inputs));
    for (const auto& kernels : soft::kernel_table()) {
        if (!kernels.runs_here()) continue;
        const auto actual = run_soft(model, kernels, inputs);
        REQUIRE_MESSAGE(actual.has_value() == expected.has_value(), what);
        if (expected) CHECK_MESSAGE(*actual == *expected, kernels.name, ": ", what);
    }
}

model::Model imported(const OnnxMaker& maker) {
    auto model = maker.import();
    REQUIRE_MESSAGE(model, (model ? "" : model.error().message));
    return *model;
}

}  // namespace

TEST_CASE("the soft device agrees with the reference on random networks") {
    int ran = 0;
    std::map<std::string, int> kinds, counted;
    // The best row where counting bits pays: with AMX it seldom does. The plain row is one everywhere.
    const auto bits = std::ranges::find_if(soft::kernel_table(), [](const soft::Kernels& row) {
        return row.runs_here() && row.bits && row.bits->runs_here() && row.bits->rate > 1;
    });
    for (std::uint32_t seed = 1; seed <= 400; ++seed) {
        const auto network = test::random_network(seed);
        const auto what = fmt::format("seed {}: {}", seed, network.description);
        const auto model = model::Model::parse(network.onnx, "random");
        if (!model) continue;  // sums that may leave 32 bits
        ++ran;
        for (const auto& step : recipe_of(*model, *soft::select_kernels()).steps)
            ++kinds[std::string(step->kind())], ++kinds[step->how().substr(0, step->how().find(';'))];
        for (const auto& step : recipe_of(*model, *bits).steps)
            ++counted[step->how().substr(0, step->how().find(';'))];
        std::mt19937 random(seed);
        for (int chunk = 0; chunk < 2; ++chunk)
            agrees(*model, test::random_inputs(*model, random), what);
    }
    CHECK(ran > 350);
    for (const char* kind : {"matrix", "depthwise", "table", "max_pool", "pixel_sum", "channels_first"})
        CHECK_MESSAGE(kinds[kind] > 20, kind);
    if (soft::select_kernels()->bytes)
        for (const char* how : {"u8 x s8 tiles, affine", "u8 x s8 tiles, counted", "u8 x s8 tiles, sums",
                                "u8 x s8 tiles, three rows of 2 bits in two, affine",
                                "interleaved columns, affine", "16-bit blocks"})
            CHECK_MESSAGE(kinds[how] > 10, how);
    // Words are half empty in most of these networks: there it pays where a product of bits takes less than half of one of bytes.
    for (const auto& [how, planes] : {std::pair{"popcount, 1 x 1 bits", 1}, {"popcount, 1 x 2 bits", 2}, {"popcount, 2 x 1 bits", 2}})
        if (bits->bits->rate > 2 * planes) CHECK_MESSAGE(counted[how] > 3, std::string(how));
}

TEST_CASE("operators without a step of their own are interpreted") {
    OnnxMaker maker;
    maker.input("x", {1, 3, 4, 4}).annotate("x", "INT4").input("y", {1, 3, 4, 4}).annotate("y", "UINT8");
    maker.node("Add", {"x", "y"}, "sum");
    maker.node("Relu", {"sum"}, "relu");
    maker.node("Concat", {"relu", "x"}, "both");
    set(*maker.proto().mutable_graph()->mutable_node(2), "axis", 1);
    maker.constant("half", {1}, {0.5F});
    maker.node("Mul", {"both", "half"}, "scaled");
    maker.node("GlobalAveragePool", {"scaled"}, "mean");
    maker.output("both").output("mean").output("x");
    const auto model = imported(maker);
    std::mt19937 random(7);
    agrees(model, test::random_inputs(model, random), "interpreted");
}

TEST_CASE("a tensor that two nodes read is stored, also when its thresholds could be fused") {
    OnnxMaker maker;
    maker.input("x", {1, 8, 5, 5}).annotate("x", "UINT4");
    maker.constant("w", {4, 8, 1, 1});
    set(maker.node("Conv", {"x", "w"}, "c"), "kernel_shape", model::test::Extents{1, 1});
    maker.constant("t", {4, 3}, {10, 20, 3000, 1, 2, 3, 500, 600, 700, -1, 0, 1});
    set(maker.node("MultiThreshold", {"c", "t"}, "m", "qonnx.custom_op.general"), "out_dtype", "UINT2");
    maker.output("c").output("m");
    const auto model = imported(maker);
    std::mt19937 random(8);
    agrees(model, test::random_inputs(model, random), "two readers");
}

TEST_CASE("reordering of an image costs no step where memory has the order already") {
    OnnxMaker maker;
    maker.input("x", {1, 5, 6, 3}).annotate("x", "UINT8").annotate("x", "NHWC", "tensor_layout");
    set(maker.node("Transpose", {"x"}, "t"), "perm", model::test::Extents{0, 3, 1, 2});
    maker.constant("w", {2, 3, 5, 6});
    set(maker.node("Conv", {"t", "w"}, "c"), "kernel_shape", model::test::Extents{5, 6});
    set(maker.node("Flatten", {"c"}, "f"), "axis", 1);
    maker.output("f");
    const auto model = imported(maker);
    CHECK(recipe_of(model, *soft::select_kernels()).steps.size() == 1);
    std::mt19937 random(9);
    agrees(model, test::random_inputs(model, random), "transposed");
}

TEST_CASE("a chunk of another size, or with values that the network rules out, is refused") {
    OnnxMaker maker;
    maker.input("x", {1, 4}).annotate("x", "UINT4").annotate("x", "0:9", "fard_range");
    maker.node("Identity", {"x"}, "y");
    maker.output("y");
    const auto model = imported(maker);
    const auto& kernels = *soft::select_kernels();
    CHECK(run_soft(model, kernels, {{std::byte{0x91}, std::byte{0x10}}}));
    CHECK(run_soft(model, kernels, {{std::byte{0x91}}}).error().fault == Fault::corrupt);
    CHECK(run_soft(model, kernels, {}).error().fault == Fault::invalid_input);
    const auto beyond = run_soft(model, kernels, {{std::byte{0xa1}, std::byte{0x10}}});
    if (model.graph()[model.graph().inputs[0]].range->max == 9) CHECK(beyond.error().fault == Fault::corrupt);
}

TEST_CASE("buffers of the same time never overlap, of different times they do") {
    const auto network = test::random_network(5);
    const auto model = model::Model::parse(network.onnx, "random").value();
    const auto recipe = recipe_of(model, *soft::select_kernels());
    const auto layout = soft::lay_out(recipe);
    std::size_t all = 0;
    for (const auto bytes : recipe.buffer_bytes)
        all += bytes + soft::buffer_slack;
    CHECK(layout.bytes <= all + 64 * recipe.buffer_bytes.size());
    for (const auto& step : recipe.steps)
        for (const auto read : step->reads) {
            const auto a = layout.offsets[read], b = layout.offsets[step->writes];
            CHECK((a + recipe.buffer_bytes[read] <= b || b + recipe.buffer_bytes[step->writes] <= a));
        }
}

TEST_CASE("hundreds of buffers of one time never overlap either, and what is free is used again") {
    OnnxMaker maker;
    maker.input("x", {1, 4, 3, 3}).annotate("x", "UINT8");
    std::vector<std::string> parts;
    for (int i = 0; i < 300; ++i) {
        const auto name = "p" + std::to_string(i), high = "h" + std::to_string(i);
        maker.constant("w" + name, {i % 7 + 1, 4, 1, 1});
        maker.node("Conv", {"x", "w" + name}, high);
        maker.node("Neg", {high}, name);
        parts.push_back(name);
    }
    set(maker.node("Concat", parts, "all"), "axis", 1);
    maker.output("all");
    const auto model = imported(maker);
    const auto recipe = recipe_of(model, *soft::select_kernels());
    const auto layout = soft::lay_out(recipe);
    std::vector<std::size_t> begins(layout.offsets.size(), SIZE_MAX), ends(layout.offsets.size());
    std::size_t all = 0;
    const auto touch = [&](soft::BufferId id, std::size_t step) {
        begins[id] = std::min(begins[id], step), ends[id] = std::max(ends[id], step);
    };
    touch(recipe.inputs[0].buffer, 0);
    for (std::size_t i = 0; i < recipe.steps.size(); ++i) {
        for (const auto id : recipe.steps[i]->reads) touch(id, i + 1);
        touch(recipe.steps[i]->writes, i + 1);
    }
    touch(recipe.outputs[0].buffer, recipe.steps.size() + 1);
    for (soft::BufferId a = 0; a < begins.size(); ++a) {
        all += recipe.buffer_bytes[a];
        CHECK(layout.offsets[a] + recipe.buffer_bytes[a] + soft::buffer_slack <= layout.bytes);
        for (soft::BufferId b = 0; b < a; ++b) {
            const bool together = begins[a] <= ends[b] && begins[b] <= ends[a];
            const bool apart = layout.offsets[a] + recipe.buffer_bytes[a] <= layout.offsets[b] ||
                               layout.offsets[b] + recipe.buffer_bytes[b] <= layout.offsets[a];
            CHECK((!together || apart));
        }
    }
    CHECK(layout.bytes < all + 128 * layout.offsets.size());
    std::mt19937 random(5);
    agrees(model, test::random_inputs(model, random), "wide");
}

// The tensor behind such a MultiThreshold lies as the file has it, the one before it with its channels last: alike in
// shape where all extents are.
TEST_CASE("thresholds that say NHWC behind a Conv and behind codes") {
    for (const bool behind_conv : {true, false}) {
        OnnxMaker maker;
        maker.input("x", {1, 3, 3, 3}).annotate("x", "INT3").output("y");
        maker.constant("w", {3, 3, 1, 1}, {1, -1, 0, 2, 1, -2, -1, 0, 1})
            .constant("a", {3, 1, 1}, {5, 0, -7});
        maker.constant("t", {1, 3}, {-4, 0, 6}).constant("one", {1}, {1});
        maker.node("Conv", {"x", "w"}, "c");
        maker.node("Add", {"c", "a"}, "s");
        auto& counts =
            maker.node("MultiThreshold", {behind_conv ? "s" : "x", "t"}, "m", "qonnx.custom_op.general");
        set(counts, "out_dtype", "UINT2");
        set(counts, "data_layout", "NHWC");
        maker.node("Sub", {"m", "one"}, "y");
        const auto model = imported(maker);
        std::mt19937 random(3);
        agrees(model, test::random_inputs(model, random), behind_conv ? "behind a Conv" : "behind codes");
    }
}
