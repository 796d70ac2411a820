#include "jobs/container.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/park.hpp"
#include "base/process.hpp"
#include "jobs/container_tools.hpp"
#include "runtime/peer/codec.hpp"

namespace fard {

namespace {

constexpr std::uint64_t at_once_ns =
    3000;  // longer than pushing a chunk and taking one that is there, shorter than waiting for one
constexpr std::uint64_t credit_interval_ns = 20'000'000;  // between credits for less than half a window
constexpr std::chrono::milliseconds credit_retry{20};     // where a credit finds no connection
constexpr std::chrono::milliseconds look_at_least{100};   // between looks while there is nothing to do
constexpr std::uint64_t link_look_interval_ns = 50'000'000;
// From a link's loss until the job ends itself. What tore the link may be the run's orderly end, or the end of the
// neighbour, whose node manager knows more about the cause.
constexpr std::uint64_t broken_grace_ns = 250'000'000;

// A job with keys makes its own, so that no secret ever travels. They end with it.
Identity identity_of(std::uint8_t security) {
    if (security == 2) {
        hide_memory();
        return Identity::keyed(KeyPair::make(), nullptr);
    }
    return security == 1 ? Identity::insecure() : Identity::local();
}

// What went wrong with the device or the machine may go well elsewhere; all else would go wrong there, too.
bool of_the_device(Fault fault) {
    return fault == Fault::io || fault == Fault::timed_out || fault == Fault::unreachable;
}

JobConfig config_of(const wire::JobConfig& message) {
    const auto& spec = message.spec;
    JobConfig config{.run = message.job.run,
                     .epoch = message.job.epoch,
                     .app = message.app,
                     .board = message.board,
                     .name = spec.spec.name};
    config.pipeline = {spec.position, spec.positions, spec.replica, spec.spec.replicas,
                       static_cast<std::uint32_t>(spec.spec.parts.size())};
    config.inputs = spec.spec.inputs;
    config.outputs = spec.spec.outputs;
    config.params = spec.spec.params;
    config.package_dir = message.package_dir;
    config.device_id = spec.device;
    config.device_kind = message.device_kind;
    config.slot = message.slot;
    if (message.descriptors & job_has_device) config.device_fd = job_device_fd;
    config.turns = spec.turns;
    return config;
}

}  // namespace

Container::Container(ControlChannel control, JobPage& page, std::unique_ptr<Job> job, Parked parked)
    : control_(std::move(control)),
      interrupts_(control_.fd()),
      page_(page),
      job_(std::move(job)),
      parked_(parked) {}

int Container::run() {
    const auto lived = live();
    if (lived) return 0;
    fmt::print(stderr, "{}\n", lived.error().message);
    const wire::JobFailed failed{lived.error().message, static_cast<std::uint8_t>(lived.error().fault)};
    return control_.tell(failed) ? 3 : 1;  // nobody hears it if the node manager is gone
}

Result<> Container::live() {
    const auto message = await_config();
    if (!message) return fail(message.error());
    if (auto bound = bind_links(*message); !bound) return bound;
    if (auto configured = configure(); !configured) return configured;
    if (auto pumped = config_.turns ? pump_turns() : conveyor_ ? pump_device() : pump(); !pumped) return pumped;
    return control_.tell(wire::JobDrained{totals()});
}

wire::JobStats Container::totals() const {
    auto totals = stats_;
    totals.late = pacer_ ? std::min(pacer_->late(), totals.chunks) : 0;
    totals.reloads = conveyor_ ? conveyor_->reloads() : 0;
    return totals;
}

// ---- from the start to the first chunk

Result<wire::JobConfig> Container::await_config() {
    for (;;) {
        auto message = control_.hear(std::chrono::hours(1));
        if (!message) return fail(message.error());
        if (!*message) continue;
        if (auto* config = (**message).as<wire::JobConfig>()) return std::move(*config);
        return fail(Fault::failed, "the first message to a job is JOB_CONFIG, not {}",
                    wire::name_of(**message));
    }
}

Result<> Container::bind_links(const wire::JobConfig& message) {
    config_ = config_of(message);
    sockets_.emplace(identity_of(message.security));
    in_ = {.run = config_.run,
           .epoch = config_.epoch,
           .tensors = config_.inputs,
           .overlay = message.spec.spec.overlay,
           .positions = config_.pipeline.positions,
           .budget_bytes = message.link_bytes};
    out_ = in_;
    out_.tensors = config_.outputs;
    chunk_bytes_out_ = wire_bytes(out_.tensors);
    sizes_out_ = out_.tensor_bytes();
    if (config_.pipeline.position >= config_.pipeline.positions)
        return fail(Fault::failed, "there is no position {} in a pipeline of {}", config_.pipeline.position,
                    config_.pipeline.positions);
    if (auto paced = keep_pace(message); !paced) return paced;
    wire::JobUp up;
    up.parking = parked_.allowed ? parking_version : 0;
    up.prepares = parked_.allowed && parked_.prepares;
    if (auto bound = bind_inlet(message, up); !bound) return bound;
    turn_ = TurnState(message.spec.reserves);
    if (message.spec.room > 0) {
        inlet_.reserve(message.spec.room - std::min(message.spec.room, in_.window()));
        uncredited_ = true;
    }
    if (message.spec.to_each)
        to_ = Outlet::To::each;
    else if (message.spec.spread > 0 || !message.spec.spec.parts.empty())
        to_ = Outlet::To::by_index;
    spread_ = {message.spec.spread, message.spec.spread_from};
    return control_.tell(up);
}

// A thread's timers are late by its slack, which is too much for links that count in microseconds, and by what else the machine
// does: an emulated fabric computes on a thread of its own, so this one may go before others. Where it must not, chunks are late
// more often, and are counted.
Result<> Container::keep_pace(const wire::JobConfig& message) {
    if (!(message.descriptors & job_has_board)) return {};
    constexpr unsigned long slack_ns = 1000;
    auto memory = BoardMemory::attach(job_board_fd);
    if (!memory) return fail(memory.error());
    pacer_ = std::make_unique<BoardPacer>(std::move(*memory));
    ::prctl(PR_SET_TIMERSLACK, slack_ns, 0, 0, 0);
    if (message.device_kind == "emulated") run_before_others();
    return {};
}

Result<> Container::bind_inlet(const wire::JobConfig& message, wire::JobUp& up) {
    const auto& joins = message.spec.joins;
    if (!joins.empty() && joins.size() != message.spec.senders)
        return fail(Fault::failed, "{} parts are to be joined of {} senders", joins.size(), message.spec.senders);
    std::vector<LinkReceiver> receivers;
    for (std::uint32_t i = 0; i < message.spec.senders; ++i) {
        auto terms = in_;
        if (!joins.empty()) terms.tensors = joins[i].outputs;
        auto receiver = LinkReceiver::bind(*sockets_, message.link_transport + ":" + message.link_place, std::move(terms), pacer_.get());
        if (!receiver) return fail(receiver.error());
        up.links.push_back(receiver->endpoint());
        receivers.push_back(std::move(*receiver));
    }
    if (joins.empty()) {
        inlet_ = Inlet(std::move(receivers));
        return {};
    }
    auto channels = ChannelJoin::make(joins, in_.tensors);
    if (!channels) return fail(channels.error());
    inlet_ = Inlet(std::move(receivers), std::move(*channels));
    return {};
}

Result<> Container::configure() {
    load_began_ = now_ = monotonic_ns();
    auto configured = guarded("parse_config", [&] { return job_->parse_config(config_); });
    if (!configured) return configured;
    conveyor_ = job_->conveyor();
    if (conveyor_ && !config_.turns) return {};  // it has begun to load
    stats_.load_ns = monotonic_ns() - load_began_;
    show<std::uint64_t>(page_.step, 1);
    return {};
}

Result<> Container::connect(const wire::JobConnect& message) {
    if (!outlet_.empty()) return {};  // a repeated JOB_CONNECT
    for (std::size_t i = 0; i < inlet_.size() && i < message.senders.size(); ++i)
        inlet_.admit(i, message.senders[i]);
    std::vector<LinkSender> senders;
    const auto name = fmt::format("{}/{}", config_.pipeline.position, config_.pipeline.replica);
    for (const auto& endpoint : message.receivers) {
        auto sender = LinkSender::connect(*sockets_, endpoint, out_, name, pacer_.get());
        if (!sender) return fail(sender.error());
        senders.push_back(std::move(*sender));
    }
    outlet_ = Outlet(std::move(senders), to_, spread_);
    return {};
}

Result<> Container::settle_links() {
    const bool all_out = !outlet_.empty() && outlet_.open(), all_in = inlet_.opened();
    show(page_.unopened, inlet_.unopened());
    links_settled_ = all_out && all_in;
    if (linked_ || !all_in) return {};
    linked_ = true;
    show<std::uint64_t>(page_.step, 2);
    return control_.tell(wire::JobLinked{});
}

Result<> Container::obey(const wire::Body& message) {
    if (const auto* connected = message.as<wire::JobConnect>()) return connect(*connected);
    if (message.is<wire::JobDrain>()) {
        draining_ = true;
    } else if (const auto* turn = message.as<wire::JobTurn>(); turn && config_.turns) {
        return take_turn(*turn);
    } else {
        fmt::print(stderr, "dropped a {} of the node manager\n", wire::name_of(message));
    }
    return {};
}

Result<> Container::look_around() {
    look_due_ = false;
    last_look_ = now_ = monotonic_ns();
    realtime_offset_ = read_clock(CLOCK_REALTIME) - now_;
    show(page_.looked_ns, now_);
    interrupts_.after(look_at_least);
    for (;;) {
        const auto message = control_.hear(Duration::zero());
        if (!message && message.error().fault == Fault::unsupported) {
            fmt::print(stderr, "dropped a message of the node manager: {}\n", message.error().message);
            continue;
        }
        if (!message) return fail(message.error());
        if (!*message) return draining_ ? Result<>() : look_at_links();
        if (auto obeyed = obey(**message); !obeyed) return obeyed;
    }
}

// A link whose connection broke may have lost chunks, although libzmq connects again: the run is wired anew.
Result<> Container::look_at_links() {
    if (broken_.empty() && now_ - last_link_look_ < link_look_interval_ns) return {};
    last_link_look_ = now_;
    if (const auto lost = inlet_.lost(); lost && broken_.empty()) broken_ = "from " + inlet_.link(*lost).from();
    if (const auto lost = outlet_.lost(); lost && broken_.empty())
        broken_ = config_.pipeline.position + 1 == config_.pipeline.positions
                      ? "to the coordinator"
                      : fmt::format("to {}/{}", config_.pipeline.position + 1, *lost);
    if (broken_.empty()) return {};
    if (broken_since_ == 0) broken_since_ = now_;
    if (now_ - broken_since_ < broken_grace_ns) return {};
    return fail(Fault::unreachable, "the connection of its link {} broke", broken_);
}

// ---- chunks

Result<> Container::pump() {
    for (;;) {
        if (look_due_ || now_ - last_look_ >= look_interval_ns)
            if (auto looked = look_around(); !looked) return looked;
        if (draining_) return {};
        if (pacer_) outlet_.flush_paced();
        if (!holding_) {
            const auto taken = take();
            if (!taken) return fail(taken.error());
            if (!links_settled_)
                if (auto settled = settle_links(); !settled) return settled;
            if (!*taken) {
                if (!look_due_) wait_for_input();
                continue;
            }
            if (auto computed = compute(); !computed) return computed;
        }
        if (!push()) wait_for_credit();
    }
}

Result<bool> Container::take() {
    // Replicas tell their senders at once when they are about to be idle, so they do not wait here.
    const bool from_one = inlet_.size() == 1 && links_settled_ && config_.pipeline.replicas == 1 && !pacer_;
    waited_for_ = false;
    if (streaming_ || !from_one) {
        const auto taken = inlet_.receive(chunk_);
        if (!taken || *taken) return taken;
    }
    return from_one ? await_chunk() : false;
}

template <typename Wait>
void Container::wait(Wait wait) {
    if (uncredited_) credit_due();
    const auto start = now_;
    if (interrupts_.begin()) wait();
    interrupts_.end();
    now_ = monotonic_ns();
    stats_.wait_ns += now_ - start;
    show(page_.wait_ns, stats_.wait_ns);
    if (!interrupts_.take()) return;
    look_due_ = true;
    flush_credits();
}

// Waiting in libzmq costs two system calls less than looking in vain and polling for it.
Result<bool> Container::await_chunk() {
    Result<bool> taken = false;
    const auto before = stats_.wait_ns;
    wait([&] { taken = inlet_.await(chunk_); });
    streaming_ = stats_.wait_ns - before < at_once_ns;
    waited_for_ = !streaming_;
    return taken;
}

// On this thread: process(), or a device that is none of its own.
Result<Chunk> Container::work(Chunk chunk) {
    if (!conveyor_) return guarded("process", [&] { return job_->process(std::move(chunk)); });
    return guarded("the device", [&]() -> Result<Chunk> {
        if (auto put = conveyor_->put(std::move(chunk)); !put) return fail(put.error());
        for (;;) {
            auto result = conveyor_->take();
            if (!result) return fail(result.error());
            if (*result) return std::move(**result);
        }
    });
}

Result<> Container::compute() {
    const auto index = chunk_.index;
    auto header = std::move(chunk_.header);
    auto trace = std::move(chunk_.trace);
    const auto started =
        now_;  // and received: read after the wait for it, or when the one before was finished
    show(page_.busy_index, index);
    page_.busy_since_ns.store(started, std::memory_order_release);
    auto result = work(std::move(chunk_));
    if (result) result->since = {};
    now_ = monotonic_ns();
    page_.busy_since_ns.store(0, std::memory_order_relaxed);
    stats_.compute_ns += now_ - started;
    return finish(std::move(result), index, std::move(header), std::move(trace), started);
}

// A chunk's result, or what became of it, is now: it goes out.
Result<> Container::finish(Result<Chunk> result, std::uint64_t index, std::unique_ptr<Frame> header,
                           std::vector<TraceStamp> trace, Nanoseconds started) {
    if (!result)
        return fail(of_the_device(result.error().fault) ? result.error().fault : Fault::failed,
                    "{} ({}), chunk {}: {}", config_.name, config_.app, index, result.error().message);
    chunk_ = std::move(*result);
    if (!fits_out()) return fail_in("the result of process", out_.check(chunk_).error());
    chunk_.index = index;
    chunk_.header = std::move(header);
    chunk_.trace = std::move(trace);
    chunk_.trace[config_.pipeline.position] = {started + realtime_offset_, started + realtime_offset_, now_ + realtime_offset_};
    show(page_.compute_ns, stats_.compute_ns);
    holding_ = true;
    return {};
}

// LinkTerms::check, with sizes that are known already.
bool Container::fits_out() const {
    return std::ranges::equal(chunk_.tensors, sizes_out_, {}, &Frame::size);
}

bool Container::push() {
    const bool waited = std::exchange(blocked_, false);
    if (pacer_ && waited) room_from_ = std::chrono::steady_clock::now();
    if (chunk_.since != TimePoint{}) chunk_.since = std::max(chunk_.since, room_from_);  // what waited for room goes on when there is some
    if (!outlet_.push(chunk_)) {
        blocked_ = true;
        return false;
    }
    holding_ = false;
    uncredited_ = true;
    inlet_.taken(waited_for_);
    stats_.bytes_out += chunk_bytes_out_;
    show(page_.bytes_out, stats_.bytes_out);
    show(page_.chunks, ++stats_.chunks);
    return true;
}

// ---- waiting

void Container::watch(int fd) {
    polled_.push_back({fd, POLLIN, 0});
}

void Container::wait_for_input() {
    polled_.clear();
    inlet_.waits_for([this](int fd) { watch(fd); });
    if (!links_settled_) outlet_.waits_for_opening([this](int fd) { watch(fd); });
    poll_watched(true);
}

void Container::wait_for_credit() {
    polled_.clear();
    outlet_.waits_for([this](int fd) { watch(fd); });
    poll_watched(false);
}

// Until a descriptor is readable, or what waits for the pacer is paid for.
void Container::poll_watched(bool wants_input) {
    const auto comes = pacer_ && wants_input ? inlet_.paced_until() : TimePoint{};
    const auto until = pacer_ ? earlier(outlet_.paced_until(), comes) : TimePoint{};
    if (until == TimePoint{}) return wait([this] { ::poll(polled_.data(), polled_.size(), -1); });
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= Duration::zero()) return;
    wait([this, left] {
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        const timespec patience{.tv_sec = static_cast<std::time_t>(seconds.count()), .tv_nsec = static_cast<long>((left - seconds).count())};
        ::ppoll(polled_.data(), polled_.size(), &patience, nullptr);
    });
}

// About to be idle with less than half a window taken and not told. With replicas it is told at once, for whoever
// chooses among them goes by it. Else nobody waits for it, and a timer for it would cost each wait a twentieth.
void Container::credit_due() {
    if (inlet_.credit_due() || config_.pipeline.replicas > 1 || now_ - last_credit_ >= credit_interval_ns) flush_credits();
}

void Container::flush_credits() {
    last_credit_ = now_;
    uncredited_ = !inlet_.flush_credit();
    if (uncredited_) interrupts_.after(credit_retry);
}

}  // namespace fard
