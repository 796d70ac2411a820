#include "overlays/zynq/zynq_device.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <deque>

#include "base/owned_fd.hpp"
#include "overlays/device/background.hpp"
#include "overlays/package/files.hpp"
#include "overlays/zynq/fabric.hpp"

namespace fard::zynq {
namespace {

using namespace std::chrono_literals;

struct Chunk {
    std::uint64_t tag;
    std::vector<MutableBytes> outputs;
    TimePoint deadline;
};

// A descriptor that is readable from a moment on.
class Wake {
  public:
    Wake() : fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {}
    int fd() const { return fd_.get(); }
    void after(Duration delay) {
        const auto nanoseconds = std::max<std::int64_t>(delay.count(), 1);
        itimerspec at{};
        at.it_value = {static_cast<time_t>(nanoseconds / 1'000'000'000), static_cast<long>(nanoseconds % 1'000'000'000)};
        ::timerfd_settime(fd_.get(), 0, &at, nullptr);
    }
    void never() {
        const itimerspec none{};
        ::timerfd_settime(fd_.get(), 0, &none, nullptr);
    }

  private:
    OwnedFd fd_;
};

// Readable when one of several descriptors is.
class AnyOf {
  public:
    AnyOf() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {}
    int fd() const { return fd_.get(); }
    void add(int fd) {
        epoll_event event{.events = EPOLLIN, .data = {}};
        ::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event);
    }
    void remove(int fd) { ::epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr); }

  private:
    OwnedFd fd_;
};

class ZynqDevice final : public Device {
  public:
    ZynqDevice(Host& host, Loader& loader, ZynqOptions options)
        : host_(host), loader_(loader), options_(std::move(options)) {
        news_.add(background_.fd());
        news_.add(wake_.fd());
    }
    ~ZynqDevice() override {
        rest();
        loader_.release();
    }

    DeviceInfo info() const override {
        return {options_.id, "zynq", 1, fmt::format("{}, through Linux's FPGA manager", options_.part), options_.part};
    }

    Result<> load(const Package& package, TimePoint deadline) override {
        const bool anew = stuck_;
        drop();
        loading_ = true;
        return background_.begin([this, package, anew, deadline] { return make_ready(package, anew, deadline); });
    }

    Result<bool> loaded() override {
        if (loading_) {
            auto ended = background_.end();
            if (!ended) return false;
            loading_ = false;
            if (!*ended) {
                accelerator_.reset();
                return fail(ended->error());
            }
            stuck_ = false;
            interrupts_ = accelerator_->interrupt_fds();
            for (const int fd : interrupts_) news_.add(fd);
        }
        return accelerator_ != nullptr;
    }

    std::string waits_for() const override { return loading_ ? "the fabric to be programmed" : ""; }

    // Nobody takes what the fabric holds for loaded any more.
    void unload() override {
        rest();
        static_cast<void>(loader_.unload());
    }

    void let_go() override {  // the fabric keeps its overlay
        rest();
        loader_.release();
    }

    // So that the set that is filled has always room for one more: while it is full, another one runs.
    std::size_t depth() const override { return options_.max_batch + 1; }

    Result<> submit(std::uint64_t tag, std::span<const Bytes> inputs, std::span<const MutableBytes> outputs,
                    TimePoint deadline) override {
        if (loading_ || !accelerator_) return fail(Fault::refused, "device {} has no overlay loaded", options_.id);
        if (stuck_) return fail(Fault::timed_out, "device {} is stuck: {}", options_.id, why_stuck_);
        if (running_.size() + filling_.size() + finished_.size() >= depth())
            return fail(Fault::refused, "device {} holds {} chunks already", options_.id, depth());
        if (!accelerator_->fits(inputs, outputs))
            return fail(Fault::corrupt, "a chunk's tensors do not have the sizes that the overlay of device {} takes", options_.id);
        accelerator_->put(fill_set_, filling_.size(), inputs);
        filling_.push_back({tag, {outputs.begin(), outputs.end()}, deadline});
        if (running_.empty()) start_next();
        return {};
    }

    Result<std::optional<std::uint64_t>> complete() override {
        if (finished_.empty() && running_.empty() && !stuck_) return fail(Fault::refused, "device {} holds no chunk", options_.id);
        if (finished_.empty() && !stuck_) look();
        if (!finished_.empty()) {
            const auto tag = finished_.front();
            finished_.pop_front();
            wake_again();
            return tag;
        }
        if (stuck_) return fail(Fault::timed_out, "device {} is stuck: {}", options_.id, why_stuck_);
        return std::nullopt;
    }

    int ready_fd() const override { return news_.fd(); }
    DeviceCounts counts() const override { return {reloads_, 0}; }

  private:
    static constexpr Duration quiet_limit = 200ms;
    static constexpr Duration interrupt_slack = 5ms;  // until the registers are looked at although no interrupt came

    // A run that goes on is waited for, as long as a run takes: what comes next must not share its memory with it.
    void rest() {
        if (std::exchange(loading_, false)) background_.wait();
        if (accelerator_ && !running_.empty() && !is_quiet(*accelerator_, host_.now() + quiet_limit))
            static_cast<void>(loader_.unload());
        drop();
    }

    // On the background's thread, which alone uses host, loader and accelerator until it ends.
    Result<> make_ready(const Package& package, bool anew, TimePoint deadline) {
        const auto* build = build_for(package.manifest, options_.part, options_.accepted_parts);
        if (!build)
            return fail(Fault::unsupported, "package {} has no build for this board's part {}: name one that has in the app file "
                        "(overlay = \"...\" of its position), or let the position run on a CPU (device = \"soft\")",
                        package.manifest.name, options_.part);
        expected_ = expected_time(*build);
        for (;; anew = true) {
            const auto access = loader_.load(package, anew);
            if (!access) return fail(access.error());
            if (access->programmed) ++reloads_;
            auto opened = Accelerator::open(*access, *build, package.manifest.inputs, package.manifest.outputs, options_.max_batch,
                                            [&](const std::string& name) { return read_regular_file(package.dir / name, max_weights); },
                                            host_, deadline);
            if (!opened) {
                static_cast<void>(loader_.unload());
                return fail(opened.error());
            }
            // Another job may have ended in the middle of a run.
            if (!access->programmed && !is_quiet(**opened, host_.now() + quiet_limit)) {
                if (anew) return fail(Fault::timed_out, "the accelerator's DMAs do not come to rest ({})", (*opened)->registers_text());
                continue;
            }
            accelerator_ = std::move(*opened);
            return {};
        }
    }

    struct Expected {
        Duration first{0}, each{0};  // of a batch: its first chunk, and each further one
    };
    static Expected expected_time(const Hardware& build) {
        if (build.clock_mhz <= 0) return {};
        const auto time = [&](std::int64_t cycles) {
            return Duration(static_cast<std::int64_t>(static_cast<double>(cycles) * 1e3 / build.clock_mhz));
        };
        return {time(build.latency_cycles), time(build.interval_cycles)};
    }

    bool is_quiet(Accelerator& accelerator, TimePoint until) {
        for (;;) {
            if (const auto over = accelerator.done(); !over || *over) return over.has_value();
            if (host_.now() >= until) return false;
            host_.pause(100us);
        }
    }

    void start_next() {
        if (filling_.empty()) return;
        if (const auto started = accelerator_->start(fill_set_, filling_.size()); !started) return give_up(started.error().message);
        running_ = std::exchange(filling_, {});
        running_set_ = fill_set_;
        fill_set_ = (fill_set_ + 1) % Accelerator::sets;
        started_ = host_.now();
        const auto expected = expected_.first + expected_.each * (static_cast<std::int64_t>(running_.size()) - 1);
        wake_.after(interrupts_tell_ ? expected + interrupt_slack : expected);
    }

    // One look at the registers: after an interrupt, or after a while, for an interrupt may not be wired to the processor.
    void look() {
        if (!interrupts_.empty() && accelerator_->take_interrupts()) interrupts_tell_ = true;
        const auto over = accelerator_->done();
        if (!over) return give_up(over.error().message);
        const auto now = host_.now();
        if (!*over) {
            const auto first = std::ranges::min(running_, {}, &Chunk::deadline).deadline;
            if (now >= first)
                return give_up(fmt::format("a run of {} chunks did not end in {} ms (control registers: {})", running_.size(),
                                           std::chrono::duration_cast<std::chrono::milliseconds>(now - started_).count(),
                                           accelerator_->registers_text()));
            wake_.after(interrupts_tell_ ? interrupt_slack : std::clamp<Duration>((now - started_) / 8, 20us, 1ms));
            return;
        }
        for (std::size_t i = 0; i < running_.size(); ++i) {
            accelerator_->take(running_set_, i, running_[i].outputs);
            finished_.push_back(running_[i].tag);
        }
        running_.clear();
        start_next();
    }

    void wake_again() {
        if (!finished_.empty() || stuck_) wake_.after(Duration(1));
        else if (running_.empty()) wake_.never();
    }

    void give_up(std::string why) {
        stuck_ = true;
        why_stuck_ = std::move(why);
        wake_.after(Duration(1));
    }

    void drop() {
        for (const int fd : std::exchange(interrupts_, {})) news_.remove(fd);
        interrupts_tell_ = false;
        accelerator_.reset();
        running_.clear();
        filling_.clear();
        finished_.clear();
        wake_.never();
    }

    static constexpr std::uint64_t max_weights = std::uint64_t{256} << 20;
    Host& host_;
    Loader& loader_;
    ZynqOptions options_;
    Background background_;
    bool loading_ = false;
    bool stuck_ = false;
    std::string why_stuck_;
    std::unique_ptr<Accelerator> accelerator_;
    Expected expected_;
    std::vector<Chunk> filling_, running_;
    std::deque<std::uint64_t> finished_;
    int fill_set_ = 0, running_set_ = 0;
    TimePoint started_;
    Wake wake_;
    AnyOf news_;                   // background_, wake_ and the interrupts
    std::vector<int> interrupts_;  // of the accelerator
    bool interrupts_tell_ = false;  // one has come
    std::uint64_t reloads_ = 0;
};

}  // namespace

std::unique_ptr<Device> make_zynq_device(Host& host, Loader& loader, ZynqOptions options) {
    return std::make_unique<ZynqDevice>(host, loader, std::move(options));
}

}  // namespace fard::zynq
