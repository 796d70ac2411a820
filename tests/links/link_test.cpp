#include "runtime/peer/link.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "base/asio_loop.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_job.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/links/link_world.hpp"
#include "tests/peer/newer.hpp"

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

TEST_CASE("a LINK_OPEN that does not fit says what differs") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto ours = terms_of(16, 4);
    const auto error_of = [&](LinkTerms theirs) {
        auto receiver = LinkReceiver::bind(sockets, dir.place(), ours).value();
        auto sender = LinkSender::connect(sockets, receiver.endpoint(), std::move(theirs), "2/1").value();
        Error error;
        until({sender.fd(), receiver.fd()}, [&] {
            sender.open();
            const auto chunk = receiver.receive();
            if (!chunk) error = chunk.error();
            return !chunk;
        });
        CHECK_FALSE(receiver.opened());
        CHECK(error.fault == Fault::invalid_input);
        CHECK(error.message.starts_with("the link from 2/1 does not fit: "));
        return error.message.substr(error.message.find(": ") + 2);
    };
    auto theirs = ours;
    theirs.tensors.push_back(bytes_tensor("y", 1));
    CHECK(error_of(theirs) == "it sends 2 tensors, expected 1");
    theirs = ours;
    theirs.tensors[0].shape = {1, 4, 4};
    CHECK(
        error_of(theirs) ==
        "its tensor 0 is 'x' UINT8 1x4x4 (NC, declared UINT8), expected 'x' UINT8 1x16 (NC, declared UINT8)");
    theirs = ours;
    theirs.tensors[0].type = DataType::sint(8);
    CHECK(error_of(theirs).find("'x' INT8 1x16") != std::string::npos);
}

namespace {

// Sends frames of any kind to a receiver's data socket.
struct Stranger {
    Stranger(SocketFactory& sockets, const LinkReceiver& receiver)
        : socket(sockets.make(SocketKind::push, {.immediate = true}).value()) {
        REQUIRE(socket.connect(receiver.endpoint().data));
    }
    void send(std::vector<std::string> frames) {
        Message message;
        for (const auto& frame : frames)
            message.emplace_back(frame);
        until({socket.fd()}, [&] { return socket.try_send(message); });
    }
    Socket socket;
};

std::string header_of(const LinkTerms& terms, std::uint64_t index) {
    const auto form = HeaderForm::of(terms.run, terms.epoch, terms.tensors, terms.positions).value();
    return std::string(form.make(index, {}).text());
}

std::string open_of(const LinkTerms& terms) {
    return wire::encode({}, wire::LinkOpen{terms.run, terms.epoch, "0/0", terms.tensors, terms.overlay});
}

}  // namespace

TEST_CASE("chunks of another epoch, malformed messages and chunks before LINK_OPEN are dropped and counted") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto ours = terms_of(4, 100);
    auto receiver = LinkReceiver::bind(sockets, dir.place(), ours).value();
    Stranger stranger(sockets, receiver);
    auto old = ours, other = ours, longer = ours;
    old.epoch.wiring = 1;
    other.run.hex = "beef";
    longer.positions = 9;
    stranger.send({header_of(ours, 0), "abcd"});  // before LINK_OPEN
    stranger.send({open_of(old)});  // of a sender that has not heard yet that its wiring is over
    stranger.send({open_of(other)});
    stranger.send({open_of(ours)});
    stranger.send({header_of(old, 1), "abcd"});
    stranger.send({header_of(other, 2), "abcd"});
    stranger.send({header_of(longer, 3), "abcd"});
    stranger.send({"no header", "abcd"});
    stranger.send({"", "", "", ""});
    stranger.send({"no control message"});
    stranger.send({wire::encode({}, wire::Done{})});
    stranger.send({header_of(ours, 4), "wxyz"});
    std::optional<Chunk> chunk;
    until({receiver.fd()}, [&] { return (chunk = receiver.receive().value()).has_value(); });
    CHECK(chunk->index == 4);
    CHECK(chunk->tensors[0].text() == "wxyz");
    CHECK(receiver.dropped() == 10);
    CHECK(receiver.from() == "0/0");
}

TEST_CASE("a sender of a newer fard is refused, not left to wait") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto terms = terms_of(4, 100);
    auto receiver = LinkReceiver::bind(sockets, dir.place(), terms).value();
    Stranger stranger(sockets, receiver);
    stranger.send({newer(open_of(terms))});
    Error error;
    until({receiver.fd()}, [&] {
        const auto chunk = receiver.receive();
        if (!chunk) error = chunk.error();
        return !chunk;
    });
    CHECK(error.fault == Fault::unsupported);
    CHECK(error.message.find("LINK_OPEN of version 9") != std::string::npos);
    CHECK(error.message.find("install the same on all boards") != std::string::npos);
}

TEST_CASE("a tensor of the wrong size, or the wrong number of them, is an error") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto terms = terms_of(4, 100);
    auto receiver = LinkReceiver::bind(sockets, dir.place(), terms).value();
    Stranger stranger(sockets, receiver);
    stranger.send({open_of(terms)});
    const auto error_of = [&](std::vector<std::string> frames) {
        stranger.send(std::move(frames));
        Error error;
        until({receiver.fd()}, [&] {
            const auto chunk = receiver.receive();
            if (!chunk) error = chunk.error();
            return !chunk;
        });
        CHECK(error.fault == Fault::corrupt);
        return error.message;
    };
    CHECK(error_of({header_of(terms, 5), "abc"}) == "chunk 5 from 0/0: tensor 'x' has 3 bytes instead of 4");
    CHECK(error_of({header_of(terms, 6), "abcd", "e"}) ==
          "chunk 6 from 0/0 has not the 1 tensors that its link promised");
    stranger.send({header_of(terms, 7), "abcd"});  // the link itself is not harmed
    until({receiver.fd()}, [&] { return receiver.receive().value().has_value(); });
}

TEST_CASE("what a job made is checked against the terms") {
    auto terms = terms_of(4, 2);
    auto chunk = chunk_of(3, terms);
    CHECK(terms.check(chunk));
    chunk.tensors[0] = Frame(std::size_t{5});
    CHECK(terms.check(chunk).error().message == "chunk 3: tensor 'x' (UINT8 1x4) has 5 bytes instead of 4");
    chunk.tensors.clear();
    CHECK(terms.check(chunk).error().message == "chunk 3 has 0 tensors instead of 1");
}

TEST_CASE("terms and places that no link can have are refused") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    auto terms = terms_of(4, 2);
    for (const char* place : {"", "ipc", "ipc:", "udp:127.0.0.1"})
        CHECK(LinkReceiver::bind(sockets, place, terms).error().fault == Fault::invalid_input);
    CHECK(LinkReceiver::bind(sockets, "tcp:0.0.0.0", terms).error().fault == Fault::refused);
    terms.positions = 100'000;
    CHECK(LinkReceiver::bind(sockets, dir.place(), terms).error().fault == Fault::invalid_input);
    terms = terms_of(4, 2);
    terms.tensors.clear();
    CHECK(LinkSender::connect(sockets, {at("ipc:///tmp/a"), at("ipc:///tmp/b"), {}}, terms, "x").error().fault ==
          Fault::invalid_input);
    CHECK(dir.files() == 0);
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
        loop.call_after(10s, [&] {
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
    loop.call_after(10s, [&] { loop.stop(); });
    loop.run();
    CHECK(receiver.lost());
}

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

TEST_CASE("small chunks are one frame, larger ones one for the header and one for each tensor; both are taken") {
    LinkDir dir;
    SocketFactory sockets{Identity::local()};
    const auto header = terms_of(1, 1).chunk_bytes() - 1;  // that of terms with three digits in their shape has two bytes more
    const auto frames_of = [&](const LinkTerms& terms) {
        auto data = sockets.make(SocketKind::pull).value(), credit = sockets.make(SocketKind::push).value();
        const auto name = random_hex(4);
        const auto data_at = data.bind(Endpoint::ipc((dir.path / (name + ".d")).string()).value()).value();
        const auto credit_at = credit.bind(Endpoint::ipc((dir.path / (name + ".c")).string()).value()).value();
        auto sender = LinkSender::connect(sockets, {data_at, credit_at, {}}, terms, "0/0").value();
        until({sender.fd()}, [&] { return sender.open(); });
        auto chunk = chunk_of(3, terms);
        until({sender.fd()}, [&] { return sender.send(chunk); });
        Message message;
        until({data.fd()}, [&] { return data.try_receive(message) && message.front().text() != open_of(terms); });
        std::string bytes;
        for (const auto& frame : message)
            bytes += frame.text();
        std::string expected = header_of(terms, 3);
        for (const auto& tensor : chunk_of(3, terms).tensors)
            expected += tensor.text();
        CHECK(bytes == expected);
        return message.size();
    };
    const auto largest = static_cast<std::int64_t>(1024 - header - 2);
    CHECK(frames_of(terms_of(1, 4)) == 1);
    CHECK(frames_of(terms_of(largest, 4)) == 1);
    CHECK(frames_of(terms_of(largest + 1, 4)) == 2);
    auto several = terms_of(10, 4);
    several.tensors.push_back(bytes_tensor("y", 3));
    several.tensors.push_back({.name = "bits", .shape = {1, 9}, .layout = "NC", .type = DataType::bipolar()});
    CHECK(frames_of(several) == 1);

    auto receiver = LinkReceiver::bind(sockets, dir.place(), several).value();
    Stranger stranger(sockets, receiver);
    auto old = several;
    old.epoch.wiring = 1;
    const auto tensors = std::string("0123456789") + "abc" + "\x01\x02";
    stranger.send({header_of(several, 1) + tensors});  // before LINK_OPEN
    stranger.send({open_of(several)});
    stranger.send({header_of(old, 2) + tensors});
    stranger.send({header_of(several, 3) + tensors.substr(1)});
    stranger.send({header_of(several, 4) + tensors + "!"});
    stranger.send({std::string(header_of(several, 5).size() + tensors.size(), '\x80')});
    stranger.send({header_of(several, 6) + tensors});
    stranger.send({header_of(several, 7), "0123456789", "abc", "\x01\x02"});
    for (const std::uint64_t index : {6, 7}) {
        Chunk chunk;
        until({receiver.fd()}, [&] { return receiver.receive(chunk).value(); });
        CHECK(chunk.index == index);
        REQUIRE(chunk.tensors.size() == 3);
        CHECK(chunk.tensors[0].text() == "0123456789");
        CHECK(chunk.tensors[1].text() == "abc");
        CHECK(chunk.tensors[2].text() == "\x01\x02");
    }
    CHECK(receiver.dropped() == 5);
}
