// The keys that a cluster knows, and what each may do. Revocation beats addition: what was revoked stays so, whoever
// says otherwise and whenever.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "runtime/peer/message_parts.hpp"

namespace fard {

// The numbers travel on the wire and stand in files by name.
enum class Role : std::uint8_t {
    none = 0,
    node = 1,     // a node manager: may do everything
    user = 2,     // may submit, cancel and look
    reader = 3,   // may look
    joining = 4,  // holds a ticket: may say JOIN, once
};
const char* name_of(Role role);
std::optional<Role> role_of_name(std::string_view name);

// Whose a key is, for people: 1 to 64 bytes, none of them a space or a control character.
Result<> check_key_name(const std::string& name);

inline constexpr std::chrono::seconds ticket_lifetime{600};

// Thread-safe.
class KeyRing {
  public:
    // What the file says; a file that is not there is an empty ring. `file` empty: in memory alone. Errors: corrupt (with
    // the line), io.
    static Result<std::shared_ptr<KeyRing>> open(const std::filesystem::path& file);

    Role role_of(const PublicKey& key) const;  // none for a key that is unknown or revoked, or whose ticket has run out
    std::string owner_of(const PublicKey& key) const;  // whose it is; "" for one that is unknown
    bool is_revoked(const PublicKey& key) const;
    std::vector<wire::AllowedKey> keys() const;  // without tickets

    // Two rings with the same hash know the same keys, and the same of them are revoked: the sum over the keys of h(key)
    // (mixing.hpp), those that are revoked put through mix once more; modulo 2^64.
    std::uint64_t hash() const;

    // Takes what is new in it, at once: a revocation holds whatever becomes of the disk. Returns which keys were revoked by
    // it, and whether anything changed.
    struct Merged {
        bool changed = false;
        std::vector<PublicKey> revoked;
    };
    Merged merge(const std::vector<wire::AllowedKey>& keys);

    // Writes what merge() has taken and is not on disk yet; nothing to write is no error. Errors: io.
    Result<> keep();

    // A ticket: `key` may say JOIN until then, once, to become `role`. Kept by this board alone. Errors: io, and there is none.
    Result<> add_ticket(const PublicKey& key, Role role, std::chrono::seconds lifetime);
    // The role that the ticket is for; it is used up, and good for this newcomer alone, who may not have heard the answer. Errors:
    // refused, it was used or has expired, which is known for a day; io, it is still good.
    Result<Role> use_ticket(const PublicKey& key, const PublicKey& newcomer);

    // Until open() nobody is admitted: a board that was away first learns what was revoked meanwhile.
    bool is_open() const;
    void set_open(bool open);

  private:
    explicit KeyRing(std::filesystem::path file) : file_(std::move(file)) {}
    struct Ticket {
        Role role = Role::none;
        std::uint64_t expires = 0;  // seconds of the real-time clock, because it outlives a restart
        PublicKey used_by = {};     // empty: it was not used
        std::uint64_t used = 0;     // when
        bool is_remembered(std::uint64_t now) const;
    };
    static std::string ticket_line(const PublicKey& key, const Ticket& ticket);
    Result<> load();
    Result<> save();  // with the mutex held
    void put(const wire::AllowedKey& key);

    const std::filesystem::path file_;
    mutable std::mutex mutex_;
    std::map<PublicKey, wire::AllowedKey> keys_;
    std::uint64_t hash_ = 0;
    std::map<PublicKey, Ticket> tickets_;
    bool open_ = true;
    bool unsaved_ = false;  // the file lacks something
};

}  // namespace fard
