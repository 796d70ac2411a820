#include <optional>

#include "runtime/peer/front_door.hpp"
#include "runtime/peer/monitor.hpp"

namespace fard {

using namespace std::chrono_literals;

struct Visitor::Impl : std::enable_shared_from_this<Visitor::Impl> {
    Impl(Loop& the_loop, Socket the_socket, const PeerId& self, Endpoint the_endpoint, PublicKey the_own_key)
        : loop(the_loop), socket(std::move(the_socket)), endpoint(std::move(the_endpoint)), own_key(std::move(the_own_key)) {
        requests.emplace(loop, self,
                         [this](const PeerId&, const wire::Envelope& envelope, const wire::Body& body) {
                             Message message;
                             message.emplace_back(std::string_view(wire::encode(envelope, body)));
                             socket.try_send(message);  // no room: asked again
                         });
        requests->name_peers([this](const PeerId&) { return "the node manager at " + endpoint.text(); });
        requests->serve([this](const PeerId&, const wire::Body& body, const Reply& reply) {
            const auto handler = message_handler;
            if (!reply && handler) (*handler)(body);
        });
    }

    void drain() {
        const auto keep = shared_from_this();  // a callback may destroy the visitor
        Message message;
        while (!closed && socket.try_receive(message))
            take(message);
    }

    void take(const Message& message) {
        if (message.size() != 1) return drops.note(loop.now(), {Fault::corrupt, "more than one frame"});
        const auto decoded = wire::decode(message[0].text());
        if (decoded) return requests->receive(decoded->envelope, decoded->body);
        drops.note(loop.now(), decoded.error());
        if (decoded.error().fault != Fault::unsupported) return;
        if (const auto envelope = wire::envelope_of(message[0].text()))
            requests->receive_unknown(*envelope, decoded.error());
    }

    void on_event(ConnectionMonitor::Event event) {
        const auto keep = shared_from_this();  // a handler may destroy the visitor
        switch (event) {
            case ConnectionEvent::connected:
                if (std::exchange(broken, false)) requests->reconnected();
                return;
            case ConnectionEvent::disconnected:
                broken = true;
                if (const auto handler = disconnect_handler) (*handler)();
                return;
            case ConnectionEvent::refused:
                if (const auto handler = absence_handler) (*handler)();
                return;
            case ConnectionEvent::revoked:
                return requests->bar({Fault::refused, fmt::format("the node manager at {} says that the key {} was revoked, and a revoked "
                                                                  "key stays so; with a new ticket `fard join` makes a new one",
                                                                  endpoint, own_key.brief())});
            case ConnectionEvent::otherwise:
                return requests->bar({Fault::unreachable, own_key.empty()
                                          ? fmt::format("the node manager at {} is of a cluster with keys, and here there are none; `fard join` gets some", endpoint)
                                          : fmt::format("the node manager at {} has no keys (--insecure), and here there are some; "
                                                        "FARD_KEYS=none does without them", endpoint)});
            case ConnectionEvent::accepted:
                return;
        }
    }

    void close() {
        closed = true;
        watch.reset();
        monitor.reset();
        requests.reset();
    }

    Loop& loop;
    Socket socket;
    Endpoint endpoint;
    PublicKey own_key;  // empty without keys
    std::unique_ptr<Socket::Watch> watch;
    std::unique_ptr<ConnectionMonitor> monitor;
    std::optional<Requests> requests;
    std::shared_ptr<const std::function<void(const wire::Body&)>> message_handler;
    std::shared_ptr<const std::function<void()>> disconnect_handler, absence_handler;
    DropLog drops{"visitor"};
    bool broken = false;  // the connection was up and is not
    bool closed = false;
};

Result<std::unique_ptr<Visitor>> Visitor::knock(Loop& loop, SocketFactory& sockets, PeerId self,
                                                const Address& address) {
    auto socket = sockets.make(SocketKind::dealer);
    if (!socket) return fail(std::move(socket).error());
    set_reconnect(*socket, 10ms, 200ms);
    auto impl = std::make_shared<Impl>(loop, std::move(*socket), self, address.endpoint, sockets.identity().key());
    auto monitor = ConnectionMonitor::watch(
        loop, sockets, impl->socket,
        [raw = impl.get()](ConnectionMonitor::Event event) { raw->on_event(event); });
    if (!monitor) return fail(std::move(monitor).error());
    impl->monitor = std::move(*monitor);
    if (auto connected = impl->socket.connect(address); !connected) {
        impl->close();
        return fail(std::move(connected).error());
    }
    impl->watch = impl->socket.watch(loop, [raw = impl.get()] { raw->drain(); });
    return std::unique_ptr<Visitor>(new Visitor(std::move(impl)));
}

Visitor::Visitor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Visitor::~Visitor() {
    impl_->close();
}

void Visitor::ask(wire::Body body, Duration deadline, Answer answer) {
    impl_->requests->ask({}, std::move(body), deadline, std::move(answer));
}
void Visitor::tell(const wire::Body& body) {
    impl_->requests->tell({}, body);
}
void Visitor::on_message(std::function<void(const wire::Body&)> handler) {
    impl_->message_handler =
        std::make_shared<const std::function<void(const wire::Body&)>>(std::move(handler));
}
void Visitor::on_disconnect(std::function<void()> handler) {
    impl_->disconnect_handler = std::make_shared<const std::function<void()>>(std::move(handler));
}
void Visitor::on_absence(std::function<void()> handler) {
    impl_->absence_handler = std::make_shared<const std::function<void()>>(std::move(handler));
}
const Endpoint& Visitor::endpoint() const {
    return impl_->endpoint;
}
std::uint64_t Visitor::lamport() const {
    return impl_->requests->lamport();
}

}  // namespace fard
