#include "runtime/peer/keys.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "base/read_file.hpp"

namespace fard {
namespace {

constexpr std::size_t key_bytes = 32;
constexpr std::string_view heading = "fard-secret-key ";

std::string hex_of(const unsigned char* bytes, std::size_t count) {
    std::string text(2 * count + 1, '\0');
    sodium_bin2hex(text.data(), text.size(), bytes, count);
    text.pop_back();
    return text;
}

std::shared_ptr<unsigned char> protected_bytes() {
    if (sodium_init() < 0) throw std::bad_alloc();
    auto* bytes = static_cast<unsigned char*>(sodium_malloc(key_bytes));
    if (bytes == nullptr) throw std::bad_alloc();
    return {bytes, sodium_free};
}

PublicKey public_of(const unsigned char* secret) {
    std::array<unsigned char, key_bytes> bytes{};
    static_cast<void>(crypto_scalarmult_base(bytes.data(), secret));
    return {hex_of(bytes.data(), bytes.size())};
}

Result<> check_private(const OwnedFd& fd, const std::filesystem::path& file) {
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return fail(Fault::io, "cannot look at {}: {}", file.string(), std::strerror(errno));
    if (status.st_uid != ::geteuid())
        return fail(Fault::refused, "{} belongs to user {}; what is secret is its owner's alone", file.string(), status.st_uid);
    if ((status.st_mode & 077) != 0)
        return fail(Fault::refused, "{} can be read by others (mode {:o}); chmod 600 it; if others have read it, get a new one",
                    file.string(), status.st_mode & 07777);
    return {};
}

}  // namespace

std::array<unsigned char, 32> bytes_of(const PublicKey& key) {
    std::array<unsigned char, key_bytes> bytes{};
    sodium_hex2bin(bytes.data(), bytes.size(), key.hex.data(), key.hex.size(), nullptr, nullptr, nullptr);
    return bytes;
}

PublicKey public_key_of(std::string_view bytes) {
    if (bytes.size() != key_bytes) return {};
    return {hex_of(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size())};
}

KeyPair KeyPair::make() {
    KeyPair pair;
    pair.secret.bytes_ = protected_bytes();
    randombytes_buf(pair.secret.bytes_.get(), key_bytes);
    pair.public_key = public_of(pair.secret.bytes());
    return pair;
}

Result<KeyPair> KeyPair::from_hex(std::string_view secret) {
    KeyPair pair;
    pair.secret.bytes_ = protected_bytes();
    std::size_t size = 0;
    if (secret.size() != 2 * key_bytes ||
        sodium_hex2bin(pair.secret.bytes_.get(), key_bytes, secret.data(), secret.size(), nullptr, &size, nullptr) != 0 ||
        size != key_bytes)
        return fail(Fault::invalid_input, "not a secret key (64 hex digits)");
    pair.public_key = public_of(pair.secret.bytes());
    return pair;
}

std::string KeyPair::secret_hex() const {
    return hex_of(secret.bytes(), key_bytes);
}

Result<KeyPair> KeyPair::read(const std::filesystem::path& file) {
    const auto fd = open_to_read(file, {.links = false});
    if (!fd) return fail(fd.error());
    if (auto checked = check_private(*fd, file); !checked) return fail(checked.error());
    std::array<char, 256> text{};
    const auto size = ::read(fd->get(), text.data(), text.size());
    auto line = std::string_view(text.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
    if (line.ends_with('\n')) line.remove_suffix(1);
    auto pair = line.starts_with(heading) ? from_hex(line.substr(heading.size()))
                                          : Result<KeyPair>(fail(Fault::corrupt, "no key"));
    sodium_memzero(text.data(), text.size());
    if (!pair) return fail(Fault::corrupt, "{} does not hold a key of fard; `fard keys new` makes one", file.string());
    return pair;
}

Error key_is_there(const std::filesystem::path& file) {
    return {Fault::refused, fmt::format("{} is there already, and is not replaced: move the directory away to begin anew, or give another "
                                        "with --dir or FARD_KEYS", file.string())};
}

Result<> KeyPair::write(const std::filesystem::path& file) const {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) return fail(key_is_there(file));
    if (fd < 0) return fail(Fault::io, "cannot write {}: {}", file.string(), std::strerror(errno));
    auto line = std::string(heading) + secret_hex() + "\n";
    const bool written = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && ::fsync(fd) == 0;
    const int cause = errno;
    sodium_memzero(line.data(), line.size());
    ::close(fd);
    if (written) return {};
    ::unlink(file.c_str());
    return fail(Fault::io, "cannot write {}: {}", file.string(), std::strerror(cause));
}

namespace {

std::string fingerprint(const PublicKey& key) {
    std::array<unsigned char, 16> hash{};
    static_cast<void>(crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(key.hex.data()),
                                         key.hex.size(), nullptr, 0));
    return hex_of(hash.data(), 8);
}

}  // namespace

PeerId draw_peer_id(const PublicKey& key) {
    return {key.empty() ? random_hex(16) : fingerprint(key) + random_hex(8)};
}

bool belongs_to(const PeerId& peer, const PublicKey& key) {
    return key.empty() || peer.hex.starts_with(fingerprint(key));
}

Result<std::string> read_private_file(const std::filesystem::path& file) {
    const auto fd = open_to_read(file, {.pipes = true});
    if (!fd) return fail(fd.error());
    if (auto checked = check_private(*fd, file); !checked) return fail(checked.error());
    return read_rest(*fd, file.string(), {.most_bytes = 4096});
}

void hide_memory() {
    ::prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace fard
