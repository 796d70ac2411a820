#include "runtime/peer/monitor.hpp"

#include <zmq.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <utility>

#include "runtime/peer/zap.hpp"

namespace fard {
namespace {

int milliseconds(Duration duration) {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

void set(Socket& socket, int option, int value) {
    zmq_setsockopt(socket.native(), option, &value, sizeof value);
}

constexpr int wanted = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

struct RawEvent {
    std::uint16_t event = 0;
    std::uint32_t value = 0;
};

// libzmq closes the descriptor of each attempt to connect that fails; a broken connection it reports as
// disconnected.
std::optional<ConnectionEvent> meaning_of(const RawEvent& raw) {
    switch (raw.event) {
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            return raw.value == revoked_status ? std::optional(ConnectionEvent::revoked) : std::nullopt;
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
            return raw.value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? std::optional(ConnectionEvent::otherwise) : std::nullopt;
        case ZMQ_EVENT_ACCEPTED:
            return ConnectionEvent::accepted;
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            return ConnectionEvent::connected;
        case ZMQ_EVENT_DISCONNECTED:
            return ConnectionEvent::disconnected;
        case ZMQ_EVENT_CLOSED:
            return ConnectionEvent::refused;
        default:
            return std::nullopt;
    }
}

tl::unexpected<Error> cannot_watch() {
    return fail(Fault::io, "cannot watch a socket's connections: {}", zmq_strerror(zmq_errno()));
}

// An event is two frames: 16 bits of event and 32 of value, then the endpoint.
std::optional<RawEvent> take_event(void* pair) {
    RawEvent event;
    for (bool first = true;; first = false) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, pair, ZMQ_DONTWAIT) < 0) {
            const bool again = zmq_errno() == EINTR;
            zmq_msg_close(&frame);
            if (again) continue;
            return std::nullopt;
        }
        if (first && zmq_msg_size(&frame) >= sizeof event.event + sizeof event.value) {
            const auto* bytes = static_cast<const char*>(zmq_msg_data(&frame));
            std::memcpy(&event.event, bytes, sizeof event.event);
            std::memcpy(&event.value, bytes + sizeof event.event, sizeof event.value);
        }
        const bool more = zmq_msg_more(&frame) != 0;
        zmq_msg_close(&frame);
        if (!more) return event;
    }
}

}  // namespace

// ---- ConnectionLog

Result<ConnectionLog> ConnectionLog::open(SocketFactory& sockets, Socket& socket) {
    static std::atomic<std::uint64_t> last = 0;
    const auto endpoint = fmt::format("inproc://connections-{}", ++last);
    if (zmq_socket_monitor(socket.native(), endpoint.c_str(), wanted) != 0) return cannot_watch();
    ConnectionLog log(socket.native(), zmq_socket(sockets.native_context(), ZMQ_PAIR));
    const int linger = 0;
    if (log.pair_ == nullptr || zmq_setsockopt(log.pair_, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
        zmq_connect(log.pair_, endpoint.c_str()) != 0)
        return cannot_watch();
    return log;
}

ConnectionLog::ConnectionLog(ConnectionLog&& other) noexcept
    : watched_(std::exchange(other.watched_, nullptr)), pair_(std::exchange(other.pair_, nullptr)) {}

ConnectionLog& ConnectionLog::operator=(ConnectionLog&& other) noexcept {
    std::swap(watched_, other.watched_);
    std::swap(pair_, other.pair_);
    return *this;
}

ConnectionLog::~ConnectionLog() {
    if (watched_ != nullptr) zmq_socket_monitor(watched_, nullptr, 0);
    if (pair_ != nullptr) zmq_close(pair_);
}

std::optional<ConnectionEvent> ConnectionLog::next() {
    while (const auto event = take_event(pair_))
        if (const auto meaning = meaning_of(*event)) return meaning;
    return std::nullopt;
}

int ConnectionLog::fd() const {
    int fd = -1;
    std::size_t size = sizeof fd;
    zmq_getsockopt(pair_, ZMQ_FD, &fd, &size);
    return fd;
}

// ---- ConnectionMonitor

struct ConnectionMonitor::Impl : std::enable_shared_from_this<ConnectionMonitor::Impl> {
    Impl(Loop& the_loop, ConnectionLog the_log, Handler the_handler)
        : loop(the_loop), log(std::move(the_log)), handler(std::move(the_handler)) {}

    void start() {
        watch_id = loop.watch_readable(log->fd(), [this] { drain(); });
        loop.post([weak = weak_from_this()] {  // the descriptor tells of changes only
            if (const auto impl = weak.lock()) impl->drain();
        });
    }

    // Everything there is, because the descriptor becomes readable once per change.
    void drain() {
        const auto keep = shared_from_this();  // the handler may end the watch
        while (log) {
            const auto event = log->next();
            if (!event) return;
            handler(*event);
        }
    }

    void stop() {
        loop.unwatch(watch_id);
        log.reset();
    }

    Loop& loop;
    std::optional<ConnectionLog> log;
    Handler handler;
    Loop::WatchId watch_id = 0;
};

Result<std::unique_ptr<ConnectionMonitor>> ConnectionMonitor::watch(Loop& loop, SocketFactory& sockets,
                                                                    Socket& socket, Handler handler) {
    auto log = ConnectionLog::open(sockets, socket);
    if (!log) return fail(std::move(log).error());
    auto impl = std::make_shared<Impl>(loop, std::move(*log), std::move(handler));
    impl->start();
    return std::unique_ptr<ConnectionMonitor>(new ConnectionMonitor(std::move(impl)));
}

ConnectionMonitor::ConnectionMonitor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConnectionMonitor::~ConnectionMonitor() {
    impl_->stop();
}

void set_reconnect(Socket& socket, Duration first, Duration longest) {
    set(socket, ZMQ_RECONNECT_IVL, milliseconds(first));
    set(socket, ZMQ_RECONNECT_IVL_MAX, milliseconds(longest));
}

void set_linger(Socket& socket, Duration linger) {
    set(socket, ZMQ_LINGER, milliseconds(linger));
}

}  // namespace fard
