#include "runtime/peer/heartbeat.hpp"

#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <future>
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

constexpr Duration look_interval = 50ms;
constexpr Duration patience = 350ms;     // with a peer that another one asks about
constexpr unsigned anyone = 0b01110;      // Role: nodes, users, readers
constexpr Duration short_lived = 2s;     // a connection that is used in doubt only
constexpr std::uint64_t never_heard_ms = 1ull << 40;
// A stopped peer shall not find many stale pings when it wakes.
constexpr SocketOptions short_queue{.high_water_mark = 16, .max_frame_bytes = 4096};
constexpr SocketOptions router_queue{.high_water_mark = 256, .max_frame_bytes = 4096};

std::uint64_t milliseconds(Duration duration) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

}  // namespace

struct Heartbeat::Impl {
    Impl(const SocketFactory& others, PeerId the_self, HeartbeatOptions the_options, Lost the_lost)
        : sockets(others.sibling()),
          self(std::move(the_self)),
          options(std::move(the_options)),
          lost(std::move(the_lost)),
          liveness(look_interval, options.silence_limit),
          inquiries(patience) {}

    // One connection to a peer's heartbeat ROUTER.
    struct Connection {
        Connection(Socket the_socket, PeerId the_peer) : socket(std::move(the_socket)), peer(std::move(the_peer)) {}
        Socket socket;
        PeerId peer;
        std::unique_ptr<Socket::Watch> watch;
        std::unique_ptr<ConnectionMonitor> monitor;  // of one that is kept
        TimePoint until{};                           // of one that is not
    };

    // ---- on the heartbeat's thread from here on

    // Before everything else on a busy board, where that is allowed; libzmq's own thread is started by the first socket
    // and inherits it.
    Result<> open() {
        static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), -10));
        auto made = sockets->make(SocketKind::router, router_queue);
        if (!made) return fail(std::move(made).error());
        auto bound = made->bind(options.endpoint, {.roles = anyone, .keys = {}});
        if (!bound) return fail_in("heartbeat", bound.error());
        endpoint = std::move(*bound);
        router.emplace(std::move(*made));
        router_watch = router->watch(loop, [this] { drain_router(); });
        tick();
        beat();
        return {};
    }

    void run(std::promise<Result<>> opened) {
        auto result = open();
        const bool good = result.has_value();
        opened.set_value(std::move(result));
        if (good) loop.run();
        steady.clear();
        passing.clear();
        retired.clear();
        router_watch.reset();
        router.reset();
    }

    std::unique_ptr<Connection> connect(const PeerId& peer, bool kept) {
        const auto member = members.find(peer);
        if (member == members.end()) return nullptr;
        auto socket = sockets->make(SocketKind::dealer, short_queue);
        if (!socket) return cannot(member->second, socket.error());
        set_reconnect(*socket, 20ms, 250ms);
        auto connection = std::make_unique<Connection>(std::move(*socket), peer);
        connection->until = loop.now() + short_lived;
        if (kept) {
            auto monitor = ConnectionMonitor::watch(
                loop, *sockets, connection->socket,
                [this, peer](ConnectionMonitor::Event event) { on_event(peer, event); });
            if (!monitor) return cannot(member->second, monitor.error());
            connection->monitor = std::move(*monitor);
        }
        if (auto connected = connection->socket.connect(Address{member->second.heartbeat, member->second.key}); !connected)
            return cannot(member->second, connected.error());
        connection->watch = connection->socket.watch(loop, [this, raw = connection.get()] { drain(*raw); });
        return connection;
    }

    // Such a peer is only heard by its own pings.
    std::unique_ptr<Connection> cannot(const wire::Member& member, const Error& error) {
        spdlog::error("heartbeat: board {}: {}", member.name, error.message);
        return nullptr;
    }

    void watch(const std::vector<PeerId>& behind, const std::vector<PeerId>& before) {
        std::set<PeerId> watched(behind.begin(), behind.end());
        for (auto place = steady.begin(); place != steady.end();) {
            if (!watched.contains(place->first)) {
                retire(std::move(place->second));
                place = steady.erase(place);
            } else {
                ++place;
            }
        }
        watched.insert(before.begin(), before.end());
        liveness.watch(watched, loop.now());
        for (const auto& peer : behind) {
            auto& connection = steady[peer];
            if (connection) continue;
            connection = connect(peer, true);
            if (connection) send(*connection, {++sequence, {}});
        }
        const std::lock_guard lock(mutex);
        std::erase_if(heard_at, [&](const auto& entry) { return !watched.contains(entry.first); });
        for (const auto& peer : watched)
            heard_at.try_emplace(peer, loop.now());
    }

    void remove(const PeerId& peer) {
        members.erase(peer);
        liveness.remove(peer);
        for (auto* connections : {&steady, &passing}) {
            const auto found = connections->find(peer);
            if (found == connections->end()) continue;
            retire(std::move(found->second));
            connections->erase(found);
        }
        const std::lock_guard lock(mutex);
        heard_at.erase(peer);
    }

    // A connection goes later, because it may be calling us.
    void retire(std::unique_ptr<Connection> connection) {
        if (!connection) return;
        retired.push_back(std::move(connection));
        loop.post([this] { retired.clear(); });
    }

    void beat() {
        for (auto& [id, connection] : steady)
            if (connection) send(*connection, {++sequence, {}});
        loop.call_after(options.interval, [this] { beat(); });
    }

    void tick() {
        const auto now = loop.now();
        const auto verdicts = liveness.tick(now);
        is_alone = liveness.alone(now);
        for (const auto& id : verdicts.probe)
            probe(id);
        for (const auto& [id, why] : verdicts.lost)
            end_of({id, why, false, is_alone});
        for (const auto& [about, askers] : inquiries.expire(now))
            for (const auto& asker : askers)
                answer(asker.way, {asker.sequence, about, never_heard_ms});
        for (auto place = passing.begin(); place != passing.end();) {
            if (place->second->until > now) {
                ++place;
                continue;
            }
            retire(std::move(place->second));
            place = passing.erase(place);
        }
        loop.call_after(look_interval, [this] { tick(); });
    }

    void probe(const PeerId& id) {
        ask_freshly(id, {++sequence, {}});
        for (const auto& witness : liveness.witnesses(id, loop.now())) {
            const auto kept = steady.find(witness);
            if (kept != steady.end() && kept->second)
                send(*kept->second, {++sequence, id});
            else
                ask_freshly(witness, {++sequence, id});
        }
    }

    // Over a connection that is not the one by which it was heard so far.
    void ask_freshly(const PeerId& id, const wire::Ping& ping) {
        auto& connection = passing[id];
        if (!connection) connection = connect(id, false);
        if (!connection) {
            passing.erase(id);
            return;
        }
        connection->until = loop.now() + short_lived;
        send(*connection, ping);
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
                return end_of({peer, "its process has ended", true, false});
            case ConnectionMonitor::Event::accepted:  // of what is bound
            case ConnectionMonitor::Event::revoked:   // it has nothing more to do with us, and says so to the mesh
            case ConnectionMonitor::Event::otherwise:
                return;
        }
    }

    void end_of(const Loss& loss) {
        if (const auto found = steady.find(loss.peer); found != steady.end()) {
            retire(std::move(found->second));
            steady.erase(found);
        }
        lost(loss);
    }

    void heard(const PeerId& id) {
        for (const auto& asker : inquiries.heard(id))
            answer(asker.way, {asker.sequence, id, 0});
        if (!liveness.contains(id)) return;
        liveness.heard(id, loop.now());
        const std::lock_guard lock(mutex);
        heard_at[id] = loop.now();
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

    void send(Connection& connection, const wire::Ping& ping) {
        Message message;
        message.emplace_back(std::string_view(wire::encode({self, 0, false, 0}, ping)));
        connection.socket.try_send(message);
    }

    // Pings of peers and clients: [routing id][PING].
    void drain_router() {
        Message message;
        while (router->try_receive(message)) {
            if (message.size() != 2) {
                drop({Fault::corrupt, "not one frame from a peer"});
                continue;
            }
            const auto decoded = read(message[1]);
            if (!decoded) continue;
            if (const auto* ping = decoded->body.as<wire::Ping>())
                take(message[0], *ping);
            else
                drop({Fault::unsupported, fmt::format("{} is no heartbeat", wire::name_of(decoded->body))});
            if (proved(decoded->envelope.from, message[1].user())) heard(decoded->envelope.from);
        }
    }

    // Whether who sent it holds the key of the peer that it says to be.
    bool proved(const PeerId& peer, std::string_view key) const {
        const auto found = members.find(peer);
        return found == members.end() || found->second.key.hex == key;
    }

    // Whom we do not watch we ask first.
    void take(const Frame& routing_id, const wire::Ping& ping) {
        const auto way = std::string(routing_id.text());
        wire::Pong pong{ping.sequence, ping.about, 0};
        if (ping.about.empty() || ping.about == self) return answer(way, pong);
        const auto now = loop.now();
        const auto silent = liveness.silent_for(ping.about, now);
        pong.silent_ms = silent ? milliseconds(*silent) : never_heard_ms;
        if (silent || !members.contains(ping.about)) return answer(way, pong);
        if (inquiries.begin(ping.about, {way, ping.sequence}, now)) ask_freshly(ping.about, {++sequence, {}});
    }

    void answer(const std::string& way, const wire::Pong& pong) {
        Message message;
        message.emplace_back(std::string_view(way));
        message.emplace_back(std::string_view(wire::encode({self, 0, true, 0}, pong)));
        router->try_send(message);
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
            if (decoded->envelope.from == connection.peer) heard(decoded->envelope.from);
        }
    }

    std::unique_ptr<SocketFactory> sockets;
    const PeerId self;
    const HeartbeatOptions options;
    const Lost lost;
    Endpoint endpoint;
    AsioLoop loop;
    std::optional<Socket> router;
    std::unique_ptr<Socket::Watch> router_watch;
    std::map<PeerId, wire::Member> members;
    Liveness liveness;
    Inquiries inquiries;
    std::map<PeerId, std::unique_ptr<Connection>> steady;   // to whom we send heartbeats
    std::map<PeerId, std::unique_ptr<Connection>> passing;  // of use when somebody is silent
    std::vector<std::unique_ptr<Connection>> retired;
    std::uint64_t sequence = 0;
    std::atomic<bool> is_alone = false;

    mutable std::mutex mutex;  // of the two below
    std::map<PeerId, TimePoint> heard_at;  // of those that we watch
    DropLog drops{"heartbeat"};

    std::thread thread;
};

Result<std::unique_ptr<Heartbeat>> Heartbeat::start(const SocketFactory& sockets, PeerId self,
                                                    HeartbeatOptions options, Lost lost) {
    auto impl = std::make_unique<Impl>(sockets, std::move(self), std::move(options), std::move(lost));
    std::promise<Result<>> promise;
    auto opened = promise.get_future();

    // Signals are the main thread's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    impl->thread = std::thread([raw = impl.get(), &promise] { raw->run(std::move(promise)); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(impl->thread.native_handle(), "heartbeat");
    auto result = opened.get();
    std::unique_ptr<Heartbeat> heartbeat(new Heartbeat(std::move(impl)));
    if (!result) return fail(std::move(result).error());
    return heartbeat;
}

Heartbeat::Heartbeat(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Heartbeat::~Heartbeat() {
    impl_->loop.post([raw = impl_.get()] { raw->loop.stop(); });
    impl_->thread.join();
}

void Heartbeat::cut_connections() {
    impl_->loop.post([raw = impl_.get()] { raw->router->cut_connections(); });
}

const Endpoint& Heartbeat::endpoint() const {
    return impl_->endpoint;
}

void Heartbeat::add(const wire::Member& member) {
    impl_->loop.post([raw = impl_.get(), member] { raw->members[member.peer] = member; });
}
void Heartbeat::remove(const PeerId& peer) {
    impl_->loop.post([raw = impl_.get(), peer] { raw->remove(peer); });
}
void Heartbeat::watch(std::vector<PeerId> behind, std::vector<PeerId> before) {
    impl_->loop.post([raw = impl_.get(), behind = std::move(behind), before = std::move(before)] {
        raw->watch(behind, before);
    });
}

Duration Heartbeat::silent_for(const PeerId& peer) const {
    const std::lock_guard lock(impl_->mutex);
    const auto found = impl_->heard_at.find(peer);
    return found == impl_->heard_at.end() ? Duration::max() : impl_->loop.now() - found->second;
}

bool Heartbeat::alone() const {
    return impl_->is_alone;
}

DropLog::Counters Heartbeat::counters() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->drops.counters();
}

}  // namespace fard
