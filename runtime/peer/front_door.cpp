#include "runtime/peer/front_door.hpp"

#include <list>
#include <optional>
#include <unordered_map>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard {
namespace {

constexpr std::size_t most_routes = 4096;

// Visitors and the routing ids under which the ROUTER knows their connections, the least recently heard last.
class Routes {
  public:
    void heard(const PeerId& peer, std::string_view routing_id) {
        if (const auto found = places_.find(peer); found != places_.end()) {
            found->second->routing_id.assign(routing_id);
            order_.splice(order_.begin(), order_, found->second);
            return;
        }
        order_.push_front({peer, std::string(routing_id)});
        places_.emplace(peer, order_.begin());
        if (order_.size() <= most_routes) return;
        places_.erase(order_.back().peer);
        order_.pop_back();
    }

    const std::string* find(const PeerId& peer) const {
        const auto found = places_.find(peer);
        return found == places_.end() ? nullptr : &found->second->routing_id;
    }

  private:
    struct Route {
        PeerId peer;
        std::string routing_id;
    };
    std::list<Route> order_;
    std::unordered_map<PeerId, std::list<Route>::iterator> places_;
};

}  // namespace

// Messages that wait for one visitor, each way. The largest that come in numbers are pieces of packages (128 KiB), so
// that a visitor which reads nothing holds 8 MiB; what finds no place is asked for again.
constexpr int most_queued = 64;

struct FrontDoor::Impl : std::enable_shared_from_this<FrontDoor::Impl> {
    Impl(Loop& the_loop, Socket the_socket, const PeerId& the_self)
        : loop(the_loop), socket(std::move(the_socket)), self(the_self) {
        requests.emplace(loop, self,
                         [this](const PeerId& to, const wire::Envelope& envelope, const wire::Body& body) {
                             post(to, envelope, body);
                         });
        requests->name_peers([](const PeerId& peer) { return "visitor " + peer.hex.substr(0, 8); });
        requests->serve([this](const PeerId& from, const wire::Body& body, Reply reply) {
            const auto chosen = handler_for(body);
            (*chosen)(from, body, std::move(reply));
        });
    }

    void start() {
        watch = socket.watch(loop, [this] { drain(); });
    }

    void post(const PeerId& to, const wire::Envelope& envelope, const wire::Body& body) {
        const auto* route = routes.find(to);
        if (route == nullptr) return;
        Message message;
        message.emplace_back(std::string_view(*route));
        message.emplace_back(std::string_view(wire::encode(envelope, body)));
        socket.try_send(message);  // a full way loses it: answers are asked for again
    }

    std::shared_ptr<const RequestHandler> handler_for(const wire::Body& body) const {
        return body.is<wire::Hello>() && hello_handler ? hello_handler : handler;
    }

    void drain() {
        const auto keep = shared_from_this();  // a handler may destroy the front door
        Message message;
        while (!closed && socket.try_receive(message))
            take(message);
    }

    void take(const Message& message) {
        if (message.size() != 2)
            return drops.note(loop.now(), {Fault::corrupt, "not one frame from a visitor"});
        auto decoded = wire::decode(message[1].text());
        if (!decoded) return take_undecoded(message, decoded.error());
        const auto& envelope = decoded->envelope;
        if (envelope.from.empty()) return drops.note(loop.now(), {Fault::corrupt, "a visitor without an id"});
        if (!envelope.answer && !handler_for(decoded->body)) return;  // not open yet: asked again
        routes.heard(envelope.from, message[0].text());
        requests->receive(envelope, decoded->body);
    }

    // A question that is too new for us is refused, not left without an answer.
    void take_undecoded(const Message& message, const Error& why) {
        drops.note(loop.now(), why);
        if (why.fault != Fault::unsupported || !handler) return;
        const auto envelope = wire::envelope_of(message[1].text());
        if (!envelope || envelope->from.empty()) return;
        routes.heard(envelope->from, message[0].text());
        requests->receive_unknown(*envelope, why);
    }

    void close() {
        closed = true;
        watch.reset();
        requests.reset();
    }

    Loop& loop;
    Socket socket;
    const PeerId self;
    std::string endpoint;
    std::unique_ptr<Socket::Watch> watch;
    std::optional<Requests> requests;
    Routes routes;
    std::shared_ptr<const RequestHandler> handler, hello_handler;
    DropLog drops{"front door"};
    bool closed = false;
};

Result<std::unique_ptr<FrontDoor>> FrontDoor::open(Loop& loop, SocketFactory& sockets, PeerId self,
                                                   const std::string& endpoint) {
    auto socket = sockets.make(SocketKind::router, {.high_water_mark = most_queued});
    if (!socket) return fail(std::move(socket).error());
    auto bound = socket->bind(endpoint);
    if (!bound) return fail_in("front door", bound.error());
    auto impl = std::make_shared<Impl>(loop, std::move(*socket), self);
    impl->endpoint = std::move(*bound);
    impl->start();
    return std::unique_ptr<FrontDoor>(new FrontDoor(std::move(impl)));
}

FrontDoor::FrontDoor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
FrontDoor::~FrontDoor() {
    impl_->close();
}

const std::string& FrontDoor::endpoint() const {
    return impl_->endpoint;
}
const PeerId& FrontDoor::self() const {
    return impl_->self;
}

void FrontDoor::serve(RequestHandler handler) {
    impl_->handler = std::make_shared<const RequestHandler>(std::move(handler));
}
void FrontDoor::serve_hello(RequestHandler handler) {
    impl_->hello_handler = handler ? std::make_shared<const RequestHandler>(std::move(handler)) : nullptr;
}

void FrontDoor::send(const PeerId& visitor, const wire::Body& body) {
    impl_->requests->tell(visitor, body);
}
void FrontDoor::witness(std::uint64_t lamport) {
    impl_->requests->witness(lamport);
}
DropLog::Counters FrontDoor::counters() const {
    return impl_->drops.counters();
}

}  // namespace fard
