#include "client/ticket.hpp"

#include <sstream>

#include "base/printable.hpp"

namespace fard {

namespace {
constexpr const char* heading = "fard-ticket-2";
}  // namespace

std::string JoinTicket::text() const {
    return fmt::format("{} {} {} {} {}", heading, door.text(), cluster, name_of(role), keys.secret_hex());
}

Result<JoinTicket> JoinTicket::parse(const std::string& line) {
    std::istringstream words(line);
    std::string head, door, cluster, role_name, secret;
    words >> head >> door >> cluster >> role_name >> secret;
    auto address = Address::parse(door);
    auto keys = KeyPair::from_hex(secret);
    const auto role = role_of_name(role_name);
    if (head != heading || !address || address->key.empty() || !is_short_name(cluster) || !role || !keys)
        return fail(Fault::invalid_input, "this is not a ticket; `fard init` and `fard keys ticket` print one line that is");
    return JoinTicket{std::move(*address), cluster, std::move(*keys), *role};
}

}  // namespace fard
