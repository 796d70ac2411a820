// Plans with several threads, and what a chunk costs besides its arithmetic: no allocation.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "model/reference.hpp"
#include "overlays/soft/plan.hpp"
#include "tests/fakes/allocations.hpp"
#include "tests/overlays/random_network.hpp"

using namespace fard;

namespace {

using Tensors = std::vector<std::vector<std::byte>>;

struct Run {
    std::unique_ptr<soft::Plan> plan;
    Tensors outputs;
    std::vector<std::span<std::byte>> places;

    Run(const std::shared_ptr<const model::Model>& model, const soft::Kernels& kernels, std::size_t threads)
        : plan(std::make_unique<soft::Plan>(soft::compile({model, &model->graph()}, kernels), threads)) {
        for (const auto& desc : model->outputs())
            outputs.emplace_back(desc.wire_bytes());
        places.assign(outputs.begin(), outputs.end());
    }

    bool once(const std::vector<std::span<const std::byte>>& inputs) {
        return plan->load(inputs) && plan->run() && plan->store(places);
    }
};

}  // namespace

TEST_CASE("any number of threads computes the same") {
    for (std::uint32_t seed = 1; seed <= 15; ++seed) {
        const auto network = test::random_network(seed);
        auto parsed = model::Model::parse(network.onnx, "random");
        if (!parsed) continue;
        const auto model = std::make_shared<const model::Model>(std::move(*parsed));
        std::mt19937 random(seed);
        const auto inputs = test::random_inputs(*model, random);
        const std::vector<std::span<const std::byte>> views(inputs.begin(), inputs.end());
        for (const auto& kernels : soft::kernel_table()) {
            if (!kernels.runs_here()) continue;
            Run one(model, kernels, 1);
            REQUIRE(one.once(views));
            for (const std::size_t threads : {2u, 3u}) {
                Run several(model, kernels, threads);
                for (int chunk = 0; chunk < 3; ++chunk) {
                    REQUIRE(several.once(views));
                    CHECK_MESSAGE(several.outputs == one.outputs, network.description, threads);
                }
            }
        }
    }
}

TEST_CASE("a chunk allocates nothing") {
    if (!test::counts_allocations) {
        MESSAGE("skipped: allocations are not counted in this build");
        return;
    }
    const std::filesystem::path apps = std::filesystem::path(std::getenv("FARD_SOURCE_ROOT")) / "apps";
    for (const char* file : {"two_stage_bnn/cnv_w2a2.onnx", "mobilenet_six_stage/mobilenet_v1_w4a4.onnx"}) {
        const auto model = std::make_shared<const model::Model>(model::Model::load(apps / file).value());
        std::mt19937 random(1);
        const auto inputs = test::random_inputs(*model, random);
        const std::vector<std::span<const std::byte>> views(inputs.begin(), inputs.end());
        for (const std::size_t threads : {1u, 2u}) {
            Run run(model, *soft::select_kernels(), threads);
            REQUIRE(run.once(views));
            const auto before = test::allocations();
            const bool done = run.once(views);
            const auto after = test::allocations();
            CHECK(done);
            CHECK(before > 0);
            CHECK(after == before);
        }
    }
}
