// Links whose chunks pay a pacer for their way.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/links/link_world.hpp"

using namespace fard;
using namespace fard::testing;
using namespace std::chrono_literals;

namespace {

struct TollGate final : Pacer {
    explicit TollGate(std::uint64_t where) : where_(where) {}
    std::uint64_t place() const override { return where_; }
    TimePoint charge_send(std::size_t bytes, TimePoint since) override {
        return charge(sent, bytes, since == TimePoint{} ? std::chrono::steady_clock::now() : since);
    }
    TimePoint charge_arrival(std::size_t bytes) override { return charge(arrived, bytes, std::chrono::steady_clock::now()); }
    TimePoint charge_receive(std::size_t bytes, TimePoint since) override { return charge(received, bytes, since); }
    TimePoint charge(std::vector<std::size_t>& charges, std::size_t bytes, TimePoint since) {
        charges.push_back(bytes);
        return since + toll;
    }
    void left(Duration after) override { late.push_back(after); }
    std::vector<std::size_t> sent, arrived, received;
    std::vector<Duration> late;
    Duration toll = 2ms;

  private:
    std::uint64_t where_;
};

// Both ends with a pacer.
struct PacedLink {
    PacedLink(SocketFactory& sockets, const std::string& place, const LinkTerms& terms, std::uint64_t from, std::uint64_t to)
        : here(from),
          there(to),
          receiver(LinkReceiver::bind(sockets, place, terms, &there).value()),
          sender(LinkSender::connect(sockets, receiver.endpoint(), terms, "0/0", &here).value()) {
        until({sender.fd()}, [&] { return sender.open(); });
    }
    Chunk next() {
        Chunk chunk;
        until({receiver.fd()}, [&] {
            sender.flush_paced();
            return receiver.receive(chunk).value();
        });
        return chunk;
    }
    TollGate here, there;
    LinkReceiver receiver;
    LinkSender sender;
};

}  // namespace

TEST_CASE("a chunk is charged once where it leaves and twice where it comes in, and waits until that is paid for") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto terms = terms_of(1000, 4);
    PacedLink link(sockets, dir.place(), terms, 7, 8);
    CHECK(link.receiver.endpoint().place == 8);
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t index = 0; index < 3; ++index) {
        auto chunk = chunk_of(index, terms);
        REQUIRE(link.sender.send(chunk));
        CHECK(link.sender.sent() == index + 1);
        CHECK(link.sender.paced_until() > start);
        CHECK(link.next().index == index);
        CHECK(link.sender.paced_until() == TimePoint{});
        CHECK(link.receiver.paced_until() == TimePoint{});
    }
    CHECK(std::chrono::steady_clock::now() - start >= 18ms);
    for (const auto& charges : {link.here.sent, link.there.arrived, link.there.received})
        CHECK(charges == std::vector<std::size_t>(3, terms.chunk_bytes()));
    CHECK(link.here.late.size() == 3);
    CHECK(*std::ranges::min_element(link.here.late) >= Duration::zero());
    CHECK(link.here.arrived.empty());
    CHECK(link.there.sent.empty());
}

TEST_CASE("between two ends of one board chunks are free; ends without a place are never one board") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto terms = terms_of(1000, 4);
    PacedLink inside(sockets, dir.place(), terms, 7, 7), outside(sockets, dir.place(), terms, 0, 0);
    for (auto* link : {&inside, &outside}) {
        auto chunk = chunk_of(0, terms);
        chunk.since = std::chrono::steady_clock::now() - 5s;
        REQUIRE(link->sender.send(chunk));
        CHECK(link->here.late.size() == 1);
        CHECK(link->here.late.front() > 4s);
        CHECK(link->next().index == 0);
    }
    CHECK(inside.here.sent.empty());
    CHECK(inside.there.arrived.empty());
    CHECK(inside.there.received.empty());
    CHECK(outside.here.sent.size() == 1);
    CHECK(outside.there.received.size() == 1);
}

TEST_CASE("chunks that are not asked for come in all the same, and their way is charged meanwhile") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto terms = terms_of(1000, 4);
    PacedLink link(sockets, dir.place(), terms, 7, 8);
    for (std::uint64_t index = 0; index < 3; ++index) {
        auto chunk = chunk_of(index, terms);
        REQUIRE(link.sender.send(chunk));
    }
    until({link.receiver.fd()}, [&] {
        link.sender.flush_paced();
        REQUIRE(link.receiver.come_in());
        return link.there.received.size() == 3;
    });
    for (std::uint64_t index = 0; index < 3; ++index)
        CHECK(link.next().index == index);
    CHECK(link.there.arrived.size() == 3);
}

TEST_CASE("chunks that wait for the pacer are under way: the window bounds them") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto terms = terms_of(1000, 4);
    PacedLink link(sockets, dir.place(), terms, 7, 8);
    link.here.toll = 1h;
    std::uint64_t sent = 0;
    for (auto chunk = chunk_of(0, terms); link.sender.send(chunk); chunk = chunk_of(sent, terms))
        ++sent;
    CHECK(sent == terms.lead());
    CHECK(link.sender.unacknowledged() == terms.lead());
    CHECK_FALSE(link.receiver.receive().value());
}
