#include <algorithm>

#include "runtime/node_manager/run_ends.hpp"

namespace fard {
namespace {

// Moves whatever can move whenever a descriptor says that something may have changed. Events are posted,
// never called from within a socket's callback, because their handlers close sockets.
class LinkEnds final : public RunEnds {
  public:
    LinkEnds(Loop& loop, SocketFactory& sockets, std::string place, const RunEndsTerms& terms,
             ChunkLedger& ledger, Events events)
        : loop_(loop),
          sockets_(sockets),
          place_(std::move(place)),
          terms_(terms),
          ledger_(ledger),
          events_(std::move(events)) {}

    ~LinkEnds() override {
        *alive_ = false;
        close_wiring();
        results_watch_.reset();
        inputs_watch_.reset();
    }

    Result<> bind_client_side() {
        const auto& app = terms_.app;
        auto inputs = LinkReceiver::bind(
            sockets_, place_, link_terms({terms_.attempt, 0}, app.positions.front().inputs, app.link_bytes));
        if (!inputs) return fail(inputs.error());
        inputs_ = std::move(*inputs);
        auto results = LinkSender::bind(
            sockets_, place_, link_terms({terms_.attempt, 0}, app.positions.back().outputs, app.window_bytes),
            "coordinator");
        if (!results) return fail(results.error());
        results_ = std::move(*results);
        inputs_->admit(terms_.client);
        results_->admit(terms_.client);
        inputs_watch_ = inputs_->watch(loop_, [this] { pump(); });
        results_watch_ = results_->watch_credit(loop_, [this] { pump(); });
        pump();
        return {};
    }

    const wire::LinkEndpoint& inputs() const override { return inputs_->endpoint(); }
    const wire::LinkEndpoint& results() const override { return results_->endpoint(); }

    Result<std::vector<wire::LinkEndpoint>> bind_sinks(Epoch epoch, const std::vector<PublicKey>& senders) override {
        unwire();
        const auto& last = terms_.app.positions.back();
        std::vector<wire::LinkEndpoint> endpoints;
        for (std::uint32_t replica = 0; replica < last.replicas; ++replica) {
            auto sink =
                LinkReceiver::bind(sockets_, place_, link_terms(epoch, last.outputs, terms_.app.link_bytes));
            if (!sink) return fail(sink.error());
            if (replica < senders.size()) sink->admit(senders[replica]);
            endpoints.push_back(sink->endpoint());
            sinks_.push_back(std::move(*sink));
        }
        for (auto& sink : sinks_)
            sink_watches_.push_back(sink.watch(loop_, [this] { pump(); }));
        return endpoints;
    }

    Result<> connect_feeders(Epoch epoch, const std::vector<wire::LinkEndpoint>& receivers) override {
        const auto& first = terms_.app.positions.front();
        for (const auto& receiver : receivers) {
            auto feeder = LinkSender::connect(
                sockets_, receiver, link_terms(epoch, first.inputs, terms_.app.link_bytes), "coordinator");
            if (!feeder) return fail(feeder.error());
            feeders_.push_back(std::move(*feeder));
        }
        for (auto& feeder : feeders_)
            feeder_watches_.push_back(feeder.watch_credit(loop_, [this] { pump(); }));
        announced_ = false;
        pump();
        return {};
    }

    void start() override {
        started_ = true;
        pump();
    }

    void unwire() override {
        if (!sinks_.empty()) take_results();
        close_wiring();
        hand_over();
    }

  private:
    LinkTerms link_terms(Epoch epoch, const std::vector<TensorDesc>& tensors, std::uint64_t budget) const {
        return {terms_.run, epoch, tensors, "", static_cast<std::uint32_t>(terms_.app.positions.size()),
                budget};
    }

    void close_wiring() {
        started_ = false;
        sink_watches_.clear();
        feeder_watches_.clear();
        sinks_.clear();
        feeders_.clear();
    }

    // A sender's LINK_OPEN leaves once its connection is up, which its watch announces. The run's own deadlines
    // bound it.
    void open_links() {
        results_open_ = results_->open();
        feeders_open_ = true;
        for (auto& feeder : feeders_)
            feeders_open_ = feeder.open() && feeders_open_;
    }

    void announce_opened() {
        if (announced_ || feeders_.empty() || !results_open_ || !feeders_open_) return;
        if (!std::ranges::all_of(sinks_, [](const LinkReceiver& sink) { return sink.opened(); })) return;
        announced_ = true;
        post(events_.opened);
    }

    void pump() {
        open_links();
        acknowledge();
        take_results();
        hand_over();
        admit();
        feed();
        for (auto& sink : sinks_)
            sink.flush_credit();
        inputs_->flush_credit();
        announce_opened();
    }

    void acknowledge() {
        results_->poll_credit();
        ledger_.acknowledged(results_->confirmed());
    }

    void take_results() {
        for (auto& sink : sinks_) {
            while (true) {
                auto chunk = sink.receive();
                if (!chunk) return broken("a result", chunk.error());
                if (!*chunk) break;
                ledger_.result(std::move(**chunk));
                sink.taken();
            }
        }
    }

    void hand_over() {
        if (!results_open_) return;
        while (auto result = ledger_.next_result()) {
            const auto index = result->index;
            if (!results_->send(*result)) return;
            ledger_.handed_over(index);
        }
    }

    void admit() {
        while (ledger_.may_admit()) {
            auto chunk = inputs_->receive();
            if (!chunk) return broken("the client's data", chunk.error());
            if (!*chunk) return;
            ledger_.admit(std::move(**chunk));
            inputs_->taken();
        }
    }

    void feed() {
        if (!started_) return;
        for (auto& feeder : feeders_)
            feeder.poll_credit();
        while (auto* feeder = fewest_unacknowledged(feeders_)) {
            auto chunk = ledger_.next_to_send();
            if (!chunk) return;
            const auto index = chunk->index;
            if (!feeder->send(*chunk)) return;
            ledger_.sent(index);
        }
    }

    void broken(const std::string& what, const Error& error) {
        Error told{error.fault, what + ": " + error.message};
        post([this, told] { events_.broken(told); });
    }

    void post(std::function<void()> event) {
        loop_.post([event = std::move(event), alive = alive_] {
            if (*alive) event();
        });
    }

    Loop& loop_;
    SocketFactory& sockets_;
    std::string place_;
    RunEndsTerms terms_;
    ChunkLedger& ledger_;
    Events events_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

    std::optional<LinkReceiver> inputs_;
    std::optional<LinkSender> results_;
    std::vector<LinkReceiver> sinks_;
    std::vector<LinkSender> feeders_;
    std::unique_ptr<Socket::Watch> inputs_watch_, results_watch_;
    std::vector<std::unique_ptr<Socket::Watch>> sink_watches_, feeder_watches_;
    bool results_open_ = false, feeders_open_ = false, started_ = false, announced_ = false;
};

}  // namespace

Result<std::unique_ptr<RunEnds>> make_link_ends(Loop& loop, SocketFactory& sockets, const std::string& place,
                                                const RunEndsTerms& terms, ChunkLedger& ledger,
                                                RunEnds::Events events) {
    auto ends = std::make_unique<LinkEnds>(loop, sockets, place, terms, ledger, std::move(events));
    if (auto bound = ends->bind_client_side(); !bound) return fail(bound.error());
    return ends;
}

}  // namespace fard
