#include "model/summary.hpp"

#include <doctest/doctest.h>

#include "tests/model/data.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

TEST_CASE("the table of layers names each with its shape, type, parameters and MACs") {
    OnnxMaker maker;
    maker.input("x", {1, 2, 3, 3}).annotate("x", "UINT2").output("y");
    maker.constant("w", {40, 2, 3, 3}, std::vector<float>(720, 1))
        .constant("v", {40, 10}, std::vector<float>(400, -1));
    maker.node("Conv", {"x", "w"}, "c");
    maker.node("Flatten", {"c"}, "f");
    maker.node("MatMul", {"f", "v"}, "y");
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    CHECK(layer_table(model->graph(), model->cut_tensors()) ==
          "layer     operator  result    type   bytes  parameters   MACs  cut\n"
          "c         Conv      1x40x1x1  UINT6     30         720    720  c\n"
          "f         Flatten   1x40      UINT6     30           0      0  f\n"
          "y         MatMul    1x10      INT13     20         400    400\n"
          "3 layers                                         1,120  1,120  2 cuts\n");
}

TEST_CASE("our MobileNetV1 has the operations of MobileNetV1") {
    const auto model = Model::load(source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx");
    REQUIRE_MESSAGE(model, model.error().message);
    std::int64_t macs = 0;
    for (const auto& node : model->graph().nodes)
        macs += multiply_accumulates(model->graph(), node);
    CHECK(macs == 567'716'352 + 1024 * 10);  // all its convolutions at 224x224, and a head of ten classes
}
