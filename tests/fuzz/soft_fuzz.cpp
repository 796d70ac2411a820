// Any bytes as a model: what is imported and small is compiled for the soft device, and agrees with the
// reference on every instruction set.
#include <cstdlib>

#include "model/model.hpp"
#include "model/reference.hpp"
#include "model/summary.hpp"
#include "overlays/soft/plan.hpp"

using namespace fard;

namespace {

using Tensors = std::vector<std::vector<std::byte>>;

void require(bool holds) {
    if (!holds) std::abort();
}

bool is_small(const model::Graph& graph) {
    constexpr std::int64_t most = 20'000;
    std::int64_t work = 0;
    for (const auto& tensor : graph.tensors)
        work += static_cast<std::int64_t>(tensor.elements());
    for (const auto& node : graph.nodes) {
        if (const auto* pool = std::get_if<model::PoolAttributes>(&node.attributes))
            if (pool->kernel.height * pool->kernel.width > 100) return false;
        work += multiply_accumulates(graph, node);
        if (work < 0 || work > most) return false;
    }
    return work <= most;
}

Result<Tensors> run_soft(const std::shared_ptr<const model::Model>& model, const soft::Kernels& kernels,
                         const std::vector<std::span<const std::byte>>& inputs) {
    soft::Plan plan(soft::compile({model, &model->graph()}, kernels));
    Tensors outputs;
    for (const auto& desc : model->outputs())
        outputs.emplace_back(desc.wire_bytes());
    const std::vector<std::span<std::byte>> places(outputs.begin(), outputs.end());
    if (auto loaded = plan.load(inputs); !loaded) return fail(loaded.error());
    if (auto done = plan.run(); !done) return fail(done.error());
    if (auto stored = plan.store(places); !stored) return fail(stored.error());
    return outputs;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    auto parsed = model::Model::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (!parsed || !is_small(parsed->graph())) return 0;
    const auto model = std::make_shared<const model::Model>(std::move(*parsed));
    Tensors inputs;
    std::vector<std::span<const std::byte>> views;
    for (const auto& desc : model->inputs()) {
        auto& input = inputs.emplace_back(desc.wire_bytes());
        // Any bits are values of a dense type; the wider ones stay small.
        const bool dense = desc.type.is_integer() && desc.type.wire_bits() <= 8;
        for (std::size_t i = 0; dense && i < input.size(); ++i)
            input[i] = static_cast<std::byte>(i * 73 + 5);
    }
    for (const auto& input : inputs)
        views.emplace_back(input);
    const auto expected = model::run_reference_wire(model->graph(), views);
    for (const auto& kernels : soft::kernel_table()) {
        if (!kernels.runs_here()) continue;
        const auto actual = run_soft(model, kernels, views);
        if (!actual && actual.error().fault == Fault::corrupt)
            continue;  // an input beyond the range that the file claims
        require(actual.has_value() == expected.has_value());
        require(!expected || *actual == *expected);
    }
    return 0;
}
