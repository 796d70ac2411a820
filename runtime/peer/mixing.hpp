// Hashes that every member computes alike (docs/protocol.md, Membership).
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/peer/ids.hpp"

namespace fard {

// The finalizer of splitmix64: each bit of the result depends on each bit of the value.
constexpr std::uint64_t mix(std::uint64_t value) {
    value += 0x9e3779b97f4a7c15ull;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
    return value ^ (value >> 31);
}

// FNV-1a over the digits of an id or a key, mixed.
constexpr std::uint64_t hash_of(std::string_view hex) {
    std::uint64_t hash = 0xcbf29ce484222325ull;
    for (const char digit : hex)
        hash = (hash ^ static_cast<unsigned char>(digit)) * 0x100000001b3ull;
    return mix(hash);
}

inline std::uint64_t hash_of(const PeerId& peer) {
    return hash_of(std::string_view(peer.hex));
}

}  // namespace fard
