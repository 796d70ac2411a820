#include "runtime/emulated/board_pacer.hpp"

#include <doctest/doctest.h>

#include "client/client_pacer.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t mebi = 1 << 20;

// 100 us and 10 ns a byte of the processor, 80 ns a byte on the way and 50 us behind it.
BoardProfile profile() {
    const auto text = R"(
format = 1
name = "slow"
title = "a slow board"
part = { value = "xc7z020clg484-1", source = "fitted: test" }
[resources]
lut = { value = 1000, source = "fitted: test" }
ff = { value = 1000, source = "fitted: test" }
bram18 = { value = 10, source = "fitted: test" }
uram = { value = 0, source = "fitted: test" }
dsp = { value = 10, source = "fitted: test" }
[fabric]
clock_mhz = { value = 100, source = "fitted: test" }
slots = { value = 1, source = "fitted: test" }
[host]
us_per_chunk = { value = 100, source = "fitted: test" }
ns_per_byte = { value = 10, source = "fitted: test" }
[network]
mbit_per_s = { value = 105.34246575342466, source = "fitted: test" }
latency_us = { value = 50, source = "fitted: test" }
[reload]
base_ms = { value = 1, source = "fitted: test" }
mbyte_per_s = { value = 1, source = "fitted: test" }
bytes = { value = 1, source = "fitted: test" }
)";
    return BoardProfile::parse(text, "test").value();
}

std::chrono::nanoseconds way(std::size_t bytes) {
    return 80ns * bytes;
}

bool near(Duration one, Duration other) {
    return std::chrono::abs(one - other) < 1us;
}

}  // namespace

TEST_CASE("the jobs of a board share its processor, its way in and its way out") {
    const auto memory = BoardMemory::make(profile(), {}).value();
    BoardPacer one(BoardMemory::attach(memory.fd()).value()), other(BoardMemory::attach(memory.fd()).value());
    CHECK(one.place() != 0);
    CHECK(one.place() == other.place());
    const auto start = std::chrono::steady_clock::now();
    const auto first = one.charge_send(mebi, {});
    CHECK(first - start >= 100us + 10ns * mebi + way(mebi) + 50us);
    CHECK(near(other.charge_send(mebi, {}) - first, way(mebi)));  // its processor time overlaps with the first one's way
    const auto in = one.charge_arrival(mebi);
    CHECK(in - start < 10s);                               // the ways are two
    CHECK(near(other.charge_arrival(mebi) - in, way(mebi)));
    const auto free = other.charge_receive(mebi, start + 1h);
    CHECK(near(free - start, 1h + 100us + 10ns * mebi));
    CHECK(near(one.charge_receive(mebi, start + 1h) - free, 100us + 10ns * mebi));
}

TEST_CASE("a chunk that comes in by a free way has come when its last byte has, plus the latency") {
    const auto memory = BoardMemory::make(profile(), {}).value();
    BoardPacer pacer(BoardMemory::attach(memory.fd()).value());
    const auto before = std::chrono::steady_clock::now();
    const auto in = pacer.charge_arrival(mebi);
    CHECK(in >= before + 50us);
    CHECK(in <= std::chrono::steady_clock::now() + 50us);
}

TEST_CASE("chunks that leave later than is tolerated are counted: 2 ms, or what the device says") {
    const auto memory = BoardMemory::make(profile(), {}).value();
    BoardPacer pacer(BoardMemory::attach(memory.fd()).value());
    pacer.left(-1s);
    pacer.left(2ms);
    CHECK(pacer.late() == 0);
    pacer.left(2ms + 1ns);
    CHECK(pacer.late() == 1);
    pacer.tolerate(10ms);
    pacer.left(10ms);
    CHECK(pacer.late() == 1);
    pacer.left(11ms);
    CHECK(pacer.late() == 2);
}

TEST_CASE("two boards share nothing") {
    const auto memory = BoardMemory::make(profile(), {}).value(), another = BoardMemory::make(profile(), {}).value();
    BoardPacer one(BoardMemory::attach(memory.fd()).value()), other(BoardMemory::attach(another.fd()).value());
    CHECK(one.place() != other.place());
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 1000; ++i)
        one.charge_send(mebi, {});
    CHECK(other.charge_send(mebi, {}) - start < 10s);
}

TEST_CASE("a client's port is one way in and one way out, and its processor costs nothing") {
    ClientPacer pacer({80'000, 50'000});
    CHECK(pacer.place() == 0);
    const auto start = std::chrono::steady_clock::now();
    const auto sent = pacer.charge_send(mebi, {});
    CHECK(sent - start >= way(mebi) + 50us);
    CHECK(near(pacer.charge_send(mebi, {}) - sent, way(mebi)));
    const auto in = pacer.charge_arrival(mebi);
    CHECK(near(pacer.charge_arrival(mebi) - in, way(mebi)));
    CHECK(pacer.charge_receive(mebi, start) == start);
}

TEST_CASE("what a stranger says of a port ends: no chunk waits for ever") {
    ClientPacer pacer({~std::uint64_t{0}, ~std::uint64_t{0}});
    CHECK(pacer.charge_send(1000, {}) - std::chrono::steady_clock::now() < 12s);
}
