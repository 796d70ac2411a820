#include "overlays/emulated/faults.hpp"

#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <limits>

namespace fard {
namespace {

constexpr std::array<std::string_view, 14> names = {"fetch",         "verify",    "unload", "load-request", "load-init",
                                                    "load-write",    "load-complete", "load-hang", "map", "dma-start",
                                                    "dma",           "wrong",     "freeze", "stuck"};

tl::unexpected<Error> wrong(std::string_view text) {
    return fail(Fault::invalid_input, "'{}' is no fault of an emulated board; write KIND@N, KIND@N*M or freeze@N:MS, with one of {}",
                text, fmt::join(names, ", "));
}

// A number of at least 1 at the beginning of `rest`, which goes on behind it; 0: there is none.
std::uint64_t take_number(std::string_view& rest) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc{}) return 0;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    return number;
}

bool take(std::string_view& rest, char sign) {
    if (!rest.starts_with(sign)) return false;
    rest.remove_prefix(1);
    return true;
}

}  // namespace

std::string_view name_of(EmulatedFault::Kind kind) {
    return names[static_cast<std::size_t>(kind)];
}

EmulatedFault::Occasion EmulatedFault::at() const {
    switch (kind) {
        case Kind::fetch: return Occasion::piece;
        case Kind::verify: return Occasion::block;
        case Kind::unload: return Occasion::unload;
        default: return kind <= Kind::map ? Occasion::load : Occasion::chunk;
    }
}

Result<EmulatedFault> parse_fault(std::string_view text) {
    constexpr std::uint64_t longest_freeze_ms = 3'600'000;
    EmulatedFault fault;
    const auto at = text.find('@');
    if (at == text.npos) return wrong(text);
    std::size_t kind = 0;
    while (kind < names.size() && names[kind] != text.substr(0, at))
        ++kind;
    if (kind == names.size()) return wrong(text);
    fault.kind = static_cast<EmulatedFault::Kind>(kind);
    auto rest = text.substr(at + 1);
    fault.from = take_number(rest);
    if (fault.from == 0) return wrong(text);
    if (take(rest, '*')) fault.count = rest.empty() || rest.front() == ':' ? std::numeric_limits<std::uint64_t>::max() : take_number(rest);
    if (fault.count == 0) return wrong(text);
    if (fault.kind == EmulatedFault::Kind::freeze) {
        if (!take(rest, ':')) return wrong(text);
        const auto ms = take_number(rest);
        if (ms == 0 || ms > longest_freeze_ms) return wrong(text);
        fault.freeze_ms = static_cast<std::int64_t>(ms);
    }
    if (!rest.empty()) return wrong(text);
    return fault;
}

}  // namespace fard
