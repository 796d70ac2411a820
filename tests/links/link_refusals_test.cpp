// What no link takes: from strangers, from who differs, and from its own job.
#include <doctest/doctest.h>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_job.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/links/link_world.hpp"
#include "tests/peer/newer.hpp"

using namespace fard;
using namespace fard::testing;
using namespace std::chrono_literals;

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
