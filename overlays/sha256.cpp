#include "overlays/sha256.hpp"

#include <fmt/format.h>
#include <sodium/crypto_hash_sha256.h>

#include <array>
#include <iterator>

namespace fard {

struct Sha256::State {
    crypto_hash_sha256_state sums;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
    crypto_hash_sha256_init(&state_->sums);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
    crypto_hash_sha256_update(&state_->sums, reinterpret_cast<const unsigned char*>(bytes.data()),
                              bytes.size());
}

std::string Sha256::hex() {
    std::array<unsigned char, crypto_hash_sha256_BYTES> digest;
    crypto_hash_sha256_final(&state_->sums, digest.data());
    std::string text;
    text.reserve(digest.size() * 2);
    for (const auto byte : digest)
        fmt::format_to(std::back_inserter(text), "{:02x}", byte);
    return text;
}

std::string sha256_hex(std::string_view bytes) {
    Sha256 sum;
    sum.update(bytes);
    return sum.hex();
}

}  // namespace fard
