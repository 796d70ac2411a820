#include "runtime/peer/monitor.hpp"

#include <zmq.h>

#include <atomic>
#include <cstring>
#include <optional>

namespace fard {
namespace {

int milliseconds(Duration duration) {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

void set(Socket& socket, int option, int value) {
    zmq_setsockopt(socket.native(), option, &value, sizeof value);
}

constexpr int wanted = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED;

// libzmq closes the descriptor of each attempt to connect that fails; a broken connection it reports as
// disconnected.
std::optional<ConnectionMonitor::Event> meaning_of(std::uint16_t event) {
    switch (event) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            return ConnectionMonitor::Event::connected;
        case ZMQ_EVENT_DISCONNECTED:
            return ConnectionMonitor::Event::disconnected;
        case ZMQ_EVENT_CLOSED:
            return ConnectionMonitor::Event::refused;
        default:
            return std::nullopt;
    }
}

}  // namespace

struct ConnectionMonitor::Impl : std::enable_shared_from_this<ConnectionMonitor::Impl> {
    Impl(Loop& the_loop, Socket& the_socket) : loop(the_loop), watched(the_socket.native()) {}

    ~Impl() {
        if (pair != nullptr) zmq_close(pair);
    }

    Result<> start(void* context) {
        static std::atomic<std::uint64_t> last = 0;
        const auto endpoint = fmt::format("inproc://connections-{}", ++last);
        if (zmq_socket_monitor(watched, endpoint.c_str(), wanted) != 0) return failed();
        pair = zmq_socket(context, ZMQ_PAIR);
        const int linger = 0;
        if (pair == nullptr || zmq_setsockopt(pair, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
            zmq_connect(pair, endpoint.c_str()) != 0) {
            return failed();
        }
        int fd = -1;
        std::size_t size = sizeof fd;
        if (zmq_getsockopt(pair, ZMQ_FD, &fd, &size) != 0) return failed();
        watch_id = loop.watch_readable(fd, [this] { drain(); });
        loop.post([weak = weak_from_this()] {  // the descriptor tells of changes only
            if (const auto impl = weak.lock()) impl->drain();
        });
        return {};
    }

    static tl::unexpected<Error> failed() {
        return fail(Fault::io, "cannot watch a socket's connections: {}", zmq_strerror(zmq_errno()));
    }

    // Everything there is, because the descriptor becomes readable once per change.
    void drain() {
        const auto keep = shared_from_this();  // the handler may end the watch
        while (!stopped) {
            const auto event = next();
            if (!event) return;
            if (const auto meaning = meaning_of(*event)) handler(*meaning);
        }
    }

    // An event is two frames: 16 bits of event and 32 of value, then the endpoint.
    std::optional<std::uint16_t> next() {
        std::uint16_t event = 0;
        for (bool first = true;; first = false) {
            zmq_msg_t frame;
            zmq_msg_init(&frame);
            if (zmq_msg_recv(&frame, pair, ZMQ_DONTWAIT) < 0) {
                const bool again = zmq_errno() == EINTR;
                zmq_msg_close(&frame);
                if (again) continue;
                return std::nullopt;
            }
            if (first && zmq_msg_size(&frame) >= sizeof event)
                std::memcpy(&event, zmq_msg_data(&frame), sizeof event);
            const bool more = zmq_msg_more(&frame) != 0;
            zmq_msg_close(&frame);
            if (!more) return event;
        }
    }

    void stop() {
        stopped = true;
        loop.unwatch(watch_id);
        zmq_socket_monitor(watched, nullptr, 0);
    }

    Loop& loop;
    void* watched;
    void* pair = nullptr;
    Handler handler;
    Loop::WatchId watch_id = 0;
    bool stopped = false;
};

Result<std::unique_ptr<ConnectionMonitor>> ConnectionMonitor::watch(Loop& loop, SocketFactory& sockets,
                                                                    Socket& socket, Handler handler) {
    auto impl = std::make_shared<Impl>(loop, socket);
    impl->handler = std::move(handler);
    if (auto started = impl->start(sockets.native_context()); !started) {
        impl->stop();
        return fail(std::move(started).error());
    }
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
