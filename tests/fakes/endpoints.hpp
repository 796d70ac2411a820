// Endpoints and addresses as tests write them.
#pragma once

#include "runtime/peer/endpoint.hpp"

namespace fard {

// "ipc:///a.door", "tcp://10.0.0.1:7000"; a plain word stands for an ipc socket of that name.
inline Endpoint at(const std::string& text) {
    return Endpoint::parse(text.find(':') == std::string::npos ? "ipc:///" + text : text).value();
}
inline Address address_at(const std::string& text) {
    return {at(text), {}};
}

}  // namespace fard
