#include "jobs/interrupts.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

#include "base/owned_fd.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

bool take(const Channel& channel) {
    char byte = 0;
    return ::recv(channel.ours.get(), &byte, 1, MSG_DONTWAIT) == 1;
}

}  // namespace

TEST_CASE("a message ends a wait that nothing else would end, at whatever moment it comes") {
    const auto channel = make_channel().value();
    Interrupts interrupts(channel.ours.get());
    interrupts.take();
    constexpr int rounds = 20'000;
    std::atomic<int> taken{0};
    std::thread other([&] {
        std::minstd_rand random(7);
        for (int round = 0; round < rounds; ++round) {
            while (taken != round)
                std::this_thread::yield();
            for (auto spin = random() % 2000; spin > 0; --spin)
                std::atomic_signal_fence(std::memory_order_seq_cst);  // so that it takes time
            CHECK(::send(channel.theirs.get(), "x", 1, MSG_NOSIGNAL) == 1);
        }
    });
    while (taken < rounds) {
        if (interrupts.begin()) ::pause();
        interrupts.end();
        if (interrupts.take())
            while (take(channel))
                ++taken;
    }
    other.join();
    CHECK(taken == rounds);
}

TEST_CASE("a time ends a wait, and so does the end of the channel") {
    auto channel = make_channel().value();
    Interrupts interrupts(channel.ours.get());
    interrupts.take();
    for (int round = 0; round < 5; ++round) {
        const auto start = std::chrono::steady_clock::now();
        interrupts.after(3ms);
        while (!interrupts.take()) {
            if (interrupts.begin()) ::pause();
            interrupts.end();
        }
        CHECK(std::chrono::steady_clock::now() - start >= 3ms);
    }
    channel.theirs = OwnedFd();
    while (!interrupts.take()) {
        if (interrupts.begin()) ::pause();
        interrupts.end();
    }
    char byte = 0;
    CHECK(::recv(channel.ours.get(), &byte, 1, MSG_DONTWAIT) == 0);
}

TEST_CASE("what came before is not forgotten") {
    const auto channel = make_channel().value();
    REQUIRE(::send(channel.theirs.get(), "x", 1, MSG_NOSIGNAL) == 1);
    Interrupts interrupts(channel.ours.get());
    CHECK_FALSE(interrupts.begin());
    CHECK(interrupts.take());
    CHECK(take(channel));
}
