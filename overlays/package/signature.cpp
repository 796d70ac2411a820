// libsodium signs here; the mesh's keys are another kind (runtime/peer/keys.cpp).
#include "overlays/package/signature.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "base/owned_fd.hpp"
#include "overlays/package/files.hpp"

namespace fard {
namespace {

using Seed = std::array<unsigned char, crypto_sign_SEEDBYTES>;
using PublicKey = std::array<unsigned char, crypto_sign_PUBLICKEYBYTES>;
using SecretKey = std::array<unsigned char, crypto_sign_SECRETKEYBYTES>;
using Signature = std::array<unsigned char, crypto_sign_BYTES>;

template <typename Bytes>
std::string to_hex(const Bytes& bytes) {
    std::string text(2 * bytes.size() + 1, '\0');
    sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
    text.pop_back();
    return text;
}

template <typename Bytes>
bool from_hex(std::string_view hex, Bytes& bytes) {
    std::size_t size = 0;
    return sodium_hex2bin(bytes.data(), bytes.size(), hex.data(), hex.size(), nullptr, &size, nullptr) == 0 && size == bytes.size();
}

void prepare() {
    if (sodium_init() < 0) throw std::bad_alloc();
}

// What is signed: never to be taken for anything else that a key might sign.
std::string message_of(Manifest manifest) {
    manifest.signature = {};
    return "fard overlay package\n" + manifest.to_toml();
}

Result<Seed> read_seed(const std::filesystem::path& file) {
    struct stat found{};
    if (::stat(file.c_str(), &found) == 0 && (found.st_mode & 077) != 0)
        return fail(Fault::refused, "{}: others can read this key; chmod 600 it, or make another one", file.string());
    auto text = read_regular_file(file, 1024);
    if (!text) return fail(text.error());
    while (!text->empty() && text->back() == '\n') text->pop_back();
    Seed seed;
    const bool read = from_hex(*text, seed);
    sodium_memzero(text->data(), text->size());
    if (!read) return fail(Fault::corrupt, "{} is no signing key (64 hex digits; `fard overlay new-key` makes one)", file.string());
    return seed;
}

}  // namespace

bool is_signer_key(std::string_view hex) {
    return hex.size() == 2 * crypto_sign_PUBLICKEYBYTES &&
           std::ranges::all_of(hex, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Result<std::string> make_signing_key(const std::filesystem::path& file) {
    prepare();
    Seed seed;
    randombytes_buf(seed.data(), seed.size());
    auto text = to_hex(seed) + "\n";
    const OwnedFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (fd.get() < 0 && errno == EEXIST)
        return fail(Fault::invalid_input, "{} exists already; a key is never written over", file.string());
    const bool written = fd.get() >= 0 && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    sodium_memzero(text.data(), text.size());
    if (!written) return fail(Fault::io, "{}: cannot be written: {}", file.string(), std::strerror(errno));
    PublicKey key;
    SecretKey secret;
    crypto_sign_seed_keypair(key.data(), secret.data(), seed.data());
    sodium_memzero(secret.data(), secret.size());
    sodium_memzero(seed.data(), seed.size());
    return to_hex(key);
}

Result<Manifest> sign(Manifest manifest, const std::filesystem::path& key_file) {
    prepare();
    auto seed = read_seed(key_file);
    if (!seed) return fail(seed.error());
    PublicKey key;
    SecretKey secret;
    crypto_sign_seed_keypair(key.data(), secret.data(), seed->data());
    const auto message = message_of(manifest);
    Signature signature;
    crypto_sign_detached(signature.data(), nullptr, reinterpret_cast<const unsigned char*>(message.data()), message.size(), secret.data());
    sodium_memzero(secret.data(), secret.size());
    sodium_memzero(seed->data(), seed->size());
    manifest.signature = {to_hex(key), to_hex(signature)};
    return manifest;
}

Result<> check_signature(const Manifest& manifest, const std::vector<std::string>& signers, const std::string& what) {
    if (signers.empty()) return {};
    prepare();
    const auto& given = manifest.signature;
    if (given.key.empty())
        return fail(Fault::refused, "package {} ({}) is not signed, and this board takes what its package_signers signed alone; sign it "
                    "(fard overlay sign) with one of their keys", what, manifest.name);
    if (std::ranges::find(signers, given.key) == signers.end())
        return fail(Fault::refused, "package {} ({}) is signed by {}, who is none of this board's package_signers; have it signed by one, "
                    "or add that key to them", what, manifest.name, given.key);
    PublicKey key;
    Signature signature;
    const auto message = message_of(manifest);
    if (!from_hex(given.key, key) || !from_hex(given.value, signature) ||
        crypto_sign_verify_detached(signature.data(), reinterpret_cast<const unsigned char*>(message.data()), message.size(), key.data()) != 0)
        return fail(Fault::corrupt, "package {} ({}): its signature is not of this content: it was tampered with after {} signed it", what,
                    manifest.name, given.key);
    return {};
}

}  // namespace fard
