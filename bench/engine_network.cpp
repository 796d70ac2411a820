#include "bench/engine_network.hpp"

#include <cstring>
#include <random>

#include "bench/measure.hpp"

namespace fard::bench {
namespace {

double milliseconds_since(BenchClock::time_point start) {
    return std::chrono::duration<double, std::milli>(BenchClock::now() - start).count();
}

Result<> draw(const TensorDesc& desc, std::mt19937& random, std::span<std::byte> wire) {
    if (!desc.type.is_integer()) {
        std::uniform_real_distribution<float> uniform(-1, 1);
        for (std::size_t i = 0; i < wire.size(); i += sizeof(float)) {
            const float value = uniform(random);
            std::memcpy(wire.data() + i, &value, sizeof value);
        }
        return {};
    }
    std::uniform_int_distribution<std::int64_t> uniform(desc.type.min(), desc.type.max());
    std::vector<std::int32_t> values(desc.elements());
    for (auto& value : values) {
        value = static_cast<std::int32_t>(uniform(random));
        if (desc.type == DataType::bipolar() && value == 0) value = 1;
    }
    return pack(desc.type, values, wire);
}

}  // namespace

Result<Network> Network::open(const std::filesystem::path& file, const soft::Kernels& kernels,
                              std::size_t threads) {
    Network network;
    std::shared_ptr<const model::Model> owner;
    for (int i = 0; i < 3; ++i) {
        const auto start = BenchClock::now();
        auto model = model::Model::load(file);
        if (!model) return fail(model.error());
        owner = std::make_shared<const model::Model>(std::move(*model));
        network.plan_ =
            std::make_unique<soft::Plan>(soft::compile({owner, &owner->graph()}, kernels), threads);
        const double spent = milliseconds_since(start);
        network.load_milliseconds_ = i == 0 ? spent : std::min(spent, network.load_milliseconds_);
    }
    std::mt19937 random(1);
    for (const auto& desc : owner->inputs()) {
        network.inputs_.emplace_back(desc.wire_bytes());
        if (auto drawn = draw(desc, random, network.inputs_.back()); !drawn) return fail(drawn.error());
    }
    for (const auto& desc : owner->outputs())
        network.outputs_.emplace_back(desc.wire_bytes());
    return network;
}

double Network::run_once() {
    const std::vector<std::span<const std::byte>> inputs(inputs_.begin(), inputs_.end());
    const std::vector<std::span<std::byte>> outputs(outputs_.begin(), outputs_.end());
    const auto start = BenchClock::now();
    const bool done = plan_->load(inputs) && plan_->run() && plan_->store(outputs);
    return done ? milliseconds_since(start) : -1;
}

std::vector<LayerTime> Network::layers(int rounds, const std::function<void()>& between) {
    const auto& recipe = plan_->recipe();
    std::vector<LayerTime> layers;
    std::vector<std::vector<double>> times(recipe.steps.size());
    const std::vector<std::span<const std::byte>> inputs(inputs_.begin(), inputs_.end());
    for (int round = 0; round < rounds; ++round, between()) {
        if (!plan_->load(inputs)) return {};  // later steps write over them
        for (std::size_t i = 0; i < times.size(); ++i) {
            const auto start = BenchClock::now();
            if (!plan_->run_step(i)) return {};
            times[i].push_back(milliseconds_since(start));
        }
    }
    for (std::size_t i = 0; i < times.size(); ++i) {
        const auto& step = *recipe.steps[i];
        layers.push_back(
            {recipe.names[i], std::string(step.kind()), step.how(), step.macs(), median(times[i])});
    }
    return layers;
}

}  // namespace fard::bench
