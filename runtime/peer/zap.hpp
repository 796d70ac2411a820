// Who may connect to the sockets that a process with keys has bound: the answers to libzmq's questions (ZAP, RFC 27).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/peer/endpoint.hpp"

namespace fard {

class KeyRing;

// Whom a bound socket lets in, of those who prove that they hold a key.
struct Admission {
    unsigned roles = 0;              // bits 1 << Role of the process's key ring
    std::vector<PublicKey> keys;     // and these keys
    bool undecided = false;          // who knocks waits until Socket::admit says whom
};

// What is said to who holds a key that was revoked: ZAP's "authentication failure", which ends its handshake with an ERROR.
inline constexpr std::uint32_t revoked_status = 400;

// One thread for all sockets of a libzmq context. Thread-safe. Who proves a key that was revoked is told so and no more;
// everybody else is left without an answer. Both are told to `report`, at most once a second. Messages of who is let in carry
// the key as their user id.
class ZapHandler {
  public:
    using Report = std::function<void(const std::string&)>;
    // `ring` may be null: then only keys count.
    ZapHandler(void* context, std::shared_ptr<KeyRing> ring, Report report);
    ~ZapHandler();
    ZapHandler(const ZapHandler&) = delete;
    ZapHandler& operator=(const ZapHandler&) = delete;

    std::string add(Admission admission);  // returns the ZAP domain of one socket
    void set(const std::string& domain, Admission admission);
    void remove(const std::string& domain);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard
