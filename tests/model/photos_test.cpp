// Networks trained on ImageNet, on photos.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "model/reference.hpp"
#include "tests/model/data.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

constexpr std::size_t photos = 40;

std::size_t count_of(const Model& model, Op op) {
    return static_cast<std::size_t>(
        std::ranges::count_if(model.graph().nodes, [&](const Node& node) { return node.op == op; }));
}

// Photo `index` as NCHW.
std::vector<double> photo(const std::filesystem::path& npy, std::size_t index) {
    const auto nhwc = npy_row(npy, index);
    std::vector<double> nchw;
    for (std::size_t c = 0; c < 3; ++c)
        for (std::size_t i = c; i < nhwc.size(); i += 3)
            nchw.push_back(nhwc[i]);
    return nchw;
}

}  // namespace

TEST_CASE("MobileNetV1 int8 (QDQ) becomes integers from end to end, and classifies photos") {
    const auto network = data_file("models/mobilenet_v1_1.0_224_int8_qdq.onnx");
    const auto images = data_file("imagenet/photos_224_nhwc_u8.npy");
    const auto classes = data_file("imagenet/photos_class_index.npy");
    const auto stored = data_file("models/mobilenet_v1_1.0_224_int8_qdq.tflite_logits_u8.npy");
    if (!network || !images || !classes || !stored) return;
    const auto model = Model::load(*network);
    REQUIRE_MESSAGE(model, model.error().message);
    CHECK(count_of(*model, Op::conv) == 28);
    CHECK(count_of(*model, Op::requantize) == 29);
    CHECK(count_of(*model, Op::dequantize) == 1);
    std::size_t same = 0, right = 0;
    for (std::size_t i = 0; i < photos; ++i) {
        const auto logits = run(*model, photo(*images, i));
        same += index_of_largest(logits) == index_of_largest(npy_row(*stored, i));
        right += static_cast<double>(index_of_largest(logits)) ==
                 npy_row(*classes, i)[0] + 1;  // 0 is "background"
    }
    MESSAGE(same, " of 40 as stored, ", right, " of 40 right");
    CHECK(same >= 39);
    CHECK(right >= 34);
}
