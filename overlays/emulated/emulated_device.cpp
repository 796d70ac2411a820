#include "overlays/emulated/emulated_device.hpp"

#include <fmt/ranges.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "overlays/emulated/stage_worker.hpp"
#include "overlays/package/resource_names.hpp"
#include "overlays/soft/soft_device.hpp"

namespace fard {
namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t least_late_ns = 2'000'000;
constexpr std::size_t most_in_flight = 64;

std::int64_t ns_of(TimePoint time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::int64_t ns_of_cycles(std::int64_t cycles, double clock_mhz) {
    return std::llround(static_cast<double>(cycles) * 1e3 / clock_mhz);
}

// What is said when a reload fails, and when: FPGA managers call their states so.
struct LoadFault {
    const char* what;
    double at;
};
LoadFault describe(EmulatedFault::Kind kind) {
    switch (kind) {
        case EmulatedFault::Kind::unload: return {"the overlay before cannot be taken out", 0};
        case EmulatedFault::Kind::load_request: return {"programming it failed in the state 'firmware request error'", 0};
        case EmulatedFault::Kind::load_init: return {"programming it failed in the state 'write init error'", 0.05};
        case EmulatedFault::Kind::load_write: return {"programming it failed in the state 'write error'", 0.5};
        case EmulatedFault::Kind::load_complete: return {"programming it failed in the state 'write complete error'", 1};
        default: return {"its registers cannot be mapped", 1};
    }
}

class EmulatedDevice final : public Device {
  public:
    EmulatedDevice(std::string id, std::uint32_t slot, BoardMemory memory, std::unique_ptr<Device> computes,
                   std::unique_ptr<EmulatedTime> time)
        : id_(std::move(id)),
          memory_(std::move(memory)),
          slot_(memory_->slots[slot]),
          time_(std::move(time)),
          worker_(std::move(computes)),
          news_(::epoll_create1(EPOLL_CLOEXEC)) {
        for (const int fd : {time_->fd(), worker_.fd()}) {
            epoll_event event{.events = EPOLLIN, .data = {}};
            if (fd >= 0) ::epoll_ctl(news_.get(), EPOLL_CTL_ADD, fd, &event);
        }
    }

    DeviceInfo info() const override {
        const auto& figures = memory_.figures();
        return {id_, "emulated", static_cast<int>(figures.slots), figures.title.data(), figures.part.data()};
    }

    Result<> load(const Package& package, TimePoint deadline) override {
        drop();
        const auto build = build_of(package.manifest);
        if (!build) return fail(build.error());
        if (auto fits = check_fits(**build, memory_.figures()); !fits) return fits;
        latency_ = ns_of_cycles(std::max((*build)->latency_cycles, (*build)->interval_cycles), (*build)->clock_mhz);
        interval_ = ns_of_cycles((*build)->interval_cycles, (*build)->clock_mhz);
        depth_ = std::clamp<std::size_t>(static_cast<std::size_t>(latency_ / interval_) + 2, 2, most_in_flight);
        name_ = package.manifest.name;
        load_deadline_ = deadline == TimePoint::max() ? never : ns_of(deadline);
        if (auto begun = worker_.load(package); !begun) return begun;
        fabric_up_ = holds(package.id);
        if (!fabric_up_) begin_reload(package.id);
        if (fabric_up_ && worker_.loaded()) time_->wake_at(time_->now_ns());
        return {};
    }

    Result<bool> loaded() override {
        worker_.clear();
        if (up_) return true;
        if (name_.empty()) return false;
        const auto now = time_->now_ns();
        if (auto reloaded = reload(now); !reloaded) return fail(reloaded.error());
        const auto compiled = worker_.loaded();
        if (compiled && !*compiled) return fail(compiled->error());
        if (now >= load_deadline_ && !(fabric_up_ && compiled))
            return fail(Fault::timed_out, "device {}: not loaded in time; it waits for {}", id_, waits_for());
        up_ = fabric_up_ && compiled.has_value();
        return up_;
    }

    std::string waits_for() const override {
        if (fabric_up_) return "the CPU to compile " + name_;
        const auto left = reload_end_ == never ? 0 : std::max<std::int64_t>(reload_end_ - time_->now_ns(), 0);
        return fmt::format("the fabric to take {}, {} ms more", name_, (left + 999'999) / 1'000'000);
    }

    Result<> prepare(const Package& package) override { return worker_.load(package); }

    void let_go() override { drop(); }

    void unload() override {
        if (fabric_up_) slot_.step = static_cast<std::uint32_t>(SlotStep::stuck);  // it is there, and not to be trusted
        fabric_up_ = false;
        drop();
    }

    std::size_t depth() const override { return depth_; }

    Result<> submit(std::uint64_t tag, std::span<const Bytes> inputs, std::span<const MutableBytes> outputs,
                    TimePoint deadline) override {
        if (!up_) return fail(Fault::refused, "device {} has no overlay loaded", id_);
        if (chunks_.size() >= depth_) return fail(Fault::refused, "device {} holds {} chunks already", id_, depth_);
        auto work = std::make_shared<StageWork>();
        for (const auto& input : inputs)
            work->inputs.emplace_back(input.begin(), input.end());
        Chunk chunk{.tag = tag, .outputs = {outputs.begin(), outputs.end()}, .work = work};
        chunk.deadline = deadline == TimePoint::max() ? never : ns_of(deadline);
        if (!start(chunk)) return fail(Fault::io, "device {}: the DMA of chunk {} cannot be started", id_, tag);
        worker_.begin(std::move(work));
        chunks_.push_back(std::move(chunk));
        if (chunks_.size() == 1) wake_for(chunks_.front());
        return {};
    }

    void came_at(TimePoint time) override { came_at_ = time == TimePoint{} ? never : ns_of(time); }
    TimePoint due_at() const override { return TimePoint(std::chrono::nanoseconds(due_at_)); }
    void taken_from(TimePoint time) override { taken_from_ = ns_of(time); }
    Duration tolerance() const override { return std::chrono::nanoseconds(std::max(least_late_ns, interval_ / 10)); }

    Result<std::optional<std::uint64_t>> complete() override {
        worker_.clear();
        if (chunks_.empty()) return fail(Fault::refused, "device {} holds no chunk", id_);
        auto& chunk = chunks_.front();
        const auto now = time_->now_ns();
        if (now >= chunk.deadline && (now < chunk.due || !chunk.work->done.load(std::memory_order_acquire))) {
            slot_.step = static_cast<std::uint32_t>(SlotStep::stuck);
            return fail(Fault::timed_out, "device {} holds chunk {} for {} ms, and it is not done", id_, chunk.tag,
                        (now - chunk.submitted) / 1'000'000);
        }
        if (now < chunk.due || !chunk.work->done.load(std::memory_order_acquire)) {
            wake_for(chunk);
            return std::nullopt;
        }
        return hand_out(now);
    }

    int ready_fd() const override { return news_.get(); }
    DeviceCounts counts() const override { return counts_; }

  private:
    // What this user of the fabric had; the fabric itself keeps its overlay.
    void drop() {
        up_ = false;
        name_.clear();
        chunks_.clear();
        worker_.drop();
        time_->sleep();
    }

    struct Chunk {
        std::uint64_t tag = 0;
        std::vector<MutableBytes> outputs;
        std::shared_ptr<StageWork> work;
        std::int64_t submitted = 0, due = 0, deadline = never;
        bool wrong = false;
    };

    Result<const Hardware*> build_of(const Manifest& manifest) const {
        const std::string part = memory_.figures().part.data();
        const auto* build = manifest.hardware_for(part);
        if (!build && manifest.hardware.empty())
            return fail(Fault::refused,
                        "overlay '{}' does not say what it takes of an FPGA, and how fast it is there; submit it with the "
                        "board's profile ([cluster] profile, or --profile), or let the position run on a CPU (device = \"soft\")",
                        manifest.name);
        if (!build) {
            std::vector<std::string> parts;
            for (const auto& other : manifest.hardware)
                parts.push_back(other.part);
            return fail(Fault::refused, "overlay '{}' is for {}, and device {} is a {}", manifest.name, fmt::join(parts, ", "),
                        id_, part);
        }
        if (!(build->clock_mhz > 0) || build->interval_cycles == 0)
            return fail(Fault::unsupported, "overlay '{}' does not say how fast it is on {} (clock_mhz, interval_cycles)",
                        manifest.name, part);
        return build;
    }

    bool holds(const std::string& overlay) const {
        return slot_.step == static_cast<std::uint32_t>(SlotStep::loaded) && overlay == slot_.overlay.data();
    }

    // An overlay that lies there has to go first.
    std::optional<EmulatedFault> fault_of_reload() const {
        const auto step = static_cast<SlotStep>(slot_.step.load());
        if (step == SlotStep::loaded || step == SlotStep::stuck)
            if (const auto fault = memory_.next(EmulatedFault::Occasion::unload)) return fault;
        return memory_.next(EmulatedFault::Occasion::load);
    }

    void begin_reload(const std::string& overlay) {
        ++counts_.reloads;
        const auto fault = fault_of_reload();
        const auto reload_ns = memory_.figures().reload_ns;
        slot_.step = static_cast<std::uint32_t>(SlotStep::loading);
        const auto length = std::min(overlay.size(), slot_.overlay.size() - 1);
        std::copy_n(overlay.data(), length, slot_.overlay.data());
        slot_.overlay[length] = '\0';
        reload_error_ = nullptr;
        const auto end = memory_->port.take(time_->now_ns(), reload_ns);
        reload_end_ = end;
        if (fault && fault->kind == EmulatedFault::Kind::load_hang) {
            reload_end_ = never;
        } else if (fault) {
            const auto described = describe(fault->kind);
            reload_error_ = described.what;
            reload_end_ = end - reload_ns + static_cast<std::int64_t>(described.at * static_cast<double>(reload_ns));
        }
        time_->wake_at(std::min(reload_end_, load_deadline_));
    }

    // The fabric's half of loading.
    Result<> reload(std::int64_t now) {
        if (fabric_up_) return {};
        if (now < reload_end_) {
            time_->wake_at(std::min(reload_end_, load_deadline_));
            return {};
        }
        if (reload_error_) {
            slot_.step = static_cast<std::uint32_t>(SlotStep::idle);
            return fail(Fault::io, "device {}: {}", id_, reload_error_);
        }
        slot_.fabric.free_not_before(reload_end_);
        slot_.loads.fetch_add(1);
        slot_.step = static_cast<std::uint32_t>(SlotStep::loaded);
        fabric_up_ = true;
        time_->sleep();
        return {};
    }

    // When the chunk is due, and what goes wrong with it; false: it does not even start.
    bool start(Chunk& chunk) {
        chunk.submitted = time_->now_ns();
        auto came = std::min(std::exchange(came_at_, never), chunk.submitted);
        if (chunks_.size() + 1 == depth_) came = std::max(came, room_from_);
        const auto fault = memory_.next(EmulatedFault::Occasion::chunk);
        if (fault && fault->kind == EmulatedFault::Kind::dma_start) {
            slot_.step = static_cast<std::uint32_t>(SlotStep::stuck);
            return false;
        }
        chunk.due = slot_.fabric.take(came, interval_) - interval_ + latency_;
        if (fault && fault->kind == EmulatedFault::Kind::freeze) {
            const auto thaw = chunk.submitted + fault->freeze_ms * 1'000'000;
            chunk.due += fault->freeze_ms * 1'000'000;
            slot_.fabric.free_not_before(thaw + interval_);
            for (auto* shared : {&memory_->processor, &memory_->way_in, &memory_->way_out})
                shared->free_not_before(thaw);
        }
        if (fault && fault->kind == EmulatedFault::Kind::stuck) slot_.step = static_cast<std::uint32_t>(SlotStep::stuck);
        if (fault && fault->kind == EmulatedFault::Kind::dma) chunk.due = never;
        chunk.wrong = fault && fault->kind == EmulatedFault::Kind::wrong;
        if (slot_.step == static_cast<std::uint32_t>(SlotStep::stuck)) chunk.due = never;
        return true;
    }

    void wake_for(const Chunk& chunk) {
        const auto at = std::min(chunk.due, chunk.deadline);
        if (at == never || (time_->now_ns() >= chunk.due && chunk.deadline == never)) return time_->sleep();  // the worker wakes us
        time_->wake_at(time_->now_ns() >= chunk.due ? chunk.deadline : at);
    }

    Result<std::optional<std::uint64_t>> hand_out(std::int64_t now) {
        auto chunk = std::move(chunks_.front());
        chunks_.pop_front();
        due_at_ = chunk.due;
        room_from_ = std::max(chunk.due, taken_from_);
        if (chunks_.empty()) {
            time_->sleep();
        } else {
            wake_for(chunks_.front());
        }
        const auto& results = chunk.work->results;
        if (!chunk.work->end) return fail(chunk.work->end.error());
        if (results.size() != chunk.outputs.size())
            return fail(Fault::invalid_input, "the stage has {} outputs, and got {}", results.size(), chunk.outputs.size());
        for (std::size_t i = 0; i < results.size(); ++i) {
            if (results[i].size() != chunk.outputs[i].size())
                return fail(Fault::invalid_input, "output {} takes {} bytes, not {}", i, results[i].size(), chunk.outputs[i].size());
            std::ranges::copy(results[i], chunk.outputs[i].begin());
        }
        if (chunk.wrong && !chunk.outputs.front().empty()) chunk.outputs.front().front() ^= std::byte{1};
        if (now > room_from_ + tolerance().count()) ++counts_.late;
        return chunk.tag;
    }

    std::string id_;
    BoardMemory memory_;
    BoardMemory::Slot& slot_;
    std::unique_ptr<EmulatedTime> time_;
    std::string name_;  // of the overlay; "": none
    std::int64_t latency_ = 0, interval_ = 1;
    std::size_t depth_ = 2;
    bool up_ = false;         // both halves of loading are over
    bool fabric_up_ = false;  // this one is; the worker has the other
    std::int64_t reload_end_ = never, load_deadline_ = never;
    const char* reload_error_ = nullptr;  // in which the reload ends
    std::int64_t came_at_ = never;        // the next chunk; never: now
    std::int64_t due_at_ = 0;             // the last one that was handed out
    std::int64_t taken_from_ = 0;         // before that nobody had room for results
    std::int64_t room_from_ = 0;          // when the last one left, or would have
    std::deque<Chunk> chunks_;            // the oldest first
    DeviceCounts counts_;
    StageWorker worker_;
    OwnedFd news_;  // an epoll descriptor over the clock and the worker
};

}  // namespace

Result<> check_fits(const Hardware& build, const BoardFigures& figures) {
    std::vector<std::string> lacking;
    for (std::size_t i = 0; i < resource_names.size(); ++i) {
        const auto need = build.resources.find(resource_names[i]);
        if (need == build.resources.end() || need->second <= figures.resources[i]) continue;
        lacking.push_back(fmt::format("{} {} of {} ({} too many)", need->second, resource_names[i], figures.resources[i],
                                      need->second - figures.resources[i]));
    }
    if (lacking.empty()) return {};
    return fail(Fault::refused, "it does not fit into {} of a {}: it takes {}; fold it more, or cut the network into more stages",
                figures.slots > 1 ? "a slot" : "the fabric", figures.title.data(), fmt::join(lacking, ", "));
}

std::unique_ptr<Device> make_emulated_device(std::string id, std::uint32_t slot, BoardMemory memory,
                                             std::unique_ptr<Device> computes, std::unique_ptr<EmulatedTime> time) {
    return std::make_unique<EmulatedDevice>(std::move(id), slot, std::move(memory), std::move(computes), std::move(time));
}

Result<std::unique_ptr<Device>> open_emulated_device(const DeviceAccess& access) {
    auto memory = BoardMemory::attach(access.fd);
    if (!memory) return fail_in("device " + access.id, memory.error());
    if (access.slot >= memory->figures().slots)
        return fail(Fault::invalid_input, "device {} has {} slots, and no slot {}", access.id, memory->figures().slots, access.slot);
    auto soft = open_soft_device(access.id);
    if (!soft) return fail(soft.error());
    return make_emulated_device(access.id, access.slot, std::move(*memory), std::move(*soft), make_real_time());
}

}  // namespace fard
