#include "runtime/peer/endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

namespace fard {
namespace {

constexpr std::string_view ipc_scheme = "ipc://";
constexpr std::string_view tcp_scheme = "tcp://";
constexpr std::size_t longest_path = 107;  // sockaddr_un::sun_path, less its zero byte

tl::unexpected<Error> wrong(std::string_view text) {
    return fail(Fault::invalid_input, "'{}' is not an endpoint (ipc:///DIRECTORY/NAME or tcp://ADDRESS:PORT)", text);
}

// The address in its shortest form; nothing if it is none. An IPv4 address that was written as an IPv6 one is IPv4.
std::optional<std::string> in_digits(const std::string& host) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    in_addr four{};
    if (inet_pton(AF_INET, host.c_str(), &four) == 1) {
        inet_ntop(AF_INET, &four, text.data(), text.size());
        return text.data();
    }
    in6_addr six{};
    if (inet_pton(AF_INET6, host.c_str(), &six) != 1) return std::nullopt;
    if (IN6_IS_ADDR_V4MAPPED(&six)) {
        std::memcpy(&four, six.s6_addr + 12, sizeof four);
        inet_ntop(AF_INET, &four, text.data(), text.size());
        return text.data();
    }
    inet_ntop(AF_INET6, &six, text.data(), text.size());
    return text.data();
}

std::optional<std::uint16_t> port_of(std::string_view digits) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || digits.size() > 5 || number > 65535)
        return std::nullopt;
    return static_cast<std::uint16_t>(number);
}

bool is_one_word(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; });
}

}  // namespace

std::string bracketed(const std::string& address) {
    return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

Result<PortRange> PortRange::parse(std::string_view text) {
    const auto dash = text.find('-');
    const auto first = port_of(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? std::nullopt : port_of(text.substr(dash + 1));
    if (!first || !last || *first == 0 || *last < *first)
        return fail(Fault::invalid_input, "'{}' is not a range of ports, as 7001-7100", text);
    return PortRange{*first, *last};
}

bool is_public_key(std::string_view text) {
    return text.size() == 64 && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

Result<Endpoint> Endpoint::ipc(const std::string& path) {
    const auto text = std::string(ipc_scheme) + path;
    if (!path.starts_with('/'))
        return fail(Fault::invalid_input, "'{}' does not name an absolute path (ipc:///DIRECTORY/NAME)", text);
    if (path.size() > longest_path)
        return fail(Fault::invalid_input, "'{}' is longer than a socket's path can be ({} bytes)", text,
                    longest_path);
    if (path.find('\0') != std::string::npos)
        return fail(Fault::invalid_input, "the path of a socket has a zero byte");
    return Endpoint(text);
}

Result<Endpoint> Endpoint::tcp(std::string_view address, std::uint16_t port) {
    if (address.size() > 2 && address.front() == '[' && address.back() == ']')
        address = address.substr(1, address.size() - 2);
    const auto digits = in_digits(std::string(address));
    if (!digits) return fail(Fault::invalid_input, "'{}' is not an IP address in digits", address);
    return Endpoint(fmt::format("{}{}:{}", tcp_scheme, bracketed(*digits), port));
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
    if (text.size() > 256 || text.find('\0') != std::string_view::npos)
        return fail(Fault::invalid_input, "{} bytes that are not an endpoint", text.size());
    if (text.starts_with(ipc_scheme)) return ipc(std::string(text.substr(ipc_scheme.size())));
    const auto colon = text.rfind(':');
    if (!text.starts_with(tcp_scheme) || colon <= tcp_scheme.size() || !is_one_word(text)) return wrong(text);
    const auto host = text.substr(tcp_scheme.size(), colon - tcp_scheme.size());
    const bool brackets = host.front() == '[';
    if (brackets != (host.find(':') != std::string_view::npos) || brackets != (host.back() == ']')) return wrong(text);
    const auto port = port_of(text.substr(colon + 1));
    if (!port)
        return fail(Fault::invalid_input, "'{}' has no port from 0 to 65535 (0: any that is free)", text);
    auto made = tcp(host, *port);
    if (!made)
        return fail(Fault::invalid_input,
                    "'{}' has no address in digits (an IPv6 one is written in brackets, [::1])", text);
    return made;
}

Result<Endpoint> Endpoint::parse_remote(std::string_view text) {
    auto parsed = parse(text);
    if (parsed && !parsed->is_connectable())
        return fail(Fault::invalid_input, "'{}' has no address and port that others can connect to", text);
    return parsed;
}

std::string Endpoint::path() const {
    return is_ipc() ? text_.substr(ipc_scheme.size()) : std::string();
}

std::string Endpoint::address() const {
    if (!is_tcp()) return {};
    const auto host = text_.substr(tcp_scheme.size(), text_.rfind(':') - tcp_scheme.size());
    return host.front() == '[' ? host.substr(1, host.size() - 2) : host;
}

std::uint16_t Endpoint::port() const {
    return is_tcp() ? port_of(std::string_view(text_).substr(text_.rfind(':') + 1)).value_or(0) : 0;
}

bool Endpoint::is_wildcard() const {
    return text_.starts_with("tcp://0.0.0.0:") || text_.starts_with("tcp://[::]:");
}

bool Endpoint::is_connectable() const {
    return is_ipc() || (is_tcp() && !is_wildcard() && port() != 0);
}

Result<Address> Address::parse(std::string_view text) {
    const auto mark = text.rfind('#');
    auto endpoint = Endpoint::parse_remote(text.substr(0, mark));
    if (!endpoint) return fail(endpoint.error());
    if (mark == std::string_view::npos) return Address{std::move(*endpoint), {}};
    const auto key = text.substr(mark + 1);
    if (!is_public_key(key))
        return fail(Fault::invalid_input, "'{}' does not end in a public key (64 hex digits after the '#')", text);
    return Address{std::move(*endpoint), {std::string(key)}};
}

std::string Address::text() const {
    return key.empty() ? endpoint.text() : endpoint.text() + "#" + key.hex;
}

bool Endpoint::is_on_this_machine() const {
    return is_ipc() || text_.starts_with("tcp://127.") || text_.starts_with("tcp://[::1]:");
}

}  // namespace fard
