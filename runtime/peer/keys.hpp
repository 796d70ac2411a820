// CURVE key pairs: made, kept in files of mode 0600, and in memory that is neither swapped nor dumped.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "runtime/peer/endpoint.hpp"
#include "runtime/peer/ids.hpp"

namespace fard {

// 32 bytes that are never printed. Copies share them.
class SecretKey {
  public:
    SecretKey() = default;  // none
    bool empty() const { return bytes_ == nullptr; }
    const unsigned char* bytes() const { return bytes_.get(); }

  private:
    friend struct KeyPair;
    std::shared_ptr<unsigned char> bytes_;
};

// As libzmq has keys: 32 bytes. A text of another length is no key, and gives the empty one.
std::array<unsigned char, 32> bytes_of(const PublicKey& key);
PublicKey public_key_of(std::string_view bytes);

struct KeyPair {
    PublicKey public_key;
    SecretKey secret;

    static KeyPair make();
    // 64 hex digits of a secret key. Errors: invalid_input (without the text).
    static Result<KeyPair> from_hex(std::string_view secret);
    std::string secret_hex() const;  // for a ticket alone

    // One line in a file of mode 0600. Errors: not_found, refused (others can read it, or it belongs to somebody else),
    // corrupt, io.
    static Result<KeyPair> read(const std::filesystem::path& file);
    Result<> write(const std::filesystem::path& file) const;  // errors: refused (there is one already), io
};

Error key_is_there(const std::filesystem::path& file);  // a key that is not replaced

// A peer's id follows from its key: its first half is the key's fingerprint, the second is drawn at each start, because
// a restarted board is another peer. Without a key all of it is drawn.
PeerId draw_peer_id(const PublicKey& key);
bool belongs_to(const PeerId& peer, const PublicKey& key);  // true for any peer where there is no key

// A text that only the user who runs this process can read, of a file or a pipe. Errors: refused (others can), those of
// read_file.hpp.
Result<std::string> read_private_file(const std::filesystem::path& file);

// From now on this process leaves no core dump and cannot be looked into by other processes of its user.
void hide_memory();

}  // namespace fard
