#include "tests/overlays/soft_run.hpp"

namespace fard::test {

std::vector<std::span<const std::byte>> views(const Tensors& tensors) {
    return {tensors.begin(), tensors.end()};
}

SoftNetwork::SoftNetwork(model::Model model, const soft::Kernels& kernels, std::size_t threads)
    : model_(std::make_shared<const model::Model>(std::move(model))),
      plan_(soft::compile({model_, &model_->graph()}, kernels), threads) {}

void SoftNetwork::count_kinds(std::map<std::string, int>& kinds) const {
    for (const auto& step : plan_.recipe().steps)
        ++kinds[std::string(step->kind())], ++kinds[step->how()];
}

Result<Tensors> SoftNetwork::run(const Tensors& inputs) {
    Tensors outputs;
    for (const auto& desc : model_->outputs())
        outputs.emplace_back(desc.wire_bytes());
    const std::vector<std::span<std::byte>> places(outputs.begin(), outputs.end());
    if (auto loaded = plan_.load(views(inputs)); !loaded) return fail(loaded.error());
    if (auto done = plan_.run(); !done) return fail(done.error());
    if (auto stored = plan_.store(places); !stored) return fail(stored.error());
    return outputs;
}

}  // namespace fard::test
