// Addresses as people write them, and the names in them turned into endpoints: by threads that may wait for a name
// server as long as they like, so that no loop and no libzmq ever does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/endpoint.hpp"

namespace fard {

// "HOST:PORT", "tcp://HOST:PORT", "ipc:///PATH" or "/PATH", where HOST is a name, an IPv4 address, or an IPv6 one in
// brackets; with "#KEY" behind it where the public key of who listens there is to be told.
class WrittenAddress {
  public:
    WrittenAddress() = default;
    // Errors: invalid_input, which says what is wrong with it.
    static Result<WrittenAddress> parse(const std::string& text);

    const std::string& text() const { return text_; }  // with its scheme, without the key
    const PublicKey& key() const { return key_; }
    const Endpoint& endpoint() const { return endpoint_; }  // empty where a name must be resolved first
    const std::string& host() const { return host_; }
    std::uint16_t port() const { return port_; }
    friend bool operator==(const WrittenAddress&, const WrittenAddress&) = default;

  private:
    std::string text_;
    Endpoint endpoint_;
    std::string host_;
    PublicKey key_;
    std::uint16_t port_ = 0;
};

// All the addresses that a name has, at least one; each with the key that was written.
using Resolved = std::function<void(Result<std::vector<Address>>)>;

// Lives on one loop. A name server that does not answer holds a thread of ours and nothing else: neither the loop, nor
// the resolver's destruction, nor the end of the process.
class Resolver {
  public:
    explicit Resolver(Loop& loop);
    ~Resolver();  // callbacks that are outstanding are not called any more
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Calls `resolved` once, from the loop, by the deadline. Errors: not_found (no such name), timed_out (the name
    // server does not answer), refused (64 names wait already).
    void resolve(const WrittenAddress& address, Duration deadline, Resolved resolved);

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

// The same for who has no loop; blocks, until the deadline at most.
Result<std::vector<Address>> resolve_now(const WrittenAddress& address, Duration deadline);

}  // namespace fard
