// The first 250 images, by the reference interpreter, which takes a tenth of a second for one; FARD_TEST_IMAGES of the
// 1,000, where it says so.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/model/data.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

// Whether each score is as expected, and, where all images are scored, `all_right` are classified right.
void check_thousand(const Model& model, const std::filesystem::path& images,
                    const std::filesystem::path& expected, int all_right) {
    const std::size_t count = images_to_run(1000, 250);
    int right = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto image = cifar_image(images, i);
        const auto got = scores(model, image);
        REQUIRE(got == expected_scores(expected, i));
        const auto best = std::max_element(got.begin(), got.end()) - got.begin();
        if (best == cifar_label(images, i)) ++right;
    }
    if (count == 1000) CHECK(right == all_right);
}

}  // namespace

TEST_CASE("CnvW2A2 of BNN-PYNQ scores images as expected: 853 of all 1,000 right") {
    const auto network = data_file("models/cnv_w2a2.onnx");
    const auto images = data_file("cifar10/test_first_1000.bin");
    const auto expected = data_file("models/cnv_w2a2.expected_first_1000.npy");
    if (!network || !images || !expected) return;
    const auto model = Model::load(*network);
    REQUIRE_MESSAGE(model, model.error().message);
    check_thousand(*model, *images, *expected, 853);
}

TEST_CASE("our CnvW2A2 scores images as expected: 869 of all 1,000 right") {
    const auto images = data_file("cifar10/test_first_1000.bin");
    const auto expected = data_file("../trained/cnv_w2a2_cifar10.expected_first_1000.npy");
    if (!images || !expected) return;
    const auto model = Model::load(source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx");
    REQUIRE_MESSAGE(model, model.error().message);
    check_thousand(*model, *images, *expected, 869);
}
