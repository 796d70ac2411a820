#include "runtime/peer/endpoint.hpp"

#include <doctest/doctest.h>

#include "runtime/peer/resolver.hpp"
#include "tests/peer/real_loop.hpp"

using namespace fard;
using namespace std::chrono_literals;

TEST_CASE("endpoints are brought into one form") {
    const std::pair<const char*, const char*> forms[] = {
        {"ipc:///run/x.ipc", "ipc:///run/x.ipc"},
        {"tcp://10.0.0.1:7000", "tcp://10.0.0.1:7000"},
        {"tcp://10.0.0.1:07000", "tcp://10.0.0.1:7000"},
        {"tcp://[::1]:5", "tcp://[::1]:5"},
        {"tcp://[FD00:0:0:0::1]:5", "tcp://[fd00::1]:5"},
        {"tcp://[::ffff:127.0.0.1]:5", "tcp://127.0.0.1:5"},
        {"tcp://0.0.0.0:0", "tcp://0.0.0.0:0"},
    };
    for (const auto& pair : forms) {
        const auto endpoint = Endpoint::parse(pair.first);
        REQUIRE_MESSAGE(endpoint, pair.first);
        CHECK(endpoint->text() == pair.second);
    }
}

TEST_CASE("what libzmq would resolve, assert on or take otherwise is no endpoint") {
    for (const std::string text :
         {"", "nonsense", "tcp:/x", "tcp://", "tcp://:1", "tcp://*:1", "tcp://eth0:1", "tcp://host.lab:1",
          "tcp://127.0.0.1.example.org:5", "tcp://10.0.0.1", "tcp://10.0.0.1:", "tcp://10.0.0.1:x",
          "tcp://10.0.0.1:65536", "tcp://10.0.0.1:-1", "tcp://10.0.0.1:000001", "tcp://::1:5", "tcp://[::1:5",
          "tcp://::1]:5", "tcp://[10.0.0.1:5", "tcp://[fe80::1%eth0]:5", "tcp://10.0.0.2:1;10.0.0.1:1",
          "tcp://10.1:5", "tcp://0x7f000001:5", "tcp://10.0.0.1 :5", "tcp://10.0.0.1:5 ", "ipc://", "ipc://x", "ipc://*",
          "ipc://@abstract", "norm://1:2", "pgm://1:2", "epgm://1:2", "udp://10.0.0.1:5", "vmci://1:2", "tipc://{1,2,3}",
          "inproc://x", "ws://10.0.0.1:5", "http://10.0.0.1/x", "TCP://10.0.0.1:5"})
        CHECK_MESSAGE(Endpoint::parse(text).error().fault == Fault::invalid_input, text);
    CHECK_FALSE(Endpoint::parse("ipc:///" + std::string(107, 'x')));
    CHECK(Endpoint::parse("ipc:///" + std::string(106, 'x')));
    CHECK_FALSE(Endpoint::parse(std::string("ipc:///a\0b", 10)));
    CHECK_FALSE(Endpoint::parse(std::string(100'000, 't')));
}

TEST_CASE("others can connect neither to everywhere nor to any port") {
    for (const auto* text : {"tcp://0.0.0.0:7", "tcp://[::]:7", "tcp://10.0.0.1:0"}) {
        CHECK(Endpoint::parse(text));
        CHECK_FALSE(Endpoint::parse_remote(text));
    }
    CHECK(Endpoint::parse_remote("tcp://[fd00::1]:7"));
    CHECK(Endpoint::parse_remote("ipc:///x"));
}

TEST_CASE("the parts of an endpoint") {
    const auto six = Endpoint::parse("tcp://[fd00::1]:7000").value();
    CHECK(six.address() == "fd00::1");
    CHECK(six.port() == 7000);
    CHECK(six.is_ipv6());
    CHECK_FALSE(six.is_on_this_machine());
    CHECK(Endpoint::tcp("[::1]", 5).value().is_on_this_machine());
    CHECK(Endpoint::tcp("127.9.9.9", 5).value().is_on_this_machine());
    CHECK(Endpoint::ipc("/x").value().is_on_this_machine());
    CHECK(Endpoint::ipc("/x").value().path() == "/x");
    CHECK(Endpoint().empty());
    CHECK_FALSE(Endpoint().is_connectable());
}

TEST_CASE("an address is an endpoint and perhaps a key") {
    const std::string key(64, 'a');
    const auto both = Address::parse("tcp://10.0.0.1:7#" + key).value();
    CHECK(both.key.hex == key);
    CHECK(both.text() == "tcp://10.0.0.1:7#" + key);
    CHECK(Address::parse("ipc:///x").value().key.empty());
    for (const auto* wrong : {"tcp://10.0.0.1:7#", "tcp://10.0.0.1:7#12", "tcp://10.0.0.1:0", "#", ""})
        CHECK_FALSE(Address::parse(wrong));
}

TEST_CASE("addresses as people type them") {
    const auto text = [](const std::string& typed) { return WrittenAddress::parse(typed).value().text(); };
    CHECK(text("tcp://10.0.0.1:7000") == "tcp://10.0.0.1:7000");
    CHECK(text("10.0.0.1:7000") == "tcp://10.0.0.1:7000");
    CHECK(text("[::1]:7000") == "tcp://[::1]:7000");
    CHECK(text("zed-1.lab:7000") == "tcp://zed-1.lab:7000");
    CHECK(text("/run/x.ipc") == "ipc:///run/x.ipc");
    CHECK(text("ipc:///run/x.ipc") == "ipc:///run/x.ipc");
    CHECK(WrittenAddress::parse("zed1:7#" + std::string(64, '0')).value().key().hex == std::string(64, '0'));
    CHECK(WrittenAddress::parse("zed1:7").value().endpoint().empty());
    CHECK_FALSE(WrittenAddress::parse("10.0.0.1:7").value().endpoint().empty());
    for (const auto* wrong : {"", "nonsense", "tcp://", "host:", ":70", "host:0", "host:70000", "host:7x", "ipc://",
                              "ipc://x", "udp://a:1", "http://a:1/x", "10.0.0:7", "10.0.0.1.9:7", "::1:7", "a b:7",
                              "host:7#12", "0.0.0.0:7", "[::]:7", "*:7"})
        CHECK_MESSAGE(WrittenAddress::parse(wrong).error().fault == Fault::invalid_input, wrong);
}

TEST_CASE("names are resolved off the loop, once each, and a resolver may go while they are") {
    AsioLoop loop;
    std::optional<Result<std::vector<Address>>> found, digits;
    {
        Resolver resolver(loop);
        resolver.resolve(WrittenAddress::parse("localhost:7").value(), 20s, [&](auto result) { found = result; });
        resolver.resolve(WrittenAddress::parse("10.0.0.1:7").value(), 20s, [&](auto result) { digits = result; });
        CHECK_FALSE(digits);  // not from within
        REQUIRE(run_until(loop, [&] { return found && digits; }, 30s));
        CHECK((*digits)->front() == Address{Endpoint::parse("tcp://10.0.0.1:7").value(), {}});
        REQUIRE(*found);
        for (const auto& address : **found)
            CHECK(address.endpoint.is_on_this_machine());
        resolver.resolve(WrittenAddress::parse("localhost:7").value(), 20s, [](const auto&) { CHECK(false); });
    }
    run_until(loop, [] { return false; }, 50ms);
    CHECK(resolve_now(WrittenAddress::parse("localhost:7").value(), 20s));
}
