#include "client/ticket.hpp"

#include <doctest/doctest.h>

using namespace fard;

TEST_CASE("a ticket is one line that says where, which cluster, as what and by which secret") {
    for (const auto role : {Role::node, Role::user, Role::reader}) {
        const auto board = KeyPair::make().public_key;
        const JoinTicket ticket{{Endpoint::parse("tcp://10.0.0.1:7000").value(), board}, "lab", KeyPair::make(), role};
        const auto line = ticket.text();
        CHECK(line.find('\n') == std::string::npos);
        const auto read = JoinTicket::parse(line);
        REQUIRE(read);
        CHECK(read->door == ticket.door);
        CHECK(read->cluster == "lab");
        CHECK(read->role == role);
        CHECK(read->keys.public_key == ticket.keys.public_key);
    }
}

TEST_CASE("what is no ticket is refused, without a word of it in the message") {
    const JoinTicket ticket{{Endpoint::parse("tcp://10.0.0.1:7000").value(), KeyPair::make().public_key}, "lab",
                            KeyPair::make(), Role::user};
    const auto line = ticket.text();
    const auto secret = ticket.keys.secret_hex();
    for (const auto& text : {std::string(), std::string("hello"), line.substr(0, line.size() - 1), "x" + line,
                             std::string(line).replace(line.find(" user "), 6, " king "),
                             std::string(line).replace(line.find("lab"), 3, "l\"b")}) {
        const auto read = JoinTicket::parse(text);
        REQUIRE_FALSE(read);
        CHECK(read.error().fault == Fault::invalid_input);
        CHECK(read.error().message.find(secret.substr(0, 16)) == std::string::npos);
    }
}
