// The real networks on the soft device: every score exact.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "model/wire_form.hpp"
#include "overlays/soft/plan.hpp"
#include "tests/model/data.hpp"

using namespace fard;
using namespace fard::model::test;

namespace {

class Network {
  public:
    Network(const std::filesystem::path& file, const soft::Kernels& kernels)
        : model_(std::make_shared<const model::Model>(model::Model::load(file).value())),
          plan_(soft::compile({model_, &model_->graph()}, kernels)) {}

    std::vector<std::int32_t> scores(const std::vector<std::int32_t>& image) {
        const auto& graph = model_->graph();
        const auto &in = graph[graph.inputs[0]], &out = graph[graph.outputs[0]];
        std::vector<std::byte> input(model_->inputs()[0].wire_bytes()),
            output(model_->outputs()[0].wire_bytes());
        REQUIRE(model::values_to_wire(in, {image, {}}, input));
        const std::span<const std::byte> from(input);
        const std::span<std::byte> to(output);
        REQUIRE(plan_.load({&from, 1}));
        REQUIRE(plan_.run());
        REQUIRE(plan_.store({&to, 1}));
        return model::values_from_wire(out, output)->integers;
    }

  private:
    std::shared_ptr<const model::Model> model_;
    soft::Plan plan_;
};

// How many of the first `count` images have exactly the expected scores.
std::size_t exact(const std::filesystem::path& network, const soft::Kernels& kernels,
                  const std::string& expected, std::size_t count, bool upscale) {
    const auto images = data_file("cifar10/test_first_1000.bin");
    const auto scores = data_file(expected);
    if (!images || !scores) return count;
    Network soft(network, kernels);
    std::size_t same = 0;
    for (std::size_t i = 0; i < count; ++i) {
        auto image = cifar_image(*images, i);
        if (upscale) image = upscaled_to_224(image);
        same += soft.scores(image) == expected_scores(*scores, i);
    }
    return same;
}

std::map<std::string, int> kinds_of(const std::filesystem::path& file) {
    const auto model = std::make_shared<const model::Model>(model::Model::load(file).value());
    std::map<std::string, int> kinds;
    for (const auto& step : soft::compile({model, &model->graph()}, *soft::select_kernels()).steps)
        ++kinds[std::string(step->kind())];
    return kinds;
}

}  // namespace

TEST_CASE("our networks have nothing that must be interpreted") {
    CHECK(kinds_of(source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx") ==
          std::map<std::string, int>{{"matrix", 9}, {"max_pool", 2}});
    CHECK(kinds_of(source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx") ==
          std::map<std::string, int>{{"matrix", 15}, {"depthwise", 13}, {"pixel_sum", 1}});
}

TEST_CASE("CnvW2A2 of BNN-PYNQ scores 1,000 images as expected") {
    const auto network = data_file("models/cnv_w2a2.onnx");
    if (!network) return;
    const auto count = images_to_run(1000);
    CHECK(exact(*network, *soft::select_kernels(), "models/cnv_w2a2.expected_first_1000.npy", count, false) ==
          count);
}

TEST_CASE("our networks score as expected") {
    for (const auto& kernels : soft::kernel_table()) {
        if (!kernels.runs_here()) continue;
        const bool best = &kernels == soft::select_kernels();
        const auto small = images_to_run(best ? 200 : 3), large = images_to_run(best ? 20 : 1);
        CHECK(exact(source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx", kernels,
                    "../trained/cnv_w2a2_cifar10.expected_first_1000.npy", small, false) == small);
        CHECK(exact(source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx", kernels,
                    "../trained/mobilenet_v1_w4a4_cifar10.expected_first_100.npy", large, true) == large);
    }
}
