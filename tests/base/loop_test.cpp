#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "base/asio_loop.hpp"

using namespace fard;
using namespace std::chrono_literals;

TEST_CASE("timers run in the order of their deadlines, cancelled ones never") {
    AsioLoop loop;
    std::vector<int> order;
    const auto start = loop.now();
    loop.call_at(start + 2ms, [&] { order.push_back(2); loop.stop(); });
    loop.call_at(start + 1ms, [&] { order.push_back(1); });
    loop.cancel(loop.call_at(start + 1ms, [&] { order.push_back(99); }));
    loop.call_at(start - 1ms, [&] { order.push_back(0); });
    loop.run();
    CHECK(order == std::vector{0, 1, 2});
}

TEST_CASE("a deadline that passed while the process slept runs before what became readable") {
    AsioLoop loop;
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    std::vector<std::string> order;
    auto watch = loop.watch_readable(pair[0], [&] {
        order.push_back("readable");
        loop.stop();
    });
    loop.post([&] {
        loop.call_after(1ms, [&] { order.push_back("deadline"); });
        REQUIRE(write(pair[1], "x", 1) == 1);
        const auto until = loop.now() + 2ms;
        while (loop.now() < until) {}
    });
    loop.run();
    loop.unwatch(watch);
    CHECK(order == std::vector<std::string>{"deadline", "readable"});
    close(pair[0]);
    close(pair[1]);
}

TEST_CASE("a watch fires until it is taken away, and leaves the descriptor open") {
    AsioLoop loop;
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    int calls = 0;
    Loop::WatchId watch = 0;
    watch = loop.watch_readable(pair[0], [&] {
        if (++calls == 3) {
            loop.unwatch(watch);
            loop.post([&] { loop.stop(); });
        }
    });
    REQUIRE(write(pair[1], "x", 1) == 1);
    loop.run();
    CHECK(calls == 3);
    char byte = 0;
    CHECK(read(pair[0], &byte, 1) == 1);
    close(pair[0]);
    close(pair[1]);
}
