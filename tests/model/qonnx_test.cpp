// Networks as Brevitas exports them (QONNX): integers from end to end, and accurate.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "model/reference.hpp"
#include "tests/model/data.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

// Every product of the network is one of integers.
void check_integer_products(const Model& model) {
    for (const auto& node : model.graph().nodes) {
        if (node.op != Op::matmul && node.op != Op::gemm && node.op != Op::conv) continue;
        CAPTURE(node.name);
        CHECK(model.graph()[node.outputs[0]].type.is_integer());
        CHECK(model.graph()[node.inputs[1]].type.bits() <= 3);
    }
}

// Byte `index` and those behind it of an IDX file, without its header.
std::vector<unsigned char> idx(const std::filesystem::path& file, std::size_t header) {
    std::ifstream stream(file, std::ios::binary);
    std::vector<unsigned char> bytes((std::istreambuf_iterator<char>(stream)), {});
    REQUIRE(bytes.size() > header);
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header));
    return bytes;
}

int right_digits(const Model& model) {
    const auto images = data_file("mnist/first-1000-images-idx3-ubyte");
    const auto labels = data_file("mnist/first-1000-labels-idx1-ubyte");
    if (!images || !labels) return 1000;
    const auto pixels = idx(*images, 16), digits = idx(*labels, 8);
    int right = 0;
    for (std::size_t i = 0; i < 1000; ++i) {
        std::vector<double> image(pixels.begin() + static_cast<std::ptrdiff_t>(i * 784),
                                  pixels.begin() + static_cast<std::ptrdiff_t>((i + 1) * 784));
        for (auto& pixel : image)
            pixel /= 255;
        right += index_of_largest(run(model, image)) == digits[i];
    }
    return right;
}

// How many of the stored keyword vectors are classified right; `scale` is what one unit of them stands for.
int right_keywords(const Model& model, double scale) {
    const auto vectors = data_file("kws/vectors_200.npy"), labels = data_file("kws/labels_200.npy");
    if (!vectors || !labels) return 200;
    int right = 0;
    for (std::size_t i = 0; i < 200; ++i) {
        auto vector = npy_row(*vectors, i);
        for (auto& each : vector)
            each *= scale;
        right += static_cast<double>(index_of_largest(run(model, vector))) == npy_row(*labels, i)[0];
    }
    return right;
}

// Cut at each place where one tensor crosses, each stage read again from its own bytes: the same as the whole.
void check_cuts(const Model& model, const std::vector<double>& input) {
    const auto& graph = model.graph();
    const auto values = values_for(graph[graph.inputs[0]], input);
    const auto whole = run_reference(graph, {values});
    REQUIRE(whole);
    for (const auto& place : model.cut_tensors()) {
        CAPTURE(place);
        const auto stages = cut(model, {{place}});
        REQUIRE_MESSAGE(stages, stages.error().message);
        auto tensors = std::vector{values};
        for (const auto& stage : *stages) {
            CHECK(checker_passes(stage.onnx));
            const auto part = Model::parse(stage.onnx, "stage");
            REQUIRE_MESSAGE(part, part.error().message);
            CHECK(part->inputs() == stage.inputs);
            CHECK(part->outputs() == stage.outputs);
            auto results = run_reference(part->graph(), tensors);
            REQUIRE_MESSAGE(results, results.error().message);
            tensors = *results;
        }
        CHECK(tensors == *whole);
    }
}

}  // namespace

TEST_CASE("TFC 1W1A") {
    const auto network = data_file("models/tfc_1w1a.onnx");
    if (!network) return;
    const auto model = load(*network);
    check_integer_products(model);
    CHECK(std::ranges::count(operators(model), Op::multi_threshold) == 4);
    CHECK(std::ranges::count(operators(model), Op::batch_normalization) == 0);
    const auto right = right_digits(model);
    MESSAGE(right, " of 1000 right");
    CHECK(right == 913);  // of these 1,000, as by numpy's floats; 92.96 % of all 10,000
    check_cuts(model, std::vector<double>(784, 0.75));
}

TEST_CASE("TFC 2W2A") {
    const auto network = data_file("models/tfc_2w2a.onnx");
    if (!network) return;
    const auto model = load(*network);
    check_integer_products(model);
    CHECK(std::ranges::count(operators(model), Op::batch_normalization) == 0);
    CHECK(std::ranges::count(operators(model), Op::mul) == 2);  // before the first and behind the last layer
    const auto right = right_digits(model);
    MESSAGE(right, " of 1000 right");
    CHECK(right >= 960);
    check_cuts(model, std::vector<double>(784, 0.75));
}

TEST_CASE("keyword spotting, 3 bits") {
    const auto network = data_file("models/kws_mlp_w3a3.onnx");
    if (!network) return;
    const auto model = load(*network);
    check_integer_products(model);
    CHECK(std::ranges::count(operators(model), Op::multi_threshold) == 3);
    const auto right = right_keywords(model, 0.33674246072769165);
    MESSAGE(right, " of 200 right");
    CHECK(right >= 160);
    check_cuts(model, std::vector<double>(490, 1.5));
}

TEST_CASE("keyword spotting from the model zoo, and intrusion detection") {
    const auto keywords = data_file("models/kws_mlp_w3a3_zoo.onnx");
    const auto intrusion = data_file("models/unsw_nb15_mlp_w2a2.onnx");
    if (!keywords || !intrusion) return;
    const auto kws = load(*keywords);
    check_integer_products(kws);
    check_cuts(kws, std::vector<double>(490, 1.5));
    const auto nb15 = load(*intrusion);
    for (const auto& node : nb15.graph().nodes) {
        CAPTURE(node.name);
        CHECK(nb15.graph()[node.outputs[0]].type.is_integer());
    }
    CHECK(nb15.outputs()[0].type == DataType::bipolar());
    std::vector<double> bits(600);
    for (std::size_t i = 0; i < bits.size(); ++i)
        bits[i] = i * i % 7 < 3 ? 1 : -1;
    check_cuts(nb15, bits);
}

TEST_CASE("a residual sum of a normalized convolution, normalized again, becomes one requantize") {
    OnnxMaker maker;
    const std::string qonnx = "qonnx.custom_op.general";
    maker.input("x", {1, 2, 1, 2}).output("y");
    maker.constant("s", {}, {0.5}).constant("z", {}, {0}).constant("b4", {}, {4}).constant("b8", {}, {8});
    maker.node("Quant", {"x", "s", "z", "b4"}, "q", qonnx);
    maker.constant("w", {2, 2, 1, 1}, {1, -2, 3, 1}).node("Quant", {"w", "s", "z", "b4"}, "wq", qonnx);
    maker.node("Conv", {"q", "wq"}, "c");
    const std::vector<float> scale[] = {{2, -0.5}, {0.25, 4}}, bias[] = {{1, 0.25}, {-1, 0.5}},
                             mean[] = {{0.5, 3}, {2, -1}}, variance[] = {{4, 1}, {1, 0.25}};
    const auto normalized = [&](const std::string& from, const std::string& to, int i) {
        maker.constant(to + "_g", {2}, scale[i]).constant(to + "_b", {2}, bias[i]);
        maker.constant(to + "_m", {2}, mean[i]).constant(to + "_v", {2}, variance[i]);
        set(maker.node("BatchNormalization", {from, to + "_g", to + "_b", to + "_m", to + "_v"}, to),
            "epsilon", 0.0);
    };
    normalized("c", "n1", 0);
    maker.node("Sub", {"n1", "q"}, "sum");
    normalized("sum", "n2", 1);
    maker.node("Relu", {"n2"}, "r").set_name("last");
    maker.node("Quant", {"r", "s", "z", "b8"}, "y", qonnx);
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    CHECK(operators(*model) == std::vector{Op::quantize, Op::conv, Op::requantize, Op::dequantize});
    CHECK(model->graph().nodes[2].inputs.size() == 2);

    const double x[2][2] = {{1.5, -2}, {0.5, 3.5}}, w[2][2] = {{1, -2}, {3, 1}};
    std::vector<double> wanted;
    for (int o = 0; o < 2; ++o)
        for (int i = 0; i < 2; ++i) {
            const auto normal = [&](double value, int n) {
                return (value - mean[n][o]) / std::sqrt(variance[n][o]) * scale[n][o] + bias[n][o];
            };
            const auto sum = normal(w[o][0] * x[0][i] + w[o][1] * x[1][i], 0) - x[o][i];
            wanted.push_back(std::min(127.0, std::nearbyint(std::max(normal(sum, 1), 0.0) / 0.5)) * 0.5);
        }
    CHECK(run(*model, {1.5, -2, 0.5, 3.5}) == wanted);
    check_cuts(*model, {1.5, -2, 0.5, 3.5});
}

TEST_CASE("constants that passes make have names, however many tensors there are before") {
    for (int more = 0; more < 4; ++more) {
        OnnxMaker maker;
        maker.input("x", {1, 1, 2, 2}).annotate("x", "INT4");
        maker.constant("w", {2, 1, 1, 1}, {0.5F, -0.5F}).constant("half", {}, {0.5F}).constant("b", {2}, {0.3F, 0.7F});
        maker.node("BipolarQuant", {"w", "half"}, "q", "onnx.brevitas");
        maker.node("Conv", {"x", "q", "b"}, "y");
        for (int i = 0; i < more; ++i)
            maker.constant("unused" + std::to_string(i), {1}, {1});
        const auto model = maker.output("y").import();
        REQUIRE_MESSAGE(model, model.error().message);
        for (const auto& tensor : model->graph().tensors)
            CHECK(!tensor.name.empty());
    }
}
