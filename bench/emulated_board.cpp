#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include <algorithm>
#include <filesystem>

#include "bench/emulated.hpp"
#include "bench/measure.hpp"
#include "client/client_pacer.hpp"
#include "model/model.hpp"
#include "overlays/emulated/board_memory.hpp"
#include "overlays/package/package.hpp"
#include "tests/jobs/driven_job.hpp"
#include "tests/scratch_dir.hpp"

namespace fard::bench {
namespace {

using testing::DrivenJob;

// The fully connected layers of CnvW2A2, with these times.
Result<Package> package_of(const std::filesystem::path& directory, std::int64_t latency_cycles, std::int64_t interval_cycles) {
    const auto network = model::Model::load(std::filesystem::path(FARD_SOURCE_ROOT) / "apps/two_stage_bnn/cnv_w2a2.onnx");
    if (!network) return fail(network.error());
    const auto stages = model::cut(*network, {{"Threshold_conv_5"}});
    if (!stages) return fail(stages.error());
    Manifest manifest;
    manifest.name = "classifier";
    manifest.inputs = stages->at(1).inputs;
    manifest.outputs = stages->at(1).outputs;
    auto& build = manifest.hardware.emplace_back();
    build.clock_mhz = 100;
    build.latency_cycles = latency_cycles;
    build.interval_cycles = interval_cycles;
    return Package::write(directory, std::move(manifest), {{"stage.onnx", stages->at(1).onnx}});
}

// The stage job of a board, with a source and a sink at its two links.
class Board {
  public:
    Board(BoardMemory memory, const Package& package)
        : memory_(std::move(memory)),
          client_({static_cast<std::uint64_t>(std::llround(memory_.figures().way_ns_per_byte * 1e3)),
                   static_cast<std::uint64_t>(memory_.figures().way_latency_ns)}),
          package_(package) {}

    Result<> start() {
        auto job = DrivenJob::start(FARD_STAGE_JOB, {{job_device_fd, memory_.fd()}, {job_board_fd, memory_.fd()}});
        if (!job) return fail(job.error());
        job_.emplace(std::move(*job));
        auto config = testing::copy_config(0, 1, package_.manifest.inputs, "ipc", scratch_.path().string(), 64 << 10);
        config.spec.spec.program = "stage";
        config.spec.spec.overlay = package_.id;
        config.spec.spec.outputs = package_.manifest.outputs;
        config.spec.device = "fabric0";
        config.device_kind = "emulated";
        config.descriptors = job_has_device | job_has_board;
        config.package_dir = package_.dir;
        if (auto told = job_->tell(config); !told) return told;
        const auto up = job_->hear<wire::JobUp>();
        if (!up) return fail(up.error());
        inputs_ = {config.job.run, config.job.epoch, package_.manifest.inputs, package_.id, 1, config.link_bytes};
        outputs_ = inputs_;
        outputs_.tensors = package_.manifest.outputs;
        auto sink = LinkReceiver::bind(sockets_, "ipc:" + scratch_.path().string(), outputs_, &client_);
        if (!sink) return fail(sink.error());
        sink_.emplace(std::move(*sink));
        if (auto told = job_->tell(wire::JobConnect{{sink_->endpoint()}, {}}); !told) return told;
        auto source = LinkSender::connect(sockets_, up->links.at(0), inputs_, "coordinator", &client_);
        if (!source) return fail(source.error());
        source_.emplace(std::move(*source));
        while (!source_->open())
            pause();
        const auto linked = job_->hear<wire::JobLinked>();
        return linked ? Result<>() : fail(linked.error());
    }

    // As many chunks as the links take; returns when the next result has arrived.
    Result<> next(std::uint64_t sent_at_most) {
        for (;;) {
            source_->flush_paced();
            while (index_ < sent_at_most && send()) {
            }
            Chunk result;
            const auto received = sink_->receive(result);
            if (!received) return fail(received.error());
            if (*received) return sink_->taken(), Result<>();
            sink_->flush_credit();
            source_->poll_credit();
            pause();
        }
    }

    std::uint64_t sent() const { return index_; }

    Result<wire::JobStats> end() {
        if (auto told = job_->tell(wire::JobDrain{}); !told) return fail(told.error());
        const auto drained = job_->hear<wire::JobDrained>();
        if (!drained) return fail(drained.error());
        return drained->stats;
    }

    // What the links add to a chunk's way through the device, in milliseconds, when nothing waits for anything.
    double links_ms() const {
        const auto& figures = memory_.figures();
        const auto bytes = static_cast<double>(inputs_.chunk_bytes() + outputs_.chunk_bytes());
        const double ways = bytes * figures.way_ns_per_byte + 4 * static_cast<double>(figures.way_latency_ns);
        const double host = bytes * figures.host_ns_per_byte + 2 * static_cast<double>(figures.host_ns_per_chunk);
        return (ways + host) / 1e6;
    }

  private:
    bool send() {
        Chunk chunk;
        chunk.index = index_;
        for (const auto& tensor : inputs_.tensors)
            chunk.tensors.emplace_back(static_cast<std::size_t>(tensor.wire_bytes()));
        chunk.trace.resize(1);
        if (!source_->send(chunk)) return false;
        ++index_;
        return true;
    }

    void pause() {
        constexpr Duration longest = std::chrono::milliseconds(5);
        const auto until = earlier(source_->paced_until(), sink_->paced_until());
        const auto left = until == TimePoint{} ? longest : std::clamp<Duration>(until - BenchClock::now(), Duration::zero(), longest);
        pollfd polled[] = {{sink_->fd(), POLLIN, 0}, {source_->credit_fd(), POLLIN, 0}};
        const timespec patience{.tv_sec = 0, .tv_nsec = static_cast<long>(left.count())};
        ::ppoll(polled, 2, &patience, nullptr);
    }

    ScratchDir scratch_;
    BoardMemory memory_;
    ClientPacer client_;
    const Package& package_;
    SocketFactory sockets_{Identity::local()};
    std::optional<DrivenJob> job_;
    LinkTerms inputs_, outputs_;
    std::optional<LinkSender> source_;
    std::optional<LinkReceiver> sink_;
    std::uint64_t index_ = 0;
};

double ms_since(BenchClock::time_point time) {
    return std::chrono::duration<double, std::milli>(BenchClock::now() - time).count();
}

}  // namespace

Result<std::vector<Row>> measure_board(const BoardProfile& profile, std::int64_t latency_cycles, std::int64_t interval_cycles,
                                       int chunks) {
    ::prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
    const ScratchDir scratch;
    const auto package = package_of(scratch.path() / "package", latency_cycles, interval_cycles);
    if (!package) return fail(package.error());
    auto memory = BoardMemory::make(profile, {});
    if (!memory) return fail(memory.error());
    Board board(std::move(*memory), *package);
    if (auto started = board.start(); !started) return fail(started.error());
    constexpr int warm = 20;
    std::vector<double> intervals, latencies;
    auto last = BenchClock::now();
    for (int done = 0; done < warm + chunks; ++done) {
        if (auto came = board.next(static_cast<std::uint64_t>(warm + chunks)); !came) return fail(came.error());
        if (done >= warm) intervals.push_back(ms_since(last));
        last = BenchClock::now();
    }
    for (int done = 0; done < chunks; ++done) {
        const auto begun = BenchClock::now();
        if (auto came = board.next(board.sent() + 1); !came) return fail(came.error());
        latencies.push_back(ms_since(begun));
    }
    const auto stats = board.end();
    if (!stats) return fail(stats.error());
    const auto name = fmt::format("board, {:g} and {:g} ms, ", static_cast<double>(latency_cycles) / 1e5,
                                  static_cast<double>(interval_cycles) / 1e5);
    return std::vector<Row>{
        {name + "interval", "ms", median(intervals), static_cast<double>(interval_cycles) / 1e5, 0.01, 0.2},
        {name + "latency", "ms", median(latencies), static_cast<double>(latency_cycles) / 1e5 + board.links_ms(), 0.01, 0.2},
        {name + "late chunks", "of all", static_cast<double>(stats->late) / static_cast<double>(stats->chunks), 0, 0, 0.01}};
}

}  // namespace fard::bench
