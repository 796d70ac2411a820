#include <algorithm>

#include "base/alarm.hpp"
#include "base/lifetime.hpp"
#include "runtime/node_manager/run_ends.hpp"
#include "runtime/peer/inlet.hpp"
#include "runtime/peer/outlet.hpp"
#include "runtime/peer/pace_alarm.hpp"

namespace fard {
namespace {

using namespace std::chrono_literals;

// From a link's loss until it is told: what tore it may be the end of a job or of the client, and who saw that knows
// more about the cause.
constexpr auto link_grace = 250ms;
constexpr auto client_link_grace = 1s;
constexpr std::size_t most_paced = 2;  // chunks that wait for the board's processor: results are not to wait behind a whole window

// Moves whatever can move whenever a descriptor says that something may have changed. Events are posted,
// never called from within a socket's callback, because their handlers close sockets.
class LinkEnds final : public RunEnds {
  public:
    LinkEnds(Loop& loop, SocketFactory& sockets, std::string place, const RunEndsTerms& terms,
             ChunkLedger& ledger, Events events, Pacer* pacer)
        : loop_(loop),
          sockets_(sockets),
          place_(std::move(place)),
          terms_(terms),
          ledger_(ledger),
          events_(std::move(events)),
          pacer_(pacer),
          link_alarm_(loop),
          client_alarm_(loop),
          pace_alarm_(loop) {}

    ~LinkEnds() override {
        lifetime_.end();
        close_wiring();
        results_watch_.reset();
        inputs_watch_.reset();
    }

    std::vector<wire::LinkEndpoint> client_ends() const override {
        if (!results_) return {};
        return {inputs_->endpoint(), results_->endpoint()};
    }

    Result<std::vector<wire::LinkEndpoint>> bind_sinks(Epoch epoch, const std::vector<PublicKey>& senders) override {
        unwire();
        if (!results_)
            if (auto bound = bind_client_side(); !bound) return fail(bound.error());
        const auto& last = terms_.app.positions.back();
        std::vector<wire::LinkEndpoint> endpoints;
        std::vector<LinkReceiver> sinks;
        for (std::uint32_t job = 0; job < last.jobs(); ++job) {
            const auto& tensors = last.parts.empty() ? last.outputs : last.parts[job].outputs;
            auto sink = LinkReceiver::bind(sockets_, place_, link_terms(epoch, tensors, terms_.app.link_bytes), pacer_);
            if (!sink) return fail(sink.error());
            if (job < senders.size()) sink->admit(senders[job]);
            endpoints.push_back(sink->endpoint());
            sinks.push_back(std::move(*sink));
        }
        if (last.parts.empty()) {
            sinks_ = Inlet(std::move(sinks));
        } else {
            auto channels = ChannelJoin::make(last.parts, last.outputs);
            if (!channels) return fail(channels.error());
            sinks_ = Inlet(std::move(sinks), std::move(*channels));
        }
        sinks_watch_ = sinks_.watch(loop_, [this] { pump(); });
        return endpoints;
    }

    Result<> connect_feeders(Epoch epoch, const std::vector<wire::LinkEndpoint>& receivers, const std::optional<Spread>& spread) override {
        const auto& first = terms_.app.positions.front();
        std::vector<LinkSender> feeders;
        for (const auto& receiver : receivers) {
            auto feeder = LinkSender::connect(
                sockets_, receiver, link_terms(epoch, first.inputs, terms_.app.link_bytes), "coordinator", pacer_);
            if (!feeder) return fail(feeder.error());
            feeders.push_back(std::move(*feeder));
        }
        const auto to = !first.parts.empty() ? Outlet::To::each : spread ? Outlet::To::by_index : Outlet::To::any;
        feeders_ = Outlet(std::move(feeders), to, spread.value_or(Spread{}));
        feeders_watch_ = feeders_.watch(loop_, [this] { pump(); });
        announced_ = false;
        pump();
        return {};
    }

    void start() override {
        started_ = true;
        pump();
    }

    void unwire() override {
        take_results();
        close_wiring();
        hand_over();
    }

    RunWatch::Ends standing() const override {
        RunWatch::Ends ends;
        ends.fed = feeders_.sent();
        ends.taken = sinks_.count();
        for (std::uint32_t job = 0; job < sinks_.size(); ++job)
            if (!sinks_.link(job).opened()) ends.unopened_sinks.push_back(job);
        ends.client_open = results_open_ && inputs_ && inputs_->opened();
        return ends;
    }

  private:
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
        return {};
    }

    LinkTerms link_terms(Epoch epoch, const std::vector<TensorDesc>& tensors, std::uint64_t budget) const {
        return {terms_.run, epoch, tensors, "", static_cast<std::uint32_t>(terms_.app.positions.size()),
                budget};
    }

    void close_wiring() {
        started_ = false;
        link_alarm_.clear();
        pace_alarm_.clear();
        sinks_watch_.reset();
        feeders_watch_.reset();
        sinks_ = {};
        feeders_ = {};
    }

    // A sender's LINK_OPEN leaves once its connection is up, which its watch announces. The run's own deadlines
    // bound it.
    void open_links() {
        results_open_ = results_->open();
        feeders_open_ = feeders_.open();
    }

    void announce_opened() {
        if (announced_ || feeders_.empty() || !results_open_ || !feeders_open_) return;
        if (!sinks_.opened()) return;
        announced_ = true;
        post(events_.opened);
    }

    void pump() {
        feeders_.flush_paced();
        open_links();
        acknowledge();
        take_results();
        hand_over();
        admit();
        feed();
        sinks_.flush_credit();
        inputs_->flush_credit();
        announce_opened();
        keep_pace();
        look_at_connections();
    }

    // What waits for the pacer goes on when it is paid for.
    void keep_pace() {
        if (pacer_ != nullptr) pace_alarm_.set(earlier(feeders_.paced_until(), sinks_.paced_until()), [this] { pump(); });
    }

    void look_at_connections() {
        if (!link_alarm_.is_set() && sinks_.lost())
            tell_loss(link_alarm_, link_grace, events_.link_lost, "the connection of a link from the last position broke");
        if (!link_alarm_.is_set() && feeders_.lost())
            tell_loss(link_alarm_, link_grace, events_.link_lost, "the connection of a link to position 0 broke");
        if (!client_lost_ && (inputs_->lost() || results_->lost())) {
            client_lost_ = true;
            tell_loss(client_alarm_, client_link_grace, events_.client_lost, "the connection of a link to the client broke");
        }
    }

    static void tell_loss(Alarm& alarm, Duration grace, const std::function<void(const Error&)>& event,
                          const char* what) {
        alarm.set(grace, [event, what] { event({Fault::unreachable, what}); });
    }

    void acknowledge() {
        results_->poll_credit();
        ledger_.acknowledged(results_->confirmed());
    }

    void take_results() {
        while (true) {
            Chunk chunk;
            const auto received = sinks_.receive(chunk);
            if (!received) return unfit(received.error());
            if (!*received) return;
            ledger_.result(std::move(chunk));
            sinks_.taken();
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
        feeders_.poll_credit();
        while (feeders_.paced() < most_paced) {
            auto chunk = ledger_.next_to_send();
            if (!chunk) return;
            const auto index = chunk->index;
            if (!feeders_.push(*chunk)) return;
            ledger_.sent(index);
        }
    }

    void unfit(const Error& error) {
        Error told{error.fault, "a result: " + error.message};
        post([this, told] { events_.link_lost(told); });
    }

    void broken(const std::string& what, const Error& error) {
        Error told{error.fault, what + ": " + error.message};
        post([this, told] { events_.broken(told); });
    }

    void post(std::function<void()> event) {
        loop_.post(lifetime_.guarded(std::move(event)));
    }

    Loop& loop_;
    SocketFactory& sockets_;
    std::string place_;
    RunEndsTerms terms_;
    ChunkLedger& ledger_;
    Events events_;
    Pacer* pacer_;  // null: nothing is charged
    Lifetime lifetime_;

    std::optional<LinkReceiver> inputs_;
    std::optional<LinkSender> results_;
    Inlet sinks_;     // from the last position
    Outlet feeders_;  // to position 0
    std::unique_ptr<Socket::Watch> inputs_watch_, results_watch_;
    std::unique_ptr<Socket::Watch> sinks_watch_, feeders_watch_;
    Alarm link_alarm_, client_alarm_;
    PaceAlarm pace_alarm_;
    bool results_open_ = false, feeders_open_ = false, started_ = false, announced_ = false;
    bool client_lost_ = false;
};

}  // namespace

Result<std::unique_ptr<RunEnds>> make_link_ends(Loop& loop, SocketFactory& sockets, const std::string& place,
                                                const RunEndsTerms& terms, ChunkLedger& ledger,
                                                RunEnds::Events events, Pacer* pacer) {
    return std::make_unique<LinkEnds>(loop, sockets, place, terms, ledger, std::move(events), pacer);
}

}  // namespace fard
