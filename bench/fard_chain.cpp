#include <poll.h>

#include "bench/chains.hpp"
#include "bench/measure.hpp"
#include "bench/on_core.hpp"
#include "runtime/peer/link.hpp"
#include "tests/jobs/driven_job.hpp"

namespace fard::bench {

namespace {

using testing::DrivenJob;

LinkTerms terms_of(const ChainSpec& spec) {
    const TensorDesc tensor{.name = "x",
                            .shape = {1, static_cast<std::int64_t>(spec.chunk_bytes)},
                            .layout = "NC",
                            .type = DataType::uint(8),
                            .declared = "UINT8"};
    LinkTerms terms{.run = {"00112233445566778899aabbccddeeff"},
                    .epoch = {1, 1},
                    .tensors = {tensor},
                    .overlay = "",
                    .positions = spec.processes,
                    .budget_bytes = 0};
    terms.budget_bytes = spec.window * terms.chunk_bytes();
    return terms;
}

void wait_readable(int fd) {
    pollfd polled{fd, POLLIN, 0};
    ::poll(&polled, 1, -1);
}

class FardChain final : public Chain {
  public:
    FardChain(SocketFactory& sockets, LinkTerms terms) : sockets_(sockets), terms_(std::move(terms)) {}

    Result<> start(const ChainSpec& spec);

    double throughput(std::chrono::nanoseconds span) override {
        return measure_throughput(
            span, [this] { send(); }, [this] { receive(); });
    }
    double latency(std::chrono::nanoseconds span) override {
        return measure_latency(
            span, [this] { send(); }, [this] { receive(); });
    }

  private:
    void send() {
        outgoing_.index = index_++;
        outgoing_.tensors.resize(1);
        outgoing_.tensors[0] = payload_.share();
        while (!source_->send(outgoing_))
            wait_readable(source_->blocked_fd());
    }

    void receive() {
        while (!sink_->await(incoming_).value()) {
        }
        sink_->taken();
    }

    SocketFactory& sockets_;
    LinkTerms terms_;
    std::vector<DrivenJob> jobs_;
    std::optional<LinkSender> source_;
    std::optional<LinkReceiver> sink_;
    Frame payload_{std::size_t{terms_.tensors[0].wire_bytes()}};
    Chunk outgoing_, incoming_;
    std::uint64_t index_ = 0;
};

Result<> FardChain::start(const ChainSpec& spec) {
    const auto place = spec.transport == "ipc" ? spec.directory : std::string("127.0.0.1");
    auto sink = LinkReceiver::bind(sockets_, spec.transport + ":" + place, terms_);
    if (!sink) return fail(sink.error());
    std::vector<wire::LinkEndpoint> endpoints;  // of each job
    for (std::uint32_t position = 0; position < spec.processes; ++position) {
        const OnCore core(position);
        auto job = DrivenJob::start(spec.jobs_dir + "/copy");
        if (!job) return fail(job.error());
        auto config = testing::copy_config(position, spec.processes, terms_.tensors, spec.transport, place,
                                           terms_.budget_bytes);
        config.security = spec.keys ? 2 : 0;
        if (auto told = job->tell(config); !told) return told;
        const auto up = job->hear<wire::JobUp>();
        if (!up) return fail(up.error());
        endpoints.push_back(up->links.at(0));
        jobs_.push_back(std::move(*job));
    }
    if (spec.keys) sink->admit(endpoints.back().key);
    for (std::uint32_t position = 0; position < spec.processes; ++position) {
        const bool last = position + 1 == spec.processes;
        wire::JobConnect connect{{last ? sink->endpoint() : endpoints[position + 1]}, {}};
        if (spec.keys) connect.senders = {position == 0 ? sockets_.identity().key() : endpoints[position - 1].key};
        if (auto told = jobs_[position].tell(connect); !told) return told;
    }
    auto source = LinkSender::connect(sockets_, endpoints[0], terms_, "coordinator");
    if (!source) return fail(source.error());
    while (!source->open())
        wait_readable(source->blocked_fd());
    for (auto& job : jobs_)
        if (const auto linked = job.hear<wire::JobLinked>(); !linked) return fail(linked.error());
    source_ = std::move(*source);
    sink_ = std::move(*sink);
    return {};
}

}  // namespace

std::uint64_t header_bytes(const ChainSpec& spec) {
    const auto terms = terms_of(spec);
    return terms.chunk_bytes() - wire_bytes(terms.tensors);
}

Result<std::unique_ptr<Chain>> make_fard_chain(const ChainSpec& spec) {
    static SocketFactory plain{Identity::local()}, keyed{Identity::keyed(KeyPair::make(), nullptr)};
    auto chain = std::make_unique<FardChain>(spec.keys ? keyed : plain, terms_of(spec));
    if (auto started = chain->start(spec); !started) return fail(started.error());
    return chain;
}

}  // namespace fard::bench
