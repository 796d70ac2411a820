#include "client/submission_links.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/room.hpp"
#include "client/client_pacer.hpp"
#include "runtime/peer/front_door.hpp"
#include "runtime/peer/pace_alarm.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

// Of a run, at its client: four sockets, what watches each, and their connections.
constexpr std::size_t descriptors_of_links = 20;
constexpr auto stalled_interval = 5ms;  // between two looks whether a socket takes chunks again

class VisitorDoor final : public Door {
  public:
    explicit VisitorDoor(std::unique_ptr<Visitor> visitor) : visitor_(std::move(visitor)) {}
    void ask(wire::Body body, Duration deadline, Answer answer) override {
        visitor_->ask(std::move(body), deadline, std::move(answer));
    }
    void tell(const wire::Body& body) override { visitor_->tell(body); }
    void on_message(std::function<void(const wire::Body&)> handler) override {
        visitor_->on_message(std::move(handler));
    }
    void on_disconnect(std::function<void()> handler) override {
        visitor_->on_disconnect(std::move(handler));
    }
    void on_absence(std::function<void()> handler) override { visitor_->on_absence(std::move(handler)); }

  private:
    std::unique_ptr<Visitor> visitor_;
};

// The coordinator names the address that its cluster knows it by. A client that reached it by another one (a second
// network, a forwarded address) reaches its links there, too.
wire::LinkEndpoint as_reached(wire::LinkEndpoint link, const Endpoint& door) {
    for (auto* endpoint : {&link.data, &link.credit}) {
        if (!endpoint->is_tcp() || !door.is_tcp()) continue;
        if (auto there = Endpoint::tcp(door.address(), endpoint->port())) *endpoint = std::move(*there);
    }
    return link;
}

class SocketLinks final : public ClientLinks {
  public:
    SocketLinks(Loop& loop, SocketFactory& sockets, std::unique_ptr<Pacer>& pacer, const ClientLinksTerms& terms, Events events)
        : loop_(loop),
          sockets_(sockets),
          pacer_(pacer),
          door_(terms.door.endpoint),
          input_terms_{terms.run,
                       {terms.attempt, 0},
                       terms.app.positions.front().inputs,
                       "",
                       static_cast<std::uint32_t>(terms.app.positions.size()),
                       terms.app.link_bytes},
          events_(std::move(events)),
          pace_alarm_(loop) {
        result_terms_ = input_terms_;
        result_terms_.tensors = terms.app.positions.back().outputs;
        result_terms_.budget_bytes = terms.app.window_bytes;
    }

    ~SocketLinks() override {
        loop_.cancel(timer_);
    }

    Result<> connect(const wire::LinkEndpoint& inputs, const wire::LinkEndpoint& results, const wire::NetworkWay& way) override {
        if (way.ps_per_byte > 0 && !pacer_) pacer_ = std::make_unique<ClientPacer>(way);
        auto* const pacer = way.ps_per_byte > 0 ? pacer_.get() : nullptr;
        auto receiver = LinkReceiver::connect(sockets_, as_reached(results, door_), result_terms_, pacer);
        if (!receiver) return fail_in("the link for results", receiver.error());
        results_.emplace(std::move(*receiver));
        results_watch_ = results_->watch(loop_, [this] { receive(); });
        auto sender = LinkSender::connect(sockets_, as_reached(inputs, door_), input_terms_, "client", pacer);
        if (!sender) return fail_in("the link for inputs", sender.error());
        inputs_.emplace(std::move(*sender));
        credit_watch_ = inputs_->watch_credit(loop_, [this] {
            look_at_connections();
            inputs_->poll_credit();
            if (open_) return events_.writable();
            open();
        });
        open();
        return {};
    }

    bool send(Chunk& chunk) override {
        if (!open_) return false;
        inputs_->poll_credit();
        const bool sent = inputs_->send(chunk);
        keep_pace();
        if (sent) return true;
        // With the window used up a credit follows; with room left the socket itself is full for a moment.
        if (inputs_->has_room()) later(stalled_interval);
        return false;
    }

  private:
    // The watch announces that the connection is up.
    void open() {
        open_ = inputs_->open();
        if (open_) later(Duration(0));
    }

    void later(Duration delay) {
        if (timer_) return;
        timer_ = loop_.call_after(delay, [this] {
            timer_ = 0;
            events_.writable();
        });
    }

    void receive() {
        while (true) {
            auto received = results_->receive();
            if (!received) return events_.broken(received.error());
            if (!*received) break;
            results_->taken();
            events_.result(std::move(**received));
        }
        results_->flush_credit();
        keep_pace();
        look_at_connections();
    }

    // What waits for the pacer goes on when it is paid for.
    void keep_pace() {
        pace_alarm_.set(earlier(inputs_ ? inputs_->paced_until() : TimePoint{}, results_->paced_until()), [this] {
            if (inputs_) inputs_->flush_paced();
            receive();
        });
    }

    void look_at_connections() {
        if (lost_ || !((results_ && results_->lost()) || (inputs_ && inputs_->lost()))) return;
        lost_ = true;
        events_.broken({Fault::unreachable, "the connection of a link to the coordinator broke"});
    }

    Loop& loop_;
    SocketFactory& sockets_;
    std::unique_ptr<Pacer>& pacer_;  // the client's, once it needs one
    Endpoint door_;
    LinkTerms input_terms_, result_terms_;
    std::optional<LinkReceiver> results_;
    std::optional<LinkSender> inputs_;
    Events events_;
    std::unique_ptr<Socket::Watch> results_watch_, credit_watch_;  // before the sockets in destruction
    bool open_ = false, lost_ = false;
    Loop::TimerId timer_ = 0;
    PaceAlarm pace_alarm_;
};

class SocketWorld final : public SubmissionWorld {
  public:
    SocketWorld(Loop& loop, SocketFactory& sockets) : loop_(loop), sockets_(sockets) {}

    Result<std::unique_ptr<Door>> knock(const Address& door) override {
        auto visitor = Visitor::knock(loop_, sockets_, PeerId{random_hex(16)}, door);
        if (!visitor) return fail(visitor.error());
        return std::make_unique<VisitorDoor>(std::move(*visitor));
    }

    Result<std::unique_ptr<ClientLinks>> links(const ClientLinksTerms& terms,
                                               ClientLinks::Events events) override {
        if (auto room = check_descriptors(descriptors_of_links); !room) return fail(room.error());
        return std::make_unique<SocketLinks>(loop_, sockets_, pacer_, terms, std::move(events));
    }

  private:
    Loop& loop_;
    SocketFactory& sockets_;
    std::unique_ptr<Pacer> pacer_;
};

}  // namespace

std::unique_ptr<SubmissionWorld> make_socket_world(Loop& loop, SocketFactory& sockets) {
    return std::make_unique<SocketWorld>(loop, sockets);
}

}  // namespace fard
