#include "jobs/overlay_runner.hpp"

#include <algorithm>
#include <charconv>

#include "jobs/result_check.hpp"
#include "overlays/soft/soft_device.hpp"

namespace fard {

namespace {

using namespace std::chrono_literals;

constexpr Duration load_limit = 60s;
constexpr Duration longest_chunk = 24h;  // on a CPU: the node manager's chunk_timeout ends a job earlier
constexpr Duration unknown_chunk = 10s;  // in hardware of which nobody says how fast it is
constexpr int most_in_a_row = 3;
constexpr std::uintmax_t largest_kept = 64u << 20;  // bytes of a stage that a parked program has compiled

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

// How long a chunk may stay in a device: far more than its hardware needs with all that is before it.
Duration limit_of(const Device& device, const Manifest& manifest) {
    const auto* build = manifest.hardware_for(device.info().part);
    if (device.info().part.empty()) return longest_chunk;
    if (build == nullptr || !(build->clock_mhz > 0)) return unknown_chunk;
    const auto cycles = std::max(build->latency_cycles, build->interval_cycles) * static_cast<std::int64_t>(device.depth() + 1);
    if (cycles == 0) return unknown_chunk;
    return 2s + 20 * std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(cycles) * 1e3 / build->clock_mhz));
}

// What loading anew may mend.
bool is_stuck(const Error& error) {
    return error.fault == Fault::timed_out || error.fault == Fault::io;
}

TimePoint now() {
    return std::chrono::steady_clock::now();
}

}  // namespace

OverlayRunner::OverlayRunner(Package package, std::unique_ptr<Device> device)
    : package_(std::move(package)), device_(std::move(device)), chunk_limit_(limit_of(*device_, package_.manifest)) {}

Result<OverlayRunner> OverlayRunner::load(const JobConfig& config) {
    if (config.package_dir.empty())
        return fail(Fault::invalid_input, "position '{}' of {} names no overlay", config.name, config.app);
    auto package = Package::open_verified(config.package_dir);  // the node manager has read every byte of it
    if (!package) return fail(package.error());
    if (auto same = same_tensors("input", package->manifest.inputs, config.inputs); !same)
        return fail(same.error());
    if (auto same = same_tensors("output", package->manifest.outputs, config.outputs); !same)
        return fail(same.error());
    auto device = open_device({.kind = config.device_kind, .id = config.device_id, .slot = config.slot, .fd = config.device_fd});
    if (!device) return fail(device.error());
    OverlayRunner runner(std::move(*package), std::move(*device));
    if (auto begun = config.turns ? runner.device_->prepare(runner.package_) : runner.begin_load(); !begun) return fail(begun.error());
    if (auto begun = runner.begin_check(config); !begun) return fail(begun.error());
    return runner;
}

Result<> prepare_overlay(const std::string& package_dir) {
    const auto package = Package::open_verified(package_dir);
    if (!package) return fail(package.error());
    std::error_code ignored;
    if (const auto bytes = std::filesystem::file_size(package->dir / "stage.onnx", ignored); !ignored && bytes > largest_kept)
        return fail(Fault::refused, "its stage of {} bytes is too large to be kept", bytes);
    return prepare_soft_stage(*package);
}

// A CPU is not held against itself.
Result<> OverlayRunner::begin_check(const JobConfig& config) {
    const auto wish = config.params.find("verify");
    if (wish == config.params.end()) return {};
    std::uint64_t every = 0;
    const auto& text = wish->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), every);
    if (error != std::errc{} || end != text.data() + text.size() || every == 0)
        return fail(Fault::invalid_input, "position '{}': verify is '{}', not a whole number from 1 on", config.name, text);
    if (device_->info().part.empty()) return {};
    auto check = ResultCheck::begin(package_, every, device_->ready_fd());
    if (!check) return fail(check.error());
    check_ = std::move(*check);
    return {};
}

OverlayRunner::OverlayRunner(OverlayRunner&&) noexcept = default;
OverlayRunner& OverlayRunner::operator=(OverlayRunner&&) noexcept = default;
OverlayRunner::~OverlayRunner() = default;

int OverlayRunner::fd() const {
    return check_ ? check_->fd() : device_->ready_fd();
}

void OverlayRunner::end_turn() {
    loaded_ = false;
    device_->let_go();
}

Result<> OverlayRunner::begin_load() {
    loaded_ = false;
    load_deadline_ = now() + load_limit;
    if (auto begun = device_->load(package_, load_deadline_); !begun)
        return fail_in("overlay " + package_.manifest.name, begun.error());
    news_ = {DeviceNews::State::loading, device_->waits_for()};
    return {};
}

// Whether the overlay is loaded; once it is, the chunks that wait for it go in.
Result<bool> OverlayRunner::bring_up() {
    const auto loaded = device_->loaded();
    if (!loaded) return fail_in("overlay " + package_.manifest.name, loaded.error());
    if (!*loaded && now() >= load_deadline_)
        return fail(Fault::timed_out, "overlay {}: not loaded within {} s; it waits for {}", package_.manifest.name,
                    std::chrono::duration_cast<std::chrono::seconds>(load_limit).count(), device_->waits_for());
    if (!*loaded) return false;
    loaded_ = true;
    news_ = {DeviceNews::State::loaded, {}};
    for (auto& held : held_)
        if (auto started = submit(held); !started) return fail(started.error());
    return true;
}

Result<> OverlayRunner::submit(Held& held) {
    std::vector<Bytes> inputs;
    for (const auto& tensor : held.chunk.tensors)
        inputs.push_back(tensor.bytes());
    std::vector<MutableBytes> outputs;
    held.done = false;
    held.result.index = held.chunk.index;
    held.result.tensors.clear();
    held.result.tensors.reserve(package_.manifest.outputs.size());
    for (const auto& tensor : package_.manifest.outputs)
        outputs.push_back(held.result.tensors.emplace_back(tensor.wire_bytes()).writable());
    device_->came_at(std::exchange(held.chunk.since, {}));  // when it is submitted once more it is there then
    return device_->submit(held.chunk.index, inputs, outputs, now() + chunk_limit_);
}

Result<> OverlayRunner::put(Chunk chunk) {
    auto& held = held_.emplace_back();
    held.chunk = std::move(chunk);
    if (check_ && check_->wants(held.chunk)) held.check = check_->compute(held.chunk);
    if (!loaded_) return {};
    auto submitted = submit(held);
    return submitted || !is_stuck(submitted.error()) ? submitted : recover(submitted.error());
}

Result<std::optional<Chunk>> OverlayRunner::take() {
    if (!loaded_) {
        const auto up = bring_up();
        if (!up && is_stuck(up.error())) {
            if (auto recovered = recover(up.error()); !recovered) return fail(recovered.error());
            return std::nullopt;
        }
        if (!up) return fail(up.error());
        if (!*up) return std::nullopt;
    }
    if (held_.empty()) return std::nullopt;
    const auto finished = finish_oldest();
    if (!finished && is_stuck(finished.error())) {
        if (auto recovered = recover(finished.error()); !recovered) return fail(recovered.error());
        return std::nullopt;
    }
    if (!finished) return fail(finished.error());
    if (!*finished) return std::nullopt;
    stuck_in_a_row_ = 0;
    auto result = std::move(held_.front().result);
    held_.pop_front();
    return result;
}

// Whether its result is there, and right as far as that is checked.
Result<bool> OverlayRunner::finish_oldest() {
    auto& oldest = held_.front();
    if (check_) check_->clear();
    if (!oldest.done) {
        const auto done = device_->complete();
        if (!done) return fail(done.error());
        oldest.done = done->has_value();
        if (oldest.done) oldest.result.since = device_->due_at();
    }
    if (!oldest.done || (oldest.check && !oldest.check->done.load(std::memory_order_acquire))) return false;
    if (!oldest.check) return true;
    const auto same = same_results(*oldest.check, oldest.result, device_->info().id);
    if (same) return true;
    device_->unload();  // what it holds is not to be trusted
    return fail(same.error());
}

// Loads anew what is stuck; the chunks follow when it is up.
Result<> OverlayRunner::recover(const Error& error) {
    news_ = {DeviceNews::State::stuck, error.message};
    if (++stuck_in_a_row_ >= most_in_a_row)
        return fail(error.fault, "{}; {} times in a row", error.message, stuck_in_a_row_);
    auto begun = begin_load();
    news_ = {DeviceNews::State::stuck, error.message};
    return begun;
}

Result<Chunk> OverlayRunner::run(const Chunk& chunk) {
    if (auto put_in = put(chunk.share()); !put_in) return fail(put_in.error());
    for (;;) {
        auto result = take();
        if (!result) return fail(result.error());
        if (*result) return std::move(**result);
        wait_for_news(*device_, loaded_ ? now() + chunk_limit_ : load_deadline_);
    }
}

Result<> OverlayJob::parse_config(const JobConfig& config) {
    if (auto kept = Job::parse_config(config); !kept) return kept;
    auto loading = OverlayRunner::load(config);
    if (!loading) return fail(loading.error());
    overlay_.emplace(std::move(*loading));
    return {};
}

}  // namespace fard
