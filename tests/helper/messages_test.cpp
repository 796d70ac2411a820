#include "overlays/helper/messages.hpp"

#include <doctest/doctest.h>

using namespace fard;
using namespace fard::helper;

namespace {

std::vector<Message> samples() {
    using Kind = Window::Kind;
    return {Session{std::string(64, 'a'), "/var/lib/fard/overlays/a"},
            Load{false},
            Load{true},
            GiveBack{true},
            Loaded{true,
                   {{Kind::state, "/sys/class/fpga_manager/fpga0/state", 0, 0, 0},
                    {Kind::registers, "idma0", 0xa0000000, 0x10000, 0x40},
                    {Kind::memory, "udmabuf0", 0x8'7000'0000, 1 << 20, 0},
                    {Kind::sync_for_device, "sync_for_device", 0, 0, 0}}},
            Failed{Fault::timed_out, "the fabric did not start"},
            Board{"xc7z020clg484-1", {}},
            Board{"xc7z020clg484-1", {"7z020clg400", "7z020clg484"}}};
}

}  // namespace

TEST_CASE("the board helper's packets come back as they were") {
    for (const auto& message : samples()) {
        const auto packet = encode(message);
        const auto back = decode(packet);
        REQUIRE(back);
        CHECK(*back == message);
        CHECK(encode(*back) == packet);
    }
    const auto load = encode(Load{true});
    CHECK(load == std::string("\x01\x02\x01", 3));
    CHECK(encode(Board{"7z", {"a"}}) == std::string("\x01\x06\x02\x00" "7z\x01\x01\x00" "a", 10));
}

TEST_CASE("what is short, longer, of another version, type or value is no packet of the board helper's") {
    for (const auto& message : samples()) {
        const auto packet = encode(message);
        for (std::size_t length = 0; length < packet.size(); ++length) CHECK(decode(packet.substr(0, length)).error().fault == Fault::corrupt);
        CHECK(decode(packet + '\0').error().fault == Fault::corrupt);
        auto newer = packet;
        newer[0] = 2;
        CHECK(decode(newer).error().fault == Fault::unsupported);
    }
    CHECK(decode(std::string("\x01\x63", 2)).error().message.find("unknown type 99") != std::string::npos);
    CHECK(!decode(std::string("\x01\x02\x02", 3)));                                  // a flag of 2
    CHECK(!decode(std::string("\x01\x05\x00\x00\x00", 5)));                          // no fault
    CHECK(!decode(std::string("\x01\x04\x00\xff\xff", 5)));                          // windows that are not there
    CHECK(!decode(std::string("\x01\x06\xff\xff", 4)));                              // a text that is not there
    CHECK(!decode(std::string("\x01\x06\x03\x00" "a\0b", 7)));                       // a NUL in a text
    CHECK(!decode(encode(Loaded{false, {{Window::Kind::registers, "x", 0, ~0ull, 1}}})));  // beyond all addresses
    CHECK(encode(Loaded{false, std::vector<Window>(max_windows + 1)}).empty());
    CHECK(std::get<Failed>(decode(encode(Failed{Fault::io, std::string(9000, 'x')})).value()).message.size() == 4096);
}
