// A cluster's status for people.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/peer/messages_client.hpp"

namespace fard::cli {

std::string status_text(const wire::Status& status);
std::string age_text(std::uint64_t milliseconds);  // "12 s", "3 min", "5 h", "2 d"

}  // namespace fard::cli
