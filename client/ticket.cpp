#include "client/ticket.hpp"

#include <sstream>

namespace fard {

namespace {
constexpr const char* heading = "fard-ticket-1";
}

std::string JoinTicket::text() const {
    return fmt::format("{} {} {} {}", heading, door.text(), cluster, keys.secret_hex());
}

Result<JoinTicket> JoinTicket::parse(const std::string& line) {
    std::istringstream words(line);
    std::string head, door, cluster, secret;
    words >> head >> door >> cluster >> secret;
    auto address = Address::parse(door);
    auto keys = KeyPair::from_hex(secret);
    if (head != heading || !address || address->key.empty() || cluster.empty() || !keys)
        return fail(Fault::invalid_input, "this is not a ticket; `fard init` and `fard keys ticket` print one line that is");
    return JoinTicket{std::move(*address), cluster, std::move(*keys)};
}

}  // namespace fard
