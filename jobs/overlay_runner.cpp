#include "jobs/overlay_runner.hpp"

namespace fard {

namespace {

constexpr Duration load_limit = std::chrono::seconds(60);
constexpr Duration chunk_limit =
    std::chrono::hours(24);  // the node manager's chunk_timeout ends a job earlier

// Whether the overlay takes and gives what its position promised to its neighbours.
Result<> same_tensors(const char* what, const std::vector<TensorDesc>& overlay,
                      const std::vector<TensorDesc>& position) {
    if (overlay.size() != position.size())
        return fail(Fault::invalid_input, "the overlay has {} {} tensors, its position {}", overlay.size(),
                    what, position.size());
    for (std::size_t i = 0; i < overlay.size(); ++i)
        if (!(overlay[i] == position[i]))
            return fail(Fault::invalid_input,
                        "{} tensor {} of the overlay is '{}' {}, that of its position '{}' {}", what, i,
                        overlay[i].name, short_form(overlay[i]), position[i].name, short_form(position[i]));
    return {};
}

}  // namespace

OverlayRunner::OverlayRunner(Package package, std::unique_ptr<Device> device)
    : package_(std::move(package)), device_(std::move(device)) {}

Result<OverlayRunner> OverlayRunner::load(const JobConfig& config) {
    if (config.package_dir.empty())
        return fail(Fault::invalid_input, "position '{}' of {} names no overlay", config.name, config.app);
    auto package = Package::open_verified(config.package_dir);  // the node manager has read every byte of it
    if (!package) return fail(package.error());
    if (auto same = same_tensors("input", package->manifest.inputs, config.inputs); !same)
        return fail(same.error());
    if (auto same = same_tensors("output", package->manifest.outputs, config.outputs); !same)
        return fail(same.error());
    auto device = open_device(config.device_kind, config.device_id);
    if (!device) return fail(device.error());
    if (auto loaded = (*device)->load(*package, std::chrono::steady_clock::now() + load_limit); !loaded)
        return fail_in("overlay " + package->manifest.name, loaded.error());
    return OverlayRunner(std::move(*package), std::move(*device));
}

Result<Chunk> OverlayRunner::run(const Chunk& chunk) {
    Chunk result;
    result.index = chunk.index;
    std::vector<Bytes> inputs;
    for (const auto& tensor : chunk.tensors)
        inputs.push_back(tensor.bytes());
    std::vector<MutableBytes> outputs;
    result.tensors.reserve(package_.manifest.outputs.size());
    for (const auto& tensor : package_.manifest.outputs)
        outputs.push_back(result.tensors.emplace_back(tensor.wire_bytes()).writable());
    if (auto started = device_->submit(chunk.index, inputs, outputs); !started) return fail(started.error());
    const auto done = device_->complete(std::chrono::steady_clock::now() + chunk_limit);
    if (!done) return fail(done.error());
    return result;
}

}  // namespace fard
