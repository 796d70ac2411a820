// Outlets and inlets: several links that act as one, and credits that reach further.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "runtime/peer/inlet.hpp"
#include "runtime/peer/outlet.hpp"
#include "tests/links/link_world.hpp"

using namespace fard;
using namespace fard::testing;

namespace {

// One outlet with a link to each of several receivers.
struct Fan {
    Fan(SocketFactory& sockets, const std::string& place, const LinkTerms& terms, std::size_t count, Outlet::To to) {
        std::vector<LinkSender> senders;
        for (std::size_t i = 0; i < count; ++i) {
            receivers.push_back(LinkReceiver::bind(sockets, place, terms).value());
            senders.push_back(LinkSender::connect(sockets, receivers[i].endpoint(), terms, "0/0").value());
        }
        outlet = Outlet(std::move(senders), to);
        until({}, [&] { return outlet.open(); });
    }
    std::vector<LinkReceiver> receivers;
    Outlet outlet;
};

// Several senders with a link each to one inlet.
struct Funnel {
    Funnel(SocketFactory& sockets, const std::string& place, const LinkTerms& terms, std::size_t count,
           Inlet::From from) {
        std::vector<LinkReceiver> receivers;
        for (std::size_t i = 0; i < count; ++i) {
            receivers.push_back(LinkReceiver::bind(sockets, place, terms).value());
            senders.push_back(
                LinkSender::connect(sockets, receivers[i].endpoint(), terms, std::to_string(i)).value());
        }
        inlet = Inlet(std::move(receivers), from);
        for (auto& sender : senders)
            until({sender.fd()}, [&] { return sender.open(); });
        Chunk none;
        until({}, [&] { return !inlet.receive(none).value() && inlet.opened(); });
    }
    std::vector<LinkSender> senders;
    Inlet inlet;
};

}  // namespace

TEST_CASE("an outlet for parts gives every chunk to each, once, however unevenly they take") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 4);
    Fan fan(sockets, dir.place(), terms, 3, Outlet::To::each);
    constexpr std::uint64_t total = 60;
    std::uint64_t pushed = 0, rounds = 0;
    std::vector<std::uint64_t> got(3, 0);
    auto offered = chunk_of(0, terms);
    until({}, [&] {
        while (pushed < total && fan.outlet.push(offered))
            offered = chunk_of(++pushed, terms);
        ++rounds;
        for (std::size_t i = 0; i < 3; ++i) {
            if (i == 2 && rounds % 5 != 0) continue;  // the slow one
            while (const auto chunk = fan.receivers[i].receive().value()) {
                CHECK(chunk->index == got[i]);
                CHECK(chunk->tensors[0].text() == chunk_of(got[i]++, terms).tensors[0].text());
                fan.receivers[i].taken();
            }
            fan.receivers[i].flush_credit();
        }
        return std::ranges::all_of(got, [&](std::uint64_t count) { return count == total; });
    });
    CHECK(fan.outlet.sent() == total);
    until({}, [&] {
        fan.outlet.poll_credit();
        return fan.outlet.confirmed() == total;
    });
}

TEST_CASE("an inlet for parts joins what has the same index, in the order of its links") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 8);
    Funnel funnel(sockets, dir.place(), terms, 2, Inlet::From::join);
    Chunk chunk;
    for (const std::uint64_t index : {1, 0, 2}) {  // a chunk that is sent again may come late
        auto part = chunk_of(index, terms);
        REQUIRE(funnel.senders[0].send(part));
    }
    for (const std::uint64_t index : {0, 2, 1}) {
        auto part = chunk_of(index + 100, terms);
        part.index = index;
        REQUIRE(funnel.senders[1].send(part));
    }
    std::map<std::uint64_t, int> seen;
    until({}, [&] {
        while (funnel.inlet.receive(chunk).value()) {
            ++seen[chunk.index];
            REQUIRE(chunk.tensors.size() == 2);
            CHECK(chunk.tensors[0].text() == chunk_of(chunk.index, terms).tensors[0].text());
            CHECK(chunk.tensors[1].text() == chunk_of(chunk.index + 100, terms).tensors[0].text());
            funnel.inlet.taken();
        }
        return seen.size() == 3;
    });
    CHECK(funnel.inlet.count() == 3);
    funnel.inlet.flush_credit();
    for (auto& sender : funnel.senders)
        until({sender.credit_fd()}, [&] {
            sender.poll_credit();
            return sender.confirmed() == 3;
        });
}

TEST_CASE("an inlet for replicas asks its links in turn, and credits go to who sent") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 4);
    Funnel funnel(sockets, dir.place(), terms, 3, Inlet::From::any);
    for (std::size_t i = 0; i < 3; ++i) {
        auto chunk = chunk_of(i, terms);
        REQUIRE(funnel.senders[i].send(chunk));
    }
    std::map<std::uint64_t, int> seen;
    until({}, [&] {
        for (Chunk chunk; funnel.inlet.receive(chunk).value(); funnel.inlet.taken())
            ++seen[chunk.index];
        return seen.size() == 3;
    });
    funnel.inlet.flush_credit();
    for (auto& sender : funnel.senders)
        until({sender.credit_fd()}, [&] {
            sender.poll_credit();
            return sender.confirmed() == 1;
        });
}

TEST_CASE("chunks that are taken later than others come are credited to who sent them") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 8);
    Funnel funnel(sockets, dir.place(), terms, 2, Inlet::From::any);
    const std::vector<std::size_t> order{0, 0, 0, 1};
    for (std::size_t i = 0; i < order.size(); ++i) {
        auto chunk = chunk_of(i, terms);
        REQUIRE(funnel.senders[order[i]].send(chunk));
    }
    std::vector<Chunk> held;
    until({}, [&] {
        for (Chunk chunk; funnel.inlet.receive(chunk).value();)
            held.push_back(std::move(chunk));
        return held.size() == order.size();
    });
    for (std::size_t i = 0; i < held.size(); ++i)
        funnel.inlet.taken();
    funnel.inlet.flush_credit();
    for (std::size_t s = 0; s < 2; ++s)
        until({funnel.senders[s].credit_fd()}, [&] {
            funnel.senders[s].poll_credit();
            return funnel.senders[s].confirmed() == (s == 0 ? 3u : 1u);
        });
}

TEST_CASE("a lost link is known by its number") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 4);
    Fan fan(sockets, dir.place(), terms, 3, Outlet::To::any);
    CHECK_FALSE(fan.outlet.lost());
    { const auto gone = std::move(fan.receivers[1]); }
    until({}, [&] { return fan.outlet.lost() == std::size_t{1}; });
    Funnel funnel(sockets, dir.place(), terms, 3, Inlet::From::any);
    { const auto gone = std::move(funnel.senders[2]); }
    until({}, [&] { return funnel.inlet.lost() == std::size_t{2}; });
    CHECK(funnel.inlet.unopened() == 0);
}

TEST_CASE("a receiver that made space lets its sender go further ahead") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 4);
    OpenLink link(sockets, dir.place(), terms);
    CHECK(link.sender.limit() == terms.lead());
    std::uint64_t sent = 0;
    std::vector<Chunk> held;
    const auto send_all = [&](std::uint64_t limit) {
        until({link.sender.fd(), link.receiver.fd()}, [&] {
            for (auto chunk = chunk_of(sent, terms); link.sender.send(chunk); chunk = chunk_of(sent, terms))
                ++sent;
            while (auto chunk = link.receiver.receive().value())
                held.push_back(std::move(*chunk));
            return held.size() == limit;
        });
    };
    send_all(terms.lead());
    link.receiver.reserve(10);
    until({}, [&] { return link.receiver.flush_credit(); });
    until({link.sender.credit_fd()}, [&] {
        link.sender.poll_credit();
        return link.sender.limit() == terms.lead() + 10;
    });
    CHECK(link.sender.confirmed() == 0);
    send_all(terms.lead() + 10);
}
