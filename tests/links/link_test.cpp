#include "runtime/peer/link.hpp"

#include <doctest/doctest.h>

#include <map>

#include "base/asio_loop.hpp"
#include "tests/links/link_world.hpp"
#include "tests/patience.hpp"

using namespace fard;
using namespace fard::testing;
using namespace std::chrono_literals;

TEST_CASE("chunks arrive once, in order, byte for byte, whatever the transport and the window") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    for (const std::string& place : {dir.place(), std::string("tcp:127.0.0.1")})
        for (const std::uint64_t window : {1, 2, 3, 50})
            for (const std::int64_t bytes : {1, 64, 20'000}) {
                CAPTURE(place);
                CAPTURE(window);
                const auto terms = terms_of(bytes, window);
                REQUIRE(terms.window() == window);
                OpenLink link(sockets, place, terms);
                constexpr std::uint64_t total = 100;
                std::uint64_t sent = 0, received = 0;
                Chunk offered = chunk_of(0, terms);
                until({link.receiver.fd(), link.sender.fd(), link.sender.credit_fd()}, [&] {
                    while (sent < total && link.sender.send(offered))
                        offered = chunk_of(++sent, terms);
                    CHECK(link.sender.unacknowledged() <= terms.lead());
                    while (auto chunk = link.receiver.receive().value()) {
                        CHECK(chunk->index == received);
                        CHECK(chunk->tensors[0].text() == chunk_of(received, terms).tensors[0].text());
                        CHECK(chunk->trace.size() == 3);
                        ++received;
                        link.receiver.taken();
                    }
                    return received == total;
                });
                CHECK(link.receiver.dropped() == 0);
            }
    CHECK(dir.files() == 0);
}

TEST_CASE("the receiver's taking is what opens the window") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto terms = terms_of(1000, 8);
    OpenLink link(sockets, dir.place(), terms);
    std::uint64_t sent = 0;
    std::vector<Chunk> held;
    until({link.sender.fd(), link.receiver.fd()}, [&] {
        for (auto chunk = chunk_of(sent, terms); link.sender.send(chunk); chunk = chunk_of(sent, terms))
            ++sent;
        while (auto chunk = link.receiver.receive().value())
            held.push_back(std::move(*chunk));
        return held.size() == 11;
    });
    CHECK(sent == 11);  // 8, and 3 that could be taken without being told
    CHECK(link.sender.unacknowledged() == 11);
    const auto confirmed = [&](std::uint64_t count) {
        until({link.sender.credit_fd()}, [&] {
            link.sender.poll_credit();
            return link.sender.confirmed() == count;
        });
    };
    for (int i = 0; i < 4; ++i)
        link.receiver.taken();  // half a window: told at once
    confirmed(4);
    link.receiver.taken();
    CHECK(link.receiver.flush_credit());  // less: told when idle
    confirmed(5);
    auto chunk = chunk_of(11, terms);
    CHECK(link.sender.send(chunk));
    CHECK(link.sender.unacknowledged() == 7);
}

TEST_CASE("a chunk is handed on with the frames and the header that it came with") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto terms = terms_of(100'000, 4);
    OpenLink first(sockets, dir.place(), terms), second(sockets, dir.place(), terms);
    auto chunk = chunk_of(7, terms);
    chunk.trace = {{1, 2, 3}};
    REQUIRE(first.sender.send(chunk));
    chunk = first.next();
    CHECK(chunk.trace == std::vector<TraceStamp>{{1, 2, 3}, {}, {}});
    const void* const bytes = chunk.tensors[0].bytes().data();
    const void* const header = chunk.header->bytes().data();
    chunk.trace[1] = {4, 5, ~0ull};
    auto kept = chunk.share();
    CHECK(kept.tensors[0].bytes().data() == bytes);
    CHECK(chunk.header->bytes().data() == header);
    REQUIRE(second.sender.send(chunk));
    chunk = second.next();
    CHECK(chunk.index == 7);
    CHECK(chunk.trace == std::vector<TraceStamp>{{1, 2, 3}, {4, 5, ~0ull}, {}});
    CHECK(chunk.tensors[0].text() == chunk_of(7, terms).tensors[0].text());
    CHECK(kept.tensors[0].text() == chunk.tensors[0].text());
}

TEST_CASE("several tensors travel together") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    auto terms = terms_of(10, 4);
    terms.tensors.push_back(bytes_tensor("skip", 5000));
    terms.tensors.push_back({.name = "bits", .shape = {1, 9}, .layout = "NC", .type = DataType::bipolar()});
    OpenLink link(sockets, "tcp:127.0.0.1", terms);
    auto chunk = chunk_of(1, terms);
    REQUIRE(terms.check(chunk));
    until({link.sender.fd()},
          [&] { return link.sender.send(chunk); });  // LINK_OPEN may still fill a queue of one
    const auto received = link.next();
    REQUIRE(received.tensors.size() == 3);
    CHECK(received.tensors[2].size() == 2);
    for (std::size_t i = 0; i < 3; ++i)
        CHECK(received.tensors[i].text() == chunk_of(1, terms).tensors[i].text());
}

TEST_CASE("the window is the budget in chunks, the header counted, and never nothing") {
    auto terms = terms_of(100'000, 1);
    terms.budget_bytes = 1'000'000;
    CHECK(terms.window() == 9);
    CHECK(terms.lead() == 9 + 3);
    terms.budget_bytes = 1;
    CHECK(terms.window() == 1);
    CHECK(terms.lead() == 2);
}

TEST_CASE("with replicas, each chunk goes where the fewest are unacknowledged, and every one arrives once") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto terms = terms_of(64, 6);
    std::vector<LinkSender> senders;
    std::vector<LinkReceiver> receivers;
    std::vector<int> fds;
    for (int i = 0; i < 3; ++i) {
        OpenLink link(sockets, dir.place(), terms);
        fds.insert(fds.end(), {link.receiver.fd(), link.sender.fd(), link.sender.credit_fd()});
        senders.push_back(std::move(link.sender));
        receivers.push_back(std::move(link.receiver));
    }
    const auto most = terms.lead();
    // Nobody takes anything yet: evenly, until all windows are used up.
    std::uint64_t sent = 0;
    until(fds, [&] {
        while (auto* sender = fewest_unacknowledged(senders)) {
            auto chunk = chunk_of(sent, terms);
            if (!sender->send(chunk)) break;
            ++sent;
        }
        return sent == 3 * most;
    });
    CHECK(fewest_unacknowledged(senders) == nullptr);
    for (const auto& sender : senders)
        CHECK(sender.unacknowledged() == most);
    // Only the last one takes: everything else goes to it.
    std::map<std::uint64_t, int> seen;
    std::vector<std::uint64_t> counts(3);
    const auto take = [&](std::size_t i) {
        while (auto chunk = receivers[i].receive().value()) {
            ++seen[chunk->index];
            ++counts[i];
            receivers[i].taken();
        }
        receivers[i].flush_credit();
    };
    until(fds, [&] {
        take(2);
        if (auto* sender = fewest_unacknowledged(senders)) {
            CHECK(sender == &senders[2]);
            auto chunk = chunk_of(sent, terms);
            if (sender->send(chunk)) ++sent;
        }
        return sent == 3 * most + 22;
    });
    until(fds, [&] {
        for (std::size_t i = 0; i < 3; ++i)
            take(i);
        return seen.size() == 3 * most + 22;
    });
    CHECK(counts == std::vector{most, most, most + 22});
    for (const auto& [index, times] : seen)
        CHECK(times == 1);
}

TEST_CASE("on a loop the watches alone carry a link: opening, sending, credit") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    for (const std::uint64_t window : {1, 7}) {
        AsioLoop loop;
        const auto terms = terms_of(5000, window);
        auto receiver = LinkReceiver::bind(sockets, dir.place(), terms).value();
        auto sender = LinkSender::connect(sockets, receiver.endpoint(), terms, "client").value();
        constexpr std::uint64_t total = 500;
        std::uint64_t sent = 0, received = 0;
        const auto pump = [&] {
            sender.poll_credit();
            if (!sender.open()) return;
            for (auto chunk = chunk_of(sent, terms); sent < total && sender.send(chunk);
                 chunk = chunk_of(sent, terms))
                ++sent;
            if (sender.confirmed() == total) loop.stop();
        };
        const auto at_sender = sender.watch_credit(loop, pump);
        const auto at_receiver = receiver.watch(loop, [&] {
            while (auto chunk = receiver.receive().value()) {
                CHECK(chunk->index == received++);
                receiver.taken();
            }
            receiver.flush_credit();
        });
        bool late = false;
        loop.call_after(patience(10s), [&] {
            late = true;
            loop.stop();
        });
        loop.run();
        CHECK_FALSE(late);
        CHECK(received == total);
        CHECK(sender.confirmed() == total);
    }
}

TEST_CASE("a link whose connection breaks is lost at both ends; strangers that come and go are none of it") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    const auto terms = terms_of(100, 4);
    for (const std::string& place : {dir.place(), std::string("tcp:127.0.0.1")}) {
        CAPTURE(place);
        std::optional<OpenLink> link(std::in_place, sockets, place, terms);
        auto chunk = chunk_of(0, terms);
        REQUIRE(link->sender.send(chunk));
        CHECK(link->next().index == 0);
        {
            SocketFactory elsewhere(Identity::local());
            auto socket = elsewhere.make(SocketKind::push, {.immediate = true}).value();
            REQUIRE(socket.connect(link->receiver.endpoint().data));
            Message message;
            message.emplace_back(std::string_view("whoever"));
            until({socket.fd()}, [&] { return socket.try_send(message); });
            until({link->receiver.fd()}, [&] {
                CHECK_FALSE(link->receiver.receive().value());
                return link->receiver.dropped() == 1;
            });
        }
        const auto dropped_by = std::chrono::steady_clock::now() + 50ms;
        until({}, [&] {
            CHECK_FALSE(link->receiver.lost());
            CHECK_FALSE(link->sender.lost());
            return std::chrono::steady_clock::now() >= dropped_by;
        });
        auto sender = std::move(link->sender);
        {
            auto receiver = std::move(link->receiver);
            link.reset();
        }
        until({}, [&] { return sender.lost(); });
        link.emplace(sockets, place, terms);
        auto receiver = std::move(link->receiver);
        until({receiver.fd()}, [&] { return !receiver.receive().value() && receiver.opened(); });
        CHECK_FALSE(receiver.lost());
        link.reset();
        until({}, [&] { return receiver.lost(); });
    }
}

TEST_CASE("a watch calls when its link is lost") {
    LinkDir dir;
    SocketFactory sockets(Identity::local());
    AsioLoop loop;
    std::optional<OpenLink> link(std::in_place, sockets, dir.place(), terms_of(100, 4));
    auto receiver = std::move(link->receiver);
    bool opened = false;
    const auto watch = receiver.watch(loop, [&] {
        CHECK_FALSE(receiver.receive().value());
        if (receiver.lost()) loop.stop();
        if (receiver.opened() && !std::exchange(opened, true)) loop.post([&] { link.reset(); });
    });
    loop.call_after(patience(10s), [&] { loop.stop(); });
    loop.run();
    CHECK(receiver.lost());
}
