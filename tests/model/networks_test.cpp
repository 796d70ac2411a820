// The real networks give exactly their expected scores.
#include <doctest/doctest.h>

#include "tests/model/data.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

const Tensor& tensor(const Model& model, const std::string& name) {
    for (const auto& each : model.graph().tensors)
        if (each.name == name) return each;
    FAIL("no tensor ", name);
    return model.graph().tensors[0];
}

}  // namespace

TEST_CASE("CnvW2A2 of BNN-PYNQ scores as expected") {
    const auto network = data_file("models/cnv_w2a2.onnx");
    const auto images = data_file("cifar10/test_first_1000.bin");
    const auto expected = data_file("models/cnv_w2a2.expected_first_1000.npy");
    if (!network || !images || !expected) return;
    const auto model = load(*network);
    for (const std::size_t image : {0, 1, 499, 999})
        CHECK(scores(model, cifar_image(*images, image)) == expected_scores(*expected, image));
}

TEST_CASE("our CnvW2A2 scores as expected") {
    const auto images = data_file("cifar10/test_first_1000.bin");
    const auto expected = data_file("../trained/cnv_w2a2_cifar10.expected_first_1000.npy");
    if (!images || !expected) return;
    const auto model = load(source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx");
    for (const std::size_t image : {0, 1, 499, 999})
        CHECK(scores(model, cifar_image(*images, image)) == expected_scores(*expected, image));
}

TEST_CASE("our MobileNetV1 scores as expected") {
    const auto images = data_file("cifar10/test_first_1000.bin");
    const auto expected = data_file("../trained/mobilenet_v1_w4a4_cifar10.expected_first_100.npy");
    if (!images || !expected) return;
    const auto model = load(source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx");
    for (const std::size_t image : {0, 99})
        CHECK(scores(model, upscaled_to_224(cifar_image(*images, image))) ==
              expected_scores(*expected, image));
}

TEST_CASE("our networks are imported with their types, their small weights folded") {
    const auto cnv = load(source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx");
    CHECK(cnv.graph().nodes.size() == 22);
    REQUIRE(cnv.inputs().size() == 1);
    CHECK(cnv.inputs()[0] == TensorDesc{"pixels", {1, 32, 32, 3}, "NHWC", DataType::uint(8), "FLOAT32"});
    REQUIRE(cnv.outputs().size() == 1);
    CHECK(cnv.outputs()[0] == TensorDesc{"scores", {1, 10}, "NC", DataType::sint(24), "FLOAT32"});
    const auto& weights = tensor(cnv, "Conv_0_W");
    CHECK(weights.type == DataType::sint(2));
    CHECK(weights.declared == "FLOAT32");
    CHECK(weights.shape == Shape{64, 3, 3, 3});
    CHECK(tensor(cnv, "Conv_0").type == DataType::sint(13));
    CHECK(tensor(cnv, "Threshold_conv_5").type == DataType::uint(2));
    CHECK(wire_desc(tensor(cnv, "Threshold_conv_5")).wire_bytes() == 64);

    const auto mobilenet = load(source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx");
    CHECK(mobilenet.inputs()[0].shape == std::vector<std::int64_t>{1, 224, 224, 3});
    CHECK(mobilenet.outputs()[0].shape == std::vector<std::int64_t>{1, 10});
    CHECK(tensor(mobilenet, "PoolSum").type == DataType::uint(10));
    CHECK(tensor(mobilenet, "PoolSum").range == Range{0, 735});
}

TEST_CASE("types and bounds of a network are those of its annotations, and those follow") {
    const auto network = data_file("models/cnv_w2a2.onnx");
    if (!network) return;
    const auto model = load(*network);
    CHECK(tensor(model, "Conv_0").type == DataType::sint(32));
    CHECK(tensor(model, "Conv_0").range->min >= -27 * 128);
    CHECK(tensor(model, "Flatten_0").type == DataType::sint(2));  // not annotated
    CHECK(model.cut_tensors().size() == 20);
}
