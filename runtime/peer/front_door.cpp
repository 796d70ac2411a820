#include "runtime/peer/front_door.hpp"

#include <list>
#include <optional>
#include <unordered_map>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "runtime/peer/monitor.hpp"

namespace fard {
namespace {

constexpr std::size_t most_routes = 4096;
constexpr unsigned everybody = 0b11110;  // every Role

// Visitors and the routing ids under which the ROUTER knows their connections, the least recently heard last.
class Routes {
  public:
    // false: the peer is somebody else's, who proved another key.
    bool heard(const PeerId& peer, std::string_view routing_id, std::string_view key) {
        if (const auto found = places_.find(peer); found != places_.end()) {
            if (found->second->key.hex != key) return false;
            found->second->routing_id.assign(routing_id);
            order_.splice(order_.begin(), order_, found->second);
            return true;
        }
        order_.push_front({peer, std::string(routing_id), {std::string(key)}});
        places_.emplace(peer, order_.begin());
        if (order_.size() <= most_routes) return true;
        places_.erase(order_.back().peer);
        order_.pop_back();
        return true;
    }

    PublicKey key_of(const PeerId& peer) const {
        const auto found = places_.find(peer);
        return found == places_.end() ? PublicKey() : found->second->key;
    }

    const std::string* find(const PeerId& peer) const {
        const auto found = places_.find(peer);
        return found == places_.end() ? nullptr : &found->second->routing_id;
    }

  private:
    struct Route {
        PeerId peer;
        std::string routing_id;
        PublicKey key;
    };
    std::list<Route> order_;
    std::unordered_map<PeerId, std::list<Route>::iterator> places_;
};

// What each role may ask. Nodes may ask everything.
bool may(Role role, const wire::Body& body) {
    if (role == Role::node) return true;
    if (role == Role::joining) return body.is<wire::Join>();
    const bool looks = body.is<wire::Query>() || body.is<wire::Logs>() || body.is<wire::Check>();
    if (role == Role::reader) return looks;
    return role == Role::user && (looks || body.is<wire::Submit>() || body.is<wire::Offer>() || body.is<wire::Holds>() ||
                                  body.is<wire::Finish>() || body.is<wire::ClientAlive>() || body.is<wire::Cancel>() ||
                                  body.is<wire::Probe>() || body.is<wire::Fill>() || body.is<wire::Mend>());
}

// What a message asks for, in the words of who typed the command.
std::string wish_of(const wire::Body& body) {
    if (body.is<wire::Submit>() || body.is<wire::Offer>()) return "run apps";
    if (body.is<wire::Cancel>()) return "cancel runs";
    if (body.is<wire::Probe>() || body.is<wire::Fill>()) return "measure the ways between boards";
    if (body.is<wire::Allowed>()) return "see or change the cluster's keys";
    if (body.is<wire::Ticket>()) return "issue tickets";
    if (body.is<wire::Mend>()) return "have a device used again that was taken out";
    if (body.is<wire::Shutdown>()) return "end a node manager";
    if (body.is<wire::Hello>()) return "join as a board";
    if (body.is<wire::Join>()) return "use a ticket";
    return fmt::format("ask for {}", wire::name_of(body));
}

std::string who_may(const wire::Body& body) {
    if (body.is<wire::Join>()) return "the key of a ticket that is still good";
    return may(Role::user, body) ? "the key of a user or of a board" : "the key of a board";
}

std::string holder_of(Role role) {
    switch (role) {
        case Role::user:
            return "a user";
        case Role::reader:
            return "a read-only user";
        case Role::joining:
            return "a ticket";
        default:
            return "nobody here (it was revoked, or never added)";
    }
}

}  // namespace

// Messages that wait for one visitor, each way. The largest that come in numbers are pieces of packages (128 KiB), so
// that a visitor which reads nothing holds 8 MiB; what finds no place is asked for again.
constexpr int most_queued = 64;
constexpr Duration farewell = std::chrono::milliseconds(100);  // for what is said last of all

struct FrontDoor::Impl : std::enable_shared_from_this<FrontDoor::Impl> {
    Impl(Loop& the_loop, Socket the_socket, const PeerId& the_self, std::shared_ptr<KeyRing> the_ring)
        : loop(the_loop), socket(std::move(the_socket)), self(the_self), ring(std::move(the_ring)) {
        requests.emplace(loop, self,
                         [this](const PeerId& to, const wire::Envelope& envelope, const wire::Body& body) {
                             post(to, envelope, body);
                         });
        requests->name_peers([](const PeerId& peer) { return "visitor " + peer.hex.substr(0, 8); });
        requests->serve([this](const PeerId& from, const wire::Body& body, Reply reply) {
            if (const auto why = forbidden(from, body)) {
                if (reply) reply(refused(*why));
                return;
            }
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

    // A visitor without a key came by a socket of this machine that its owner alone can reach.
    std::optional<Error> forbidden(const PeerId& from, const wire::Body& body) const {
        const auto key = routes.key_of(from);
        if (!ring || key.empty()) return std::nullopt;
        const auto role = ring->role_of(key);
        if (!may(role, body))
            return Error{Fault::refused, fmt::format("the key {} is that of {}, who may not {}; it takes {}", key.brief(),
                                                     holder_of(role), wish_of(body), who_may(body))};
        const auto* hello = body.as<wire::Hello>();
        if (hello != nullptr && (hello->record.member.key != key || hello->record.member.peer != from))
            return Error{Fault::refused, "HELLO names another key than the connection's"};
        return std::nullopt;
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
        if (!routes.heard(envelope.from, message[0].text(), message[1].user()))
            return drops.note(loop.now(), {Fault::corrupt, "a visitor with the id of another one"});
        requests->receive(envelope, decoded->body);
    }

    // A question that is too new for us is refused, not left without an answer.
    void take_undecoded(const Message& message, const Error& why) {
        drops.note(loop.now(), why);
        if (why.fault != Fault::unsupported || !handler) return;
        const auto envelope = wire::envelope_of(message[1].text());
        if (!envelope || envelope->from.empty()) return;
        if (!routes.heard(envelope->from, message[0].text(), message[1].user())) return;
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
    const std::shared_ptr<KeyRing> ring;  // null without keys
    Endpoint endpoint;
    std::unique_ptr<Socket::Watch> watch;
    std::optional<Requests> requests;
    Routes routes;
    std::shared_ptr<const RequestHandler> handler, hello_handler;
    DropLog drops{"front door"};
    bool closed = false;
};

Result<std::unique_ptr<FrontDoor>> FrontDoor::open(Loop& loop, SocketFactory& sockets, PeerId self,
                                                   const Endpoint& endpoint) {
    auto socket = sockets.make(SocketKind::router, {.high_water_mark = most_queued});
    if (!socket) return fail(std::move(socket).error());
    set_linger(*socket, farewell);
    auto bound = socket->bind(endpoint, {.roles = everybody, .keys = {}});
    if (!bound) return fail_in("front door", bound.error());
    auto impl = std::make_shared<Impl>(loop, std::move(*socket), self, sockets.identity().ring());
    impl->endpoint = std::move(*bound);
    impl->start();
    return std::unique_ptr<FrontDoor>(new FrontDoor(std::move(impl)));
}

FrontDoor::FrontDoor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
FrontDoor::~FrontDoor() {
    impl_->close();
}

const Endpoint& FrontDoor::endpoint() const {
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
PublicKey FrontDoor::key_of(const PeerId& visitor) const {
    return impl_->routes.key_of(visitor);
}
void FrontDoor::cut_connections() {
    impl_->socket.cut_connections();
}
void FrontDoor::witness(std::uint64_t lamport) {
    impl_->requests->witness(lamport);
}
DropLog::Counters FrontDoor::counters() const {
    return impl_->drops.counters();
}

}  // namespace fard
