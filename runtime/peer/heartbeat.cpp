#include "runtime/peer/heartbeat.hpp"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/asio_loop.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/liveness.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "runtime/peer/monitor.hpp"

namespace fard {
namespace {

using namespace std::chrono_literals;

constexpr Duration tick_interval = 50ms;
constexpr unsigned anyone = 0b01110;  // Role: nodes, users, readers
constexpr std::uint64_t never_heard_ms = 1ull << 40;
// A stopped peer shall not find many stale pings when it wakes.
constexpr SocketOptions short_queue{.high_water_mark = 16, .max_frame_bytes = 4096};

std::uint64_t milliseconds(Duration duration) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

}  // namespace

struct Heartbeat::Impl {
    Impl(std::unique_ptr<SocketFactory> the_sockets, PeerId the_self, HeartbeatOptions the_options, Lost the_lost,
         Socket the_router)
        : sockets(std::move(the_sockets)),
          self(std::move(the_self)),
          options(std::move(the_options)),
          lost(std::move(the_lost)),
          router(std::move(the_router)),
          liveness(tick_interval, options.silence_limit) {}

    // One connection to a peer's heartbeat ROUTER.
    struct Connection {
        Connection(Socket the_socket, PeerId the_peer) : socket(std::move(the_socket)), peer(std::move(the_peer)) {}
        Socket socket;
        PeerId peer;
        std::unique_ptr<Socket::Watch> watch;
        std::unique_ptr<ConnectionMonitor> monitor;
    };
    struct Peer {
        wire::Member member;
        std::unique_ptr<Connection> connection;
        std::unique_ptr<Connection> fresh;  // the second probe of a silent peer
    };

    // ---- on the heartbeat's thread from here on
    void begin() {
        // Before everything else on a busy board, where that is allowed.
        static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), -10));
        router_watch = router.watch(loop, [this] { drain_router(); });
        tick();
        beat();
    }

    void end() {
        peers.clear();
        retired.clear();
        router_watch.reset();
        loop.stop();
    }

    // Without a socket the peer is only heard by its own pings.
    std::unique_ptr<Connection> connect(const wire::Member& member) {
        auto socket = sockets->make(SocketKind::dealer, short_queue);
        if (!socket) return nullptr;
        set_reconnect(*socket, 20ms, 250ms);
        auto connection = std::make_unique<Connection>(std::move(*socket), member.peer);
        auto monitor = ConnectionMonitor::watch(
            loop, *sockets, connection->socket,
            [this, peer = member.peer](ConnectionMonitor::Event event) { on_event(peer, event); });
        if (!monitor) return nullptr;
        connection->monitor = std::move(*monitor);
        if (!connection->socket.connect(Address{member.heartbeat, member.key})) return nullptr;
        connection->watch = connection->socket.watch(loop, [this, raw = connection.get()] { drain(*raw); });
        return connection;
    }

    void add(const wire::Member& member) {
        if (member.peer == self || peers.contains(member.peer)) return;
        liveness.add(member.peer, loop.now());
        set_heard(member.peer);
        auto& peer = peers[member.peer];
        peer.member = member;
        peer.connection = connect(member);
        if (peer.connection) send(*peer.connection, {++sequence, {}});
    }

    void remove(const PeerId& peer) {
        liveness.remove(peer);
        retire(peer);
        const std::lock_guard lock(mutex);
        heard_at.erase(peer);
    }

    void retire(const PeerId& id) {
        const auto found = peers.find(id);
        if (found == peers.end()) return;
        retire(std::move(found->second.connection));
        retire(std::move(found->second.fresh));
        peers.erase(found);
    }

    // A connection goes later, because it may be calling us.
    void retire(std::unique_ptr<Connection> connection) {
        if (!connection) return;
        retired.push_back(std::move(connection));
        loop.post([this] { retired.clear(); });
    }

    void beat() {
        for (auto& [id, peer] : peers) {
            if (peer.connection) send(*peer.connection, {++sequence, {}});
        }
        loop.call_after(options.interval, [this] { beat(); });
    }

    void tick() {
        const auto verdicts = liveness.tick(loop.now());
        for (const auto& id : verdicts.probe)
            probe(id);
        for (const auto& [id, why] : verdicts.lost)
            end_of(id, why, false);
        loop.call_after(tick_interval, [this] { tick(); });
    }

    void probe(const PeerId& id) {
        const auto found = peers.find(id);
        if (found == peers.end()) return;
        auto& peer = found->second;
        if (!peer.fresh) peer.fresh = connect(peer.member);
        if (peer.fresh) send(*peer.fresh, {++sequence, {}});
        for (const auto& witness : liveness.witnesses(id, loop.now())) {
            const auto& asked = peers.at(witness);
            if (asked.connection) send(*asked.connection, {++sequence, id});
        }
    }

    void on_event(const PeerId& peer, ConnectionMonitor::Event event) {
        switch (event) {
            case ConnectionMonitor::Event::connected:
                return liveness.connected(peer);
            case ConnectionMonitor::Event::disconnected:
                return liveness.disconnected(peer);
            case ConnectionMonitor::Event::refused:
                if (!liveness.refused(peer)) return;
                liveness.remove(peer);
                return end_of(peer, "its process has ended", true);
        }
    }

    void end_of(const PeerId& peer, const std::string& why, bool ended) {
        retire(peer);
        lost(peer, why, ended);
    }

    void set_heard(const PeerId& peer) {
        const std::lock_guard lock(mutex);
        heard_at[peer] = loop.now();
    }

    void heard(const PeerId& id) {
        const auto found = peers.find(id);
        if (found == peers.end()) return;
        liveness.heard(id, loop.now());
        set_heard(id);
        retire(std::move(found->second.fresh));
    }

    std::optional<wire::Decoded> read(const Frame& frame) {
        auto decoded = wire::decode(frame.text());
        if (decoded) return std::move(*decoded);
        drop(decoded.error());
        return std::nullopt;
    }

    void drop(const Error& error) {
        const std::lock_guard lock(mutex);
        drops.note(loop.now(), error);
    }

    void send(Connection& connection, wire::Ping ping) {
        Message message;
        message.emplace_back(std::string_view(wire::encode({self, 0, false, 0}, ping)));
        connection.socket.try_send(message);
    }

    // Pings of peers and clients: [routing id][PING].
    void drain_router() {
        Message message;
        while (router.try_receive(message)) {
            if (message.size() != 2) {
                drop({Fault::corrupt, "not one frame from a peer"});
                continue;
            }
            const auto decoded = read(message[1]);
            if (!decoded) continue;
            if (const auto* ping = decoded->body.as<wire::Ping>())
                answer(message[0], *ping);
            else
                drop({Fault::unsupported, fmt::format("{} is no heartbeat", wire::name_of(decoded->body))});
            if (proved(decoded->envelope.from, message[1].user())) heard(decoded->envelope.from);
        }
    }

    // Whether who sent it holds the key of the peer that it says to be.
    bool proved(const PeerId& peer, std::string_view key) const {
        const auto found = peers.find(peer);
        return found == peers.end() || found->second.member.key.hex == key;
    }

    void answer(const Frame& routing_id, const wire::Ping& ping) {
        wire::Pong pong{ping.sequence, ping.about, 0};
        if (!ping.about.empty() && ping.about != self) {
            const auto silent = liveness.silent_for(ping.about, loop.now());
            pong.silent_ms = silent ? milliseconds(*silent) : never_heard_ms;
        }
        Message message;
        message.push_back(routing_id.share());
        message.emplace_back(std::string_view(wire::encode({self, 0, true, 0}, pong)));
        router.try_send(message);
    }

    // Pongs of one peer: [PONG].
    void drain(Connection& connection) {
        Message message;
        while (connection.socket.try_receive(message)) {
            const auto decoded = read(message[0]);
            if (!decoded) continue;
            const auto* pong = decoded->body.as<wire::Pong>();
            if (pong == nullptr) {
                drop({Fault::unsupported, fmt::format("{} is no heartbeat", wire::name_of(decoded->body))});
                continue;
            }
            if (!pong->about.empty()) {
                const auto silent = std::min(pong->silent_ms, never_heard_ms);
                liveness.report(pong->about, std::chrono::milliseconds(silent), loop.now());
            }
            if (decoded->envelope.from == connection.peer) heard(decoded->envelope.from);  // last: it may end a fresh connection
        }
    }

    std::unique_ptr<SocketFactory> sockets;  // a context of its own: nothing else may hold up its I/O thread
    const PeerId self;
    const HeartbeatOptions options;
    const Lost lost;
    Endpoint endpoint;
    AsioLoop loop;
    Socket router;
    std::unique_ptr<Socket::Watch> router_watch;
    Liveness liveness;
    std::map<PeerId, Peer> peers;
    std::vector<std::unique_ptr<Connection>> retired;
    std::uint64_t sequence = 0;

    mutable std::mutex mutex;  // of the two below
    std::map<PeerId, TimePoint> heard_at;
    DropLog drops{"heartbeat"};

    std::thread thread;
};

Result<std::unique_ptr<Heartbeat>> Heartbeat::start(const Identity& identity, PeerId self,
                                                    HeartbeatOptions options, Lost lost) {
    auto sockets = std::make_unique<SocketFactory>(identity);
    auto router =
        sockets->make(SocketKind::router, SocketOptions{.high_water_mark = 256, .max_frame_bytes = 4096});
    if (!router) return fail(std::move(router).error());
    auto bound = router->bind(options.endpoint, {.roles = anyone, .keys = {}});
    if (!bound) return fail_in("heartbeat", bound.error());
    auto impl = std::make_unique<Impl>(std::move(sockets), std::move(self), std::move(options), std::move(lost),
                                       std::move(*router));
    impl->endpoint = std::move(*bound);
    impl->loop.post([raw = impl.get()] { raw->begin(); });

    // Signals are the main thread's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    impl->thread = std::thread([raw = impl.get()] { raw->loop.run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(impl->thread.native_handle(), "heartbeat");
    return std::unique_ptr<Heartbeat>(new Heartbeat(std::move(impl)));
}

Heartbeat::Heartbeat(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Heartbeat::~Heartbeat() {
    impl_->loop.post([raw = impl_.get()] { raw->end(); });
    impl_->thread.join();
}

const Endpoint& Heartbeat::endpoint() const {
    return impl_->endpoint;
}

void Heartbeat::add(const wire::Member& member) {
    impl_->loop.post([raw = impl_.get(), member] { raw->add(member); });
}
void Heartbeat::remove(const PeerId& peer) {
    impl_->loop.post([raw = impl_.get(), peer] { raw->remove(peer); });
}
void Heartbeat::cut_connections() {
    impl_->loop.post([raw = impl_.get()] { raw->router.cut_connections(); });
}
void Heartbeat::suspect(const PeerId& peer) {
    impl_->loop.post([raw = impl_.get(), peer] {
        raw->liveness.report(peer, raw->options.silence_limit, raw->loop.now());
    });
}

Duration Heartbeat::silent_for(const PeerId& peer) const {
    const std::lock_guard lock(impl_->mutex);
    const auto found = impl_->heard_at.find(peer);
    return found == impl_->heard_at.end() ? Duration::max() : impl_->loop.now() - found->second;
}

DropLog::Counters Heartbeat::counters() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->drops.counters();
}

}  // namespace fard
