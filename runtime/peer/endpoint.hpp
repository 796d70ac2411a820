// Where a socket is, and whose: the one place where addresses are parsed. Nothing that is no Endpoint reaches libzmq,
// which asserts on some strings and resolves names in the thread that moves all data.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace fard {

// "ipc:///ABSOLUTE/PATH", or "tcp://ADDRESS:PORT" with an IPv4 address or an IPv6 one in brackets, both in digits.
class Endpoint {
  public:
    Endpoint() = default;  // nowhere; its text is empty

    // What a socket may be bound to: port 0 (any that is free) and the addresses 0.0.0.0 and [::] (all of this
    // machine) are fine. The text is brought into one form, so that equal places are equal. Errors: invalid_input,
    // with the text and what was expected.
    static Result<Endpoint> parse(std::string_view text);
    // What others may connect to: the same without port 0, 0.0.0.0 and [::].
    static Result<Endpoint> parse_remote(std::string_view text);
    static Result<Endpoint> ipc(const std::string& path);
    static Result<Endpoint> tcp(std::string_view address, std::uint16_t port);  // "10.0.0.1", "fe80::1", "[::1]"

    bool empty() const { return text_.empty(); }
    bool is_ipc() const { return text_.starts_with("ipc:"); }
    bool is_tcp() const { return text_.starts_with("tcp:"); }
    const std::string& text() const { return text_; }

    std::string path() const;     // of an ipc endpoint
    std::string address() const;  // of a tcp endpoint, in digits, an IPv6 one without brackets
    std::uint16_t port() const;   // of a tcp endpoint
    bool is_ipv6() const { return text_.starts_with("tcp://["); }
    bool is_wildcard() const;           // 0.0.0.0 or [::]
    bool is_connectable() const;        // neither empty, nor a wildcard, nor port 0
    bool is_on_this_machine() const;    // ipc, or a loopback address: no other machine can reach it

    friend auto operator<=>(const Endpoint&, const Endpoint&) = default;

  private:
    explicit Endpoint(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

// "10.0.0.1" as it is, "fe80::1" in brackets.
std::string bracketed(const std::string& address);

// Which ports may be bound, both ends included; from 0 to 0: any that is free.
struct PortRange {
    std::uint16_t first = 0, last = 0;

    // "LOW-HIGH". Errors: invalid_input.
    static Result<PortRange> parse(std::string_view text);
    bool any() const { return first == 0; }
    unsigned count() const { return last - first + 1u; }
};

// A CURVE public key: 64 hex digits, or nothing where there are no keys.
struct PublicKey {
    std::string hex;
    bool empty() const { return hex.empty(); }
    std::string brief() const { return hex.substr(0, 12); }  // enough for a person to tell keys apart
    friend auto operator<=>(const PublicKey&, const PublicKey&) = default;
};
bool is_public_key(std::string_view text);

// A bound socket as others connect to it.
struct Address {
    Endpoint endpoint;
    PublicKey key;  // of the process that bound it; empty where there are no keys

    // "ENDPOINT" or "ENDPOINT#KEY", as it stands in files and as people hand it on. Errors: invalid_input.
    static Result<Address> parse(std::string_view text);
    std::string text() const;
    friend auto operator<=>(const Address&, const Address&) = default;
};

}  // namespace fard

template <>
struct fmt::formatter<fard::Endpoint> : fmt::formatter<std::string_view> {
    auto format(const fard::Endpoint& endpoint, format_context& context) const {
        return fmt::formatter<std::string_view>::format(endpoint.text(), context);
    }
};
