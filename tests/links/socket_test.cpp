#include "runtime/peer/socket.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/asio_loop.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/patience.hpp"
#include "tests/scratch_dir.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

Message message_of(std::string_view text) {
    Message message;
    message.emplace_back(text);
    return message;
}

// What a process that was killed leaves behind.
void leave_dead_socket_file(const std::string& file) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    file.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::close(fd);
}

}  // namespace

TEST_CASE("a shared frame shows the same bytes, and outlives the one it came from") {
    Frame copy;
    {
        Frame frame(std::string(1000, 'x'));
        copy = frame.share();
        CHECK(copy.bytes().data() == frame.bytes().data());
    }
    CHECK(copy.text() == std::string(1000, 'x'));
    Frame moved(std::move(copy));
    CHECK(moved.size() == 1000);
    CHECK(copy.size() == 0);
    Frame written(4);
    written.writable()[3] = std::byte{7};
    CHECK(written.bytes()[3] == std::byte{7});
}

TEST_CASE("off loopback nothing is bound without keys, unless insecure is meant") {
    SocketFactory sockets(Identity::local()), insecure(Identity::insecure());
    for (const char* endpoint : {"tcp://0.0.0.0:0", "tcp://192.0.2.1:5", "tcp://[::]:0", "tcp://[2001:db8::1]:5"}) {
        auto socket = sockets.make(SocketKind::pull).value();
        const auto bound = socket.bind(at(endpoint));
        REQUIRE_FALSE(bound);
        CHECK(bound.error().fault == Fault::refused);
        CHECK(bound.error().message.find(endpoint) != std::string::npos);
        CHECK(bound.error().message.find("--insecure") != std::string::npos);
    }
    CHECK(insecure.make(SocketKind::pull).value().bind(at("tcp://0.0.0.0:0")));
    CHECK(sockets.make(SocketKind::pull).value().bind(at("tcp://127.0.0.1:0")));
}

TEST_CASE("what cannot be bound or connected is named") {
    ScratchDir dir;
    SocketFactory sockets{Identity::local()};
    auto first = sockets.make(SocketKind::pull).value(), second = sockets.make(SocketKind::pull).value();
    const auto tcp = first.bind(at("tcp://127.0.0.1:0")).value();
    const auto ipc = first.bind(at("ipc://" + (dir.path() / "a").string())).value();
    for (const auto& taken : {tcp, ipc}) {
        const auto error = second.bind(taken).error();
        CHECK(error.fault == Fault::io);
        CHECK(error.message.find(taken.text()) != std::string::npos);
        CHECK(error.message.find("in use") != std::string::npos);
    }
    CHECK(second.bind(Endpoint()).error().fault == Fault::invalid_input);
    CHECK(second.connect(Endpoint()).error().fault == Fault::invalid_input);
    CHECK(second.connect(at("tcp://0.0.0.0:7")).error().fault == Fault::invalid_input);
    CHECK(second.bind(at("ipc:///nowhere/at/all")).error().message.find("directory") != std::string::npos);
    CHECK(sockets.make(SocketKind::pull, {.high_water_mark = 0}).error().fault == Fault::invalid_input);
}

TEST_CASE("an ipc socket file is its owner's alone, replaces a dead one and goes with its socket") {
    ScratchDir dir;
    const auto file = (dir.path() / "a").string();
    SocketFactory sockets{Identity::local()};
    leave_dead_socket_file(file);
    {
        auto socket = sockets.make(SocketKind::pull).value();
        REQUIRE(socket.bind(at("ipc://" + file)));
        struct stat info {};
        REQUIRE(stat(file.c_str(), &info) == 0);
        CHECK((info.st_mode & 0777) == 0600);
    }
    CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("what lies at the path of an ipc endpoint and is no socket is left alone") {
    ScratchDir dir;
    SocketFactory sockets{Identity::local()};
    const auto file = dir.path() / "file", directory = dir.path() / "directory", link = dir.path() / "link", fifo = dir.path() / "fifo";
    std::ofstream(file) << "kept";
    std::filesystem::create_directory(directory);
    std::filesystem::create_symlink(file, link);
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    for (const auto& taken : {file, directory, link, fifo}) {
        auto socket = sockets.make(SocketKind::router).value();
        const auto bound = socket.bind(at("ipc://" + taken.string()));
        REQUIRE_FALSE(bound);
        CHECK(bound.error().fault == Fault::io);
        CHECK(bound.error().message.find(taken.string()) != std::string::npos);
        CHECK(bound.error().message.find("no socket") != std::string::npos);
        CHECK(std::filesystem::exists(std::filesystem::symlink_status(taken)));
    }
    std::string text;
    std::ifstream(file) >> text;
    CHECK(text == "kept");
}

TEST_CASE("a watch announces every message, however sends and receives are mixed on the same thread") {
    ScratchDir dir;
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    auto router = sockets.make(SocketKind::router).value();
    auto dealer = sockets.make(SocketKind::dealer).value();
    REQUIRE(dealer.connect(router.bind(at("ipc://" + (dir.path() / "r").string())).value()));
    constexpr int total = 2000;
    int echoed = 0, back = 0, sent = 0;
    const auto send_some = [&] {
        for (int i = 0; i < 3 && sent < total && sent - back < 300; ++i, ++sent) {
            auto message = message_of(std::to_string(sent));
            REQUIRE(dealer.try_send(message));
        }
    };
    Message message;
    const auto at_router = router.watch(loop, [&] {
        while (router.try_receive(message)) {
            REQUIRE(message.size() == 2);
            ++echoed;
            CHECK(router.try_send(message));
        }
    });
    Message answer;
    const auto at_dealer = dealer.watch(loop, [&] {
        while (dealer.try_receive(answer)) {
            CHECK(answer[0].text() == std::to_string(back));
            if (++back == total) loop.stop();
            send_some();
        }
    });
    send_some();
    loop.call_after(patience(20s), [&] { loop.stop(); });
    loop.run();
    CHECK(echoed == total);
    CHECK(back == total);
}

TEST_CASE("a watched PUSH says when its connection is up; nothing is queued before") {
    ScratchDir dir;
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    auto push = sockets.make(SocketKind::push, {.immediate = true}).value();
    auto pull = sockets.make(SocketKind::pull).value();
    const auto endpoint = at("ipc://" + (dir.path() / "p").string());
    REQUIRE(pull.bind(endpoint));
    auto message = message_of("hello");
    CHECK_FALSE(push.try_send(message));
    CHECK(message[0].text() == "hello");
    REQUIRE(push.connect(endpoint));
    int ready = 0;
    auto watch = push.watch(loop, [&] {
        if (ready++ == 0) CHECK(push.try_send(message));
    });
    Message got;
    auto at_pull = pull.watch(loop, [&] {
        if (pull.try_receive(got)) loop.stop();
    });
    loop.call_after(patience(20s), [&] { loop.stop(); });
    loop.run();
    CHECK(got.size() == 1);
    CHECK(ready >= 1);
}

TEST_CASE("a watch that is gone, or whose socket is gone, calls nobody") {
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    auto pull = std::make_unique<Socket>(sockets.make(SocketKind::pull).value());
    auto push = sockets.make(SocketKind::push).value();
    REQUIRE(push.connect(pull->bind(at("tcp://127.0.0.1:0")).value()));
    int calls = 0;
    auto watch = pull->watch(loop, [&] { ++calls; });
    auto message = message_of("x");
    push.try_send(message);
    pull.reset();
    watch.reset();
    loop.post([&] { loop.stop(); });
    loop.run();
    CHECK(calls == 0);
}
