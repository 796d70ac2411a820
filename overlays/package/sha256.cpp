#include "overlays/package/sha256.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <iterator>
#include <new>

namespace fard {

struct Sha256::State {
    std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> sums{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

// Its calls fail only for want of memory.
Sha256::Sha256() : state_(std::make_unique<State>()) {
    if (!state_->sums || EVP_DigestInit_ex(state_->sums.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
    EVP_DigestUpdate(state_->sums.get(), bytes.data(), bytes.size());
}

std::string Sha256::hex() {
    std::array<unsigned char, 32> digest{};
    EVP_DigestFinal_ex(state_->sums.get(), digest.data(), nullptr);
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
