#include "runtime/peer/resolver.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <future>
#include <map>
#include <mutex>
#include <thread>

namespace fard {
namespace {

constexpr std::size_t most_waiting = 64;

bool is_host_name(std::string_view host) {
    return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
    });
}

Result<std::vector<Address>> look_up(const WrittenAddress& written) {
    const auto& host = written.host();
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0)
        return fail(Fault::not_found, "the host name '{}' is not known: {}", host, gai_strerror(error));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
    std::vector<Address> addresses;
    for (const auto* item = found; item != nullptr; item = item->ai_next) {
        std::array<char, NI_MAXHOST> digits{};
        if (getnameinfo(item->ai_addr, item->ai_addrlen, digits.data(), digits.size(), nullptr, 0, NI_NUMERICHOST) != 0)
            continue;
        if (auto endpoint = Endpoint::tcp(digits.data(), written.port()); endpoint && endpoint->is_connectable())
            addresses.push_back({std::move(*endpoint), written.key()});
    }
    if (addresses.empty()) return fail(Fault::not_found, "the host name '{}' has no address", host);
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    return addresses;
}

// Runs `work` on a thread that nobody joins, because it may stand in a name server's time-out. Signals are others'.
// false: there are no more threads.
bool detach(std::function<void()> work) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = true;
    try {
        std::thread(std::move(work)).detach();
    } catch (const std::system_error&) {
        started = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
}

tl::unexpected<Error> no_answer(const WrittenAddress& address, Duration deadline) {
    return fail(Fault::timed_out, "the host name '{}' was not resolved within {:.1f} s: the name server does not answer",
                address.host(), std::chrono::duration<double>(deadline).count());
}

}  // namespace

Result<WrittenAddress> WrittenAddress::parse(const std::string& whole) {
    const auto mark = whole.rfind('#');
    const auto text = whole.substr(0, mark);
    const auto wrong = [&] {
        return fail(Fault::invalid_input, "'{}' is not a node's address; give HOST:PORT, tcp://HOST:PORT or ipc:///PATH",
                    whole);
    };
    WrittenAddress written;
    if (mark != std::string::npos) {
        written.key_.hex = whole.substr(mark + 1);
        if (!is_public_key(written.key_.hex))
            return fail(Fault::invalid_input, "'{}' does not end in a public key (64 hex digits after the '#')", whole);
    }
    if (text.starts_with("/") || text.starts_with("ipc://")) {
        auto endpoint = Endpoint::parse(text.starts_with("/") ? "ipc://" + text : text);
        if (!endpoint) return fail(endpoint.error());
        written.text_ = endpoint->text();
        written.endpoint_ = std::move(*endpoint);
        return written;
    }
    const auto rest = text.starts_with("tcp://") ? text.substr(6) : text;
    const auto colon = rest.rfind(':');
    if (colon == std::string::npos || colon == 0) return wrong();
    written.host_ = rest.substr(0, colon);
    const auto port = rest.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), written.port_);
    if (error != std::errc() || end != port.data() + port.size() || written.port_ == 0) return wrong();
    written.text_ = "tcp://" + rest;
    if (auto endpoint = Endpoint::parse(written.text_)) {
        if (!endpoint->is_connectable()) return wrong();
        written.endpoint_ = std::move(*endpoint);
        written.text_ = written.endpoint_.text();
    } else if (!is_host_name(written.host_) || written.host_.find_first_not_of("0123456789.") == std::string::npos) {
        return wrong();
    }
    return written;
}

struct Resolver::Impl : std::enable_shared_from_this<Resolver::Impl> {
    struct Waiting {
        Resolved resolved;
        Loop::TimerId timer = 0;
    };

    explicit Impl(Loop& the_loop) : loop(&the_loop) {}

    // From a thread of ours.
    void deliver(std::uint64_t number, Result<std::vector<Address>> result) {
        const std::lock_guard lock(mutex);
        --threads;
        if (loop == nullptr) return;
        loop->post([weak = weak_from_this(), number, result = std::move(result)]() mutable {
            if (const auto impl = weak.lock()) impl->finish(number, std::move(result));
        });
    }

    // On the loop.
    void finish(std::uint64_t number, Result<std::vector<Address>> result) {
        auto node = waiting.extract(number);
        if (node.empty()) return;
        loop->cancel(node.mapped().timer);
        node.mapped().resolved(std::move(result));
    }

    std::mutex mutex;  // of `loop` between us and the threads, and `threads`
    Loop* loop;        // nullptr once the resolver is gone
    std::size_t threads = 0;
    std::map<std::uint64_t, Waiting> waiting;
    std::uint64_t last = 0;
};

Resolver::Resolver(Loop& loop) : impl_(std::make_shared<Impl>(loop)) {}

Resolver::~Resolver() {
    for (const auto& [number, waiting] : impl_->waiting)
        impl_->loop->cancel(waiting.timer);
    impl_->waiting.clear();
    const std::lock_guard lock(impl_->mutex);
    impl_->loop = nullptr;
}

void Resolver::resolve(const WrittenAddress& address, Duration deadline, Resolved resolved) {
    const auto number = ++impl_->last;
    auto& waiting = impl_->waiting[number];
    waiting.resolved = std::move(resolved);
    const auto soon = [&](Result<std::vector<Address>> result) {
        impl_->loop->post([weak = std::weak_ptr(impl_), number, result = std::move(result)]() mutable {
            if (const auto impl = weak.lock()) impl->finish(number, std::move(result));
        });
    };
    if (!address.endpoint().empty()) return soon(std::vector{Address{address.endpoint(), address.key()}});
    {
        const std::lock_guard lock(impl_->mutex);
        if (impl_->threads >= most_waiting)
            return soon(fail(Fault::refused, "the host name '{}': {} names wait for the name server already",
                             address.host(), impl_->threads));
        ++impl_->threads;
    }
    waiting.timer = impl_->loop->call_after(deadline, [raw = impl_.get(), number, address, deadline] {
        raw->finish(number, no_answer(address, deadline));
    });
    const bool started = detach([impl = impl_, number, address] { impl->deliver(number, look_up(address)); });
    if (!started) impl_->deliver(number, fail(Fault::io, "no thread to resolve '{}' in", address.host()));
}

Result<std::vector<Address>> resolve_now(const WrittenAddress& address, Duration deadline) {
    if (!address.endpoint().empty()) return std::vector{Address{address.endpoint(), address.key()}};
    auto promise = std::make_shared<std::promise<Result<std::vector<Address>>>>();
    auto result = promise->get_future();
    const bool started = detach([promise, address] { promise->set_value(look_up(address)); });
    if (!started) return fail(Fault::io, "no thread to resolve '{}' in", address.host());
    if (result.wait_for(deadline) != std::future_status::ready) return no_answer(address, deadline);
    return result.get();
}

}  // namespace fard
