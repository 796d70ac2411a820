#include "runtime/peer/socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <new>
#include <utility>

#include "base/room.hpp"

namespace fard {

static_assert(sizeof(zmq_msg_t) == 64 && alignof(zmq_msg_t) <= 8);

// ---- Frame

namespace {
zmq_msg_t* message_of(void* storage) {
    return static_cast<zmq_msg_t*>(storage);
}
}  // namespace

Frame::Frame() noexcept {
    zmq_msg_init(message_of(storage_));
}

Frame::Frame(std::size_t bytes) {
    if (zmq_msg_init_size(message_of(storage_), bytes) != 0) throw std::bad_alloc();
}

Frame::Frame(std::string_view bytes) : Frame(bytes.size()) {
    if (!bytes.empty()) std::memcpy(zmq_msg_data(message_of(storage_)), bytes.data(), bytes.size());
}

Frame::Frame(Frame&& other) noexcept : Frame() {
    zmq_msg_move(message_of(storage_), message_of(other.storage_));
}

Frame& Frame::operator=(Frame&& other) noexcept {
    if (this != &other) zmq_msg_move(message_of(storage_), message_of(other.storage_));
    return *this;
}

Frame::~Frame() {
    zmq_msg_close(message_of(storage_));
}

Frame Frame::share() const {
    Frame other;
    zmq_msg_copy(message_of(other.storage_), message_of(const_cast<std::byte*>(storage_)));
    return other;
}

std::span<const std::byte> Frame::bytes() const {
    auto* message = message_of(const_cast<std::byte*>(storage_));
    return {static_cast<const std::byte*>(zmq_msg_data(message)), zmq_msg_size(message)};
}

std::span<std::byte> Frame::writable() {
    auto* message = message_of(storage_);
    return {static_cast<std::byte*>(zmq_msg_data(message)), zmq_msg_size(message)};
}

std::string_view Frame::text() const {
    const auto view = bytes();
    return {reinterpret_cast<const char*>(view.data()), view.size()};
}

std::size_t Frame::size() const {
    return zmq_msg_size(message_of(const_cast<std::byte*>(storage_)));
}

std::string_view Frame::user() const {
    const char* user = zmq_msg_gets(message_of(const_cast<std::byte*>(storage_)), "User-Id");
    return user == nullptr ? std::string_view() : std::string_view(user);
}

void* Frame::native() {
    return storage_;
}

// ---- where a socket may be bound

namespace {

// libzmq replaces a socket file that is there, even one that another process serves: ask it first.
bool somebody_listens(const std::string& file) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (file.size() >= sizeof address.sun_path || access(file.c_str(), F_OK) != 0) return false;
    std::memcpy(address.sun_path, file.c_str(), file.size() + 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    const bool connected =
        ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN;
    ::close(fd);
    return connected;
}

// And it removes any other file that is there: nobody's, if that is no socket.
bool is_no_socket(const std::string& file) {
    struct stat status {};
    return ::lstat(file.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode);
}

tl::unexpected<Error> explain(const char* what, const Endpoint& endpoint, int code) {
    switch (code) {
        case EADDRINUSE:
            return fail(Fault::io,
                        "cannot {} {}: the address is in use by another process; stop it or choose another",
                        what, endpoint);
        case EADDRNOTAVAIL:
        case ENODEV:
            return fail(Fault::io, "cannot {} {}: this machine has no such address or interface", what,
                        endpoint);
        case EACCES:
            return fail(Fault::io, "cannot {} {}: permission denied", what, endpoint);
        case ENOENT:
            return fail(Fault::io, "cannot {} {}: its directory does not exist", what, endpoint);
        case ENAMETOOLONG:
            return fail(Fault::invalid_input, "cannot {} {}: the path of a socket has at most 107 bytes",
                        what, endpoint);
        case EINVAL:
        case EPROTONOSUPPORT:
            return fail(Fault::invalid_input,
                        "cannot {} '{}': not an endpoint (expected tcp://ADDRESS:PORT or ipc://PATH)", what,
                        endpoint);
        default:
            return fail(Fault::io, "cannot {} {}: {}", what, endpoint, zmq_strerror(code));
    }
}

int events_of(void* socket) {
    int events = 0;
    std::size_t size = sizeof events;
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 ? events : 0;
}

struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
    friend bool operator==(const FileId&, const FileId&) = default;
};

FileId id_of(const std::string& file) {
    struct stat info {};
    return ::stat(file.c_str(), &info) == 0 ? FileId{info.st_dev, info.st_ino} : FileId{};
}

}  // namespace

// ---- Watch

// ZMQ_FD becomes readable once per change and every call on the socket may swallow that, so after each call
// and each callback ZMQ_EVENTS is looked at once more from the loop.
struct Socket::Watch::State : std::enable_shared_from_this<State> {
    Loop* loop = nullptr;
    void* socket = nullptr;  // nullptr once the socket is closed
    short wanted = ZMQ_POLLIN;
    std::function<void()> on_ready;
    Loop::WatchId watch = 0;
    bool check_posted = false;
    State** announced_at = nullptr;  // where the socket keeps this state; nullptr once the socket is closed

    bool ready() const { return socket != nullptr && (events_of(socket) & wanted) != 0; }

    void check() {
        if (!ready()) return;
        const auto keep = shared_from_this();  // the callback may end the watch
        on_ready();                            // its try_receive posts the next check
    }

    void post_check() {
        if (check_posted || loop == nullptr) return;
        check_posted = true;
        loop->post([weak = weak_from_this()] {
            const auto state = weak.lock();
            if (!state) return;
            state->check_posted = false;
            if (state->loop != nullptr) state->check();
        });
    }

    void stop() {
        if (loop != nullptr && watch != 0) loop->unwatch(watch);
        if (announced_at != nullptr) *announced_at = nullptr;
        loop = nullptr;
        socket = nullptr;
        watch = 0;
        announced_at = nullptr;
    }
};

Socket::Watch::Watch(std::shared_ptr<State> state) : state_(std::move(state)) {}

Socket::Watch::~Watch() {
    joined_.clear();
    state_->stop();
}

void Socket::Watch::join(std::shared_ptr<void> other) {
    joined_.push_back(std::move(other));
}

// ---- Socket

struct SocketFactory::Impl {
    Impl(Identity whose, Receipt how) : identity(std::move(whose)), receipt(how) {}

    // The handler's thread starts with the first socket that needs it.
    ZapHandler& zap() {
        const std::lock_guard lock(mutex);
        if (!handler) handler = std::make_unique<ZapHandler>(context, identity.ring(), identity.report());
        return *handler;
    }

    const Identity identity;
    const Receipt receipt;
    void* context = zmq_ctx_new();
    std::mutex mutex;
    std::unique_ptr<ZapHandler> handler;
};

Identity Identity::insecure() {
    Identity identity;
    identity.insecure_ = true;
    return identity;
}

Identity Identity::keyed(KeyPair keys, std::shared_ptr<KeyRing> ring, ZapHandler::Report report) {
    Identity identity;
    identity.keys_ = std::move(keys);
    identity.ring_ = std::move(ring);
    identity.report_ = std::move(report);
    return identity;
}

struct Socket::Impl {
    Impl(void* made, SocketKind made_as, SocketFactory::Impl& made_by)
        : socket(made), kind(made_as), factory(made_by) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    ~Impl() {
        if (watch != nullptr) watch->stop();
        for (const auto& [file, id] : files)
            if (id_of(file) == id) ::unlink(file.c_str());
        zmq_close(socket);
        forget_domain();
    }

    void forget_domain();
    void ask_before_admitting(Admission admission);
    void use_keys_towards(const PublicKey& key);
    void use_no_keys();

    void changed() {
        if (watch != nullptr) watch->post_check();
    }

    void* socket;
    SocketKind kind;
    SocketFactory::Impl& factory;
    std::string domain;                 // of ZAP, once bound with keys
    std::vector<std::uint16_t> ports;   // bound over tcp
    std::vector<std::pair<std::string, FileId>> files;  // of ipc endpoints that this socket has bound
    Watch::State* watch = nullptr;
};

Socket::Socket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Socket::Socket(Socket&&) noexcept = default;
Socket& Socket::operator=(Socket&&) noexcept = default;
Socket::~Socket() = default;

namespace {

void allow_ipv6_if_meant(void* socket, const Endpoint& endpoint) {
    const int ipv6 = endpoint.is_ipv6() ? 1 : 0;
    zmq_setsockopt(socket, ZMQ_IPV6, &ipv6, sizeof ipv6);
}

}  // namespace

void Socket::Impl::ask_before_admitting(Admission admission) {
    const auto& keys = factory.identity.keys();
    const int server = 1;
    zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &server, sizeof server);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys.secret.bytes(), 32);
    if (domain.empty())
        domain = factory.zap().add(std::move(admission));
    else
        factory.zap().set(domain, std::move(admission));
    zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain.data(), domain.size());
}

void Socket::Impl::use_keys_towards(const PublicKey& key) {
    const auto& keys = factory.identity.keys();
    const auto ours = bytes_of(keys.public_key), theirs = bytes_of(key);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, theirs.data(), theirs.size());
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, ours.data(), ours.size());
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys.secret.bytes(), 32);
}

void Socket::Impl::use_no_keys() {
    const int server = 0;
    zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &server, sizeof server);
    zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, "", 0);
}

void Socket::Impl::forget_domain() {
    if (!domain.empty()) factory.zap().remove(domain);
}

Result<Endpoint> Socket::bind(const Endpoint& endpoint, Admission admission) {
    const auto& identity = impl_->factory.identity;
    if (endpoint.empty()) return explain("bind", endpoint, EINVAL);
    if (!identity.is_insecure() && !identity.has_keys() && !endpoint.is_on_this_machine())
        return fail(Fault::refused,
                    "will not bind {}: other machines can reach it and there are no keys; `fard init` makes some, or "
                    "bind to loopback (tcp://127.0.0.1:PORT), or let fardd be open to whoever reaches it with --insecure",
                    endpoint);
    const auto file = endpoint.path();
    if (!file.empty() && is_no_socket(file))
        return fail(Fault::io, "cannot bind {}: that is there already and is no socket; it is left alone, choose another path",
                    endpoint);
    if (!file.empty() && somebody_listens(file)) return explain("bind", endpoint, EADDRINUSE);
    allow_ipv6_if_meant(impl_->socket, endpoint);
    if (identity.has_keys() && endpoint.is_tcp())
        impl_->ask_before_admitting(std::move(admission));
    else
        impl_->use_no_keys();
    if (zmq_bind(impl_->socket, endpoint.text().c_str()) != 0) return explain("bind", endpoint, zmq_errno());
    if (!file.empty()) {
        ::chmod(file.c_str(), 0600);
        impl_->files.emplace_back(file, id_of(file));
    }
    char bound[1024] = {};
    std::size_t size = sizeof bound;
    if (zmq_getsockopt(impl_->socket, ZMQ_LAST_ENDPOINT, bound, &size) != 0)
        return explain("bind", endpoint, zmq_errno());
    auto parsed = Endpoint::parse(bound);
    if (parsed && parsed->is_tcp()) impl_->ports.push_back(parsed->port());
    return parsed;
}

void Socket::admit(std::vector<PublicKey> keys) {
    if (!impl_->domain.empty()) impl_->factory.zap().set(impl_->domain, {0, std::move(keys), false});
}

Result<> Socket::connect(const Address& address) {
    const auto& endpoint = address.endpoint;
    const bool keyed = impl_->factory.identity.has_keys() && endpoint.is_tcp();
    if (!endpoint.is_connectable()) return explain("connect to", endpoint, EINVAL);
    if (keyed && address.key.empty())
        return fail(Fault::refused, "will not connect to {} without knowing its key; give it as {}#KEY, or go without keys of your own "
                                    "(FARD_KEYS=none) to a node that has none", endpoint, endpoint);
    if (!keyed && !address.key.empty() && endpoint.is_tcp())
        return fail(Fault::refused, "{} wants a key and there is none here; `fard join` gets one", endpoint);
    allow_ipv6_if_meant(impl_->socket, endpoint);
    if (keyed)
        impl_->use_keys_towards(address.key);
    else
        impl_->use_no_keys();
    if (zmq_connect(impl_->socket, endpoint.text().c_str()) != 0)
        return explain("connect to", endpoint, zmq_errno());
    impl_->changed();
    return {};
}

namespace {

std::uint16_t port_of(const sockaddr_storage& address) {
    if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
    return 0;
}

// A connection of this process whose own end is that port: one that was accepted there.
bool is_accepted_at(int fd, std::uint16_t port) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 || port_of(address) != port) return false;
    size = sizeof address;
    return ::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
}

}  // namespace

// libzmq offers no way to end a connection, but it notices one that has been ended.
void Socket::cut_connections() {
    if (impl_->ports.empty()) return;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
        const int fd = std::atoi(entry.path().filename().c_str());
        for (const auto port : impl_->ports)
            if (is_accepted_at(fd, port)) ::shutdown(fd, SHUT_RDWR);
    }
}

void Socket::disconnect(const Endpoint& endpoint) {
    zmq_disconnect(impl_->socket, endpoint.text().c_str());
    impl_->changed();
}

void Socket::subscribe(std::string_view topic) {
    assert(impl_->kind == SocketKind::sub);
    zmq_setsockopt(impl_->socket, ZMQ_SUBSCRIBE, topic.data(), topic.size());
    impl_->changed();
}

namespace {

// zmq_msg_send that a signal does not interrupt. `flags`: ZMQ_SNDMORE or 0.
bool send_frame(void* socket, Frame& frame, int flags) {
    while (zmq_msg_send(message_of(frame.native()), socket, ZMQ_DONTWAIT | flags) < 0)
        if (zmq_errno() != EINTR) return false;
    return true;
}

}  // namespace

// libzmq looks for news of its connections only now and then while it sends; asking for ZMQ_EVENTS makes it
// look. So false means that there was no place after all news, and the next news make fd() readable.
bool Socket::try_send_frame(Frame& frame, Part part) {
    const int flags = part == Part::more ? ZMQ_SNDMORE : 0;
    return send_frame(impl_->socket, frame, flags) ||
           ((events_of(impl_->socket) & ZMQ_POLLOUT) != 0 && send_frame(impl_->socket, frame, flags));
}

Socket::Part Socket::receive_frame(Frame& frame, Wait wait) {
    const int flags = wait == Wait::no ? ZMQ_DONTWAIT : 0;
    while (zmq_msg_recv(message_of(frame.native()), impl_->socket, flags) < 0)
        if (wait != Wait::no || zmq_errno() != EINTR) return Part::none;
    return zmq_msg_more(message_of(frame.native())) ? Part::more : Part::last;
}

bool Socket::try_send(Message& message) {
    assert(!message.empty());
    bool queued = true;
    for (std::size_t i = 0; i < message.size() && queued; ++i) {
        const bool sent = try_send_frame(message[i], i + 1 < message.size() ? Part::more : Part::last);
        // A later frame fails only when the connection broke; libzmq then drops the rest of the message,
        // which it must still be given to know where the next one starts.
        queued = sent || i > 0;
    }
    impl_->changed();
    return queued;
}

bool Socket::try_receive(Message& message) {
    std::size_t count = 0;
    for (Part part = Part::more; part == Part::more;) {
        if (message.size() == count) message.emplace_back();
        part = receive_frame(message[count], Wait::no);
        if (part != Part::none) ++count;
    }
    message.resize(count);
    impl_->changed();
    return count > 0;
}

int Socket::fd() const {
    int fd = -1;
    std::size_t size = sizeof fd;
    zmq_getsockopt(impl_->socket, ZMQ_FD, &fd, &size);
    return fd;
}

void* Socket::native() const {
    return impl_->socket;
}

bool Socket::writable() {
    const bool writable = (events_of(impl_->socket) & ZMQ_POLLOUT) != 0;
    impl_->changed();
    return writable;
}

std::unique_ptr<Socket::Watch> Socket::watch(Loop& loop, std::function<void()> on_ready) {
    assert(impl_->watch == nullptr);
    auto state = std::make_shared<Watch::State>();
    state->loop = &loop;
    state->socket = impl_->socket;
    state->wanted =
        impl_->kind == SocketKind::push || impl_->kind == SocketKind::pub ? ZMQ_POLLOUT : ZMQ_POLLIN;
    state->on_ready = std::move(on_ready);
    state->watch = loop.watch_readable(fd(), [raw = state.get()] { raw->check(); });
    state->post_check();  // what came before the watch is announced too
    impl_->watch = state.get();
    state->announced_at = &impl_->watch;
    return std::make_unique<Watch>(std::move(state));
}

void Socket::recheck() {
    impl_->changed();
}

// ---- SocketFactory

namespace {
constexpr int zero_copy_receive = 10;  // ZMQ_ZERO_COPY_RECV: in libzmq since 4.3.2, in its header among drafts
}  // namespace

SocketFactory::SocketFactory(Identity identity, Receipt receipt)
    : impl_(std::make_unique<Impl>(std::move(identity), receipt)) {
    if (impl_->context == nullptr) throw std::bad_alloc();
    zmq_ctx_set(impl_->context, ZMQ_MAX_SOCKETS, 8192);
    zmq_ctx_set(impl_->context, ZMQ_BLOCKY, 0);
    zmq_ctx_set(impl_->context, zero_copy_receive, receipt == Receipt::shared ? 1 : 0);
}

SocketFactory::~SocketFactory() {
    impl_->handler.reset();
    while (zmq_ctx_term(impl_->context) != 0 && zmq_errno() == EINTR) {
    }
}

namespace {
int native_kind(SocketKind kind) {
    switch (kind) {
        case SocketKind::pub:
            return ZMQ_PUB;
        case SocketKind::sub:
            return ZMQ_SUB;
        case SocketKind::router:
            return ZMQ_ROUTER;
        case SocketKind::dealer:
            return ZMQ_DEALER;
        case SocketKind::push:
            return ZMQ_PUSH;
        case SocketKind::pull:
            return ZMQ_PULL;
    }
    return -1;
}
}  // namespace

namespace {

// A machine that loses its power or its cable says nothing: what waits for it is thrown away after 10 s, not after the
// quarter of an hour that TCP would try, and so is the connection of somebody to whom nothing is sent. Not on links,
// where who is slow may keep the others waiting for as long as it likes.
void give_up_on_the_dead(void* socket) {
    const std::pair<int, int> limits[] = {{ZMQ_TCP_MAXRT, 10'000},
                                          {ZMQ_TCP_KEEPALIVE, 1},
                                          {ZMQ_TCP_KEEPALIVE_IDLE, 5},
                                          {ZMQ_TCP_KEEPALIVE_INTVL, 2},
                                          {ZMQ_TCP_KEEPALIVE_CNT, 3}};
    for (const auto& [option, value] : limits)
        zmq_setsockopt(socket, option, &value, sizeof value);
}

}  // namespace

Result<Socket> SocketFactory::make(SocketKind kind, SocketOptions options) {
    if (options.high_water_mark < 1)
        return fail(Fault::invalid_input, "a socket's high-water mark must be at least 1, not {}",
                    options.high_water_mark);
    // What wakes the socket and its watch, its connection, and what the context begins with.
    constexpr std::size_t descriptors_of_a_socket = 10;
    if (auto room = check_descriptors(descriptors_of_a_socket); !room) return fail_in("cannot make a socket", room.error());
    void* made = zmq_socket(impl_->context, native_kind(kind));
    if (made == nullptr) return fail(Fault::io, "cannot make a socket: {}", zmq_strerror(zmq_errno()));
    const int linger = 0, immediate = options.immediate ? 1 : 0, mark = options.high_water_mark;
    // libzmq keeps who proved a key as a message of each connection's queue, which is never read out: a mark of one would
    // let nothing through.
    const int taken = mark + (impl_->identity.has_keys() ? 1 : 0);
    zmq_setsockopt(made, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(made, ZMQ_SNDHWM, &mark, sizeof mark);
    zmq_setsockopt(made, ZMQ_RCVHWM, &taken, sizeof taken);
    zmq_setsockopt(made, ZMQ_IMMEDIATE, &immediate, sizeof immediate);
    if (kind != SocketKind::push && kind != SocketKind::pull) give_up_on_the_dead(made);
    // What encryption adds counts, too: the name of the command, the nonce, the flags and the code that authenticates it.
    constexpr std::int64_t curve_bytes = 8 + 8 + 1 + 16;
    const auto most = options.max_frame_bytes + (impl_->identity.has_keys() ? curve_bytes : 0);
    zmq_setsockopt(made, ZMQ_MAXMSGSIZE, &most, sizeof most);
    return Socket(std::make_unique<Socket::Impl>(made, kind, *impl_));
}

const Identity& SocketFactory::identity() const {
    return impl_->identity;
}

std::unique_ptr<SocketFactory> SocketFactory::sibling() const {
    return std::make_unique<SocketFactory>(impl_->identity, impl_->receipt);
}

void* SocketFactory::native_context() {
    return impl_->context;
}

}  // namespace fard
