#include "client/submission_links.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "runtime/peer/front_door.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

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

  private:
    std::unique_ptr<Visitor> visitor_;
};

class SocketLinks final : public ClientLinks {
  public:
    SocketLinks(Loop& loop, SocketFactory& sockets, const ClientLinksTerms& terms, LinkReceiver results,
                Events events)
        : loop_(loop),
          sockets_(sockets),
          input_terms_{terms.run,
                       {terms.attempt, 0},
                       terms.app.positions.front().inputs,
                       "",
                       static_cast<std::uint32_t>(terms.app.positions.size()),
                       terms.app.link_bytes},
          results_(std::move(results)),
          events_(std::move(events)) {
        results_watch_ = results_.watch(loop_, [this] { receive(); });
    }

    ~SocketLinks() override { loop_.cancel(timer_); }

    const wire::LinkEndpoint& results() const override { return results_.endpoint(); }

    Result<> connect(const wire::LinkEndpoint& inputs) override {
        auto sender = LinkSender::connect(sockets_, inputs, input_terms_, "client");
        if (!sender) return fail(sender.error());
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
        if (inputs_->send(chunk)) return true;
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
            auto received = results_.receive();
            if (!received) return events_.broken(received.error());
            if (!*received) break;
            results_.taken();
            events_.result(std::move(**received));
        }
        results_.flush_credit();
        look_at_connections();
    }

    void look_at_connections() {
        if (lost_ || !(results_.lost() || (inputs_ && inputs_->lost()))) return;
        lost_ = true;
        events_.broken({Fault::unreachable, "the connection of a link to the coordinator broke"});
    }

    Loop& loop_;
    SocketFactory& sockets_;
    LinkTerms input_terms_;
    LinkReceiver results_;
    std::optional<LinkSender> inputs_;
    Events events_;
    std::unique_ptr<Socket::Watch> results_watch_, credit_watch_;  // before the sockets in destruction
    bool open_ = false, lost_ = false;
    Loop::TimerId timer_ = 0;
};

class SocketWorld final : public SubmissionWorld {
  public:
    SocketWorld(Loop& loop, SocketFactory& sockets, std::filesystem::path directory)
        : loop_(loop), sockets_(sockets), directory_(std::move(directory)) {}

    Result<std::unique_ptr<Door>> knock(const std::string& door) override {
        auto visitor = Visitor::knock(loop_, sockets_, PeerId{random_hex(16)}, door);
        if (!visitor) return fail(visitor.error());
        return std::make_unique<VisitorDoor>(std::move(*visitor));
    }

    Result<std::unique_ptr<ClientLinks>> links(const ClientLinksTerms& terms,
                                               ClientLinks::Events events) override {
        auto place = place_for_results(terms.door, directory_);
        if (!place) return fail(place.error());
        LinkTerms result_terms{terms.run,
                               {terms.attempt, 0},
                               terms.app.positions.back().outputs,
                               "",
                               static_cast<std::uint32_t>(terms.app.positions.size()),
                               terms.app.window_bytes};
        auto results = LinkReceiver::bind(sockets_, *place, std::move(result_terms));
        if (!results) return fail(results.error());
        return std::make_unique<SocketLinks>(loop_, sockets_, terms, std::move(*results), std::move(events));
    }

  private:
    Loop& loop_;
    SocketFactory& sockets_;
    std::filesystem::path directory_;
};

// The address of this machine from which `host` is reached: what a datagram socket would send from. Sends
// nothing.
Result<std::string> local_address_towards(const std::string& host, const std::string& port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0)
        return fail(Fault::invalid_input, "the node's host '{}' is not known: {}", host, gai_strerror(error));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
    const int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_storage local{};
    socklen_t size = sizeof local;
    char text[NI_MAXHOST] = "";
    const bool good = fd >= 0 && ::connect(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                      getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0 &&
                      getnameinfo(reinterpret_cast<sockaddr*>(&local), size, text, sizeof text, nullptr, 0,
                                  NI_NUMERICHOST) == 0;
    const int error = errno;
    if (fd >= 0) close(fd);
    if (!good)
        return fail(Fault::unreachable, "no way to the node's host '{}': {}", host, std::strerror(error));
    return std::string(text);
}

}  // namespace

Result<std::string> place_for_results(const std::string& door, const std::filesystem::path& directory) {
    if (door.starts_with("ipc://")) return "ipc:" + directory.string();
    const auto colon = door.rfind(':');
    if (!door.starts_with("tcp://") || colon <= 6 || colon + 1 >= door.size())
        return fail(Fault::invalid_input,
                    "'{}' is not a node's address; one looks like tcp://HOST:PORT or ipc://PATH", door);
    auto host = door.substr(6, colon - 6);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    auto address = local_address_towards(host, door.substr(colon + 1));
    if (!address) return fail(address.error());
    return "tcp:" + *address;
}

std::unique_ptr<SubmissionWorld> make_socket_world(Loop& loop, SocketFactory& sockets,
                                                   std::filesystem::path directory) {
    return std::make_unique<SocketWorld>(loop, sockets, std::move(directory));
}

}  // namespace fard
