#include "runtime/peer/key_ring.hpp"


#include <ctime>
#include <fstream>
#include <sstream>

#include "base/replace_file.hpp"
#include "runtime/peer/mixing.hpp"

namespace fard {
namespace {

constexpr std::size_t most_keys = 4096;
constexpr std::size_t longest_name = 64;

std::uint64_t now_s() {
    return static_cast<std::uint64_t>(std::time(nullptr));
}

bool is_key_name(const std::string& name) {
    for (const char c : name)
        if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return false;
    return !name.empty() && name.size() <= longest_name;
}

std::string line_of(const wire::AllowedKey& key) {
    return fmt::format("{} {} {}\n", key.revoked ? "revoked" : name_of(static_cast<Role>(key.role)), key.key.hex, key.name);
}

std::uint64_t sum_of(const wire::AllowedKey& key) {
    const auto hash = hash_of(key.key.hex);
    return key.revoked ? mix(hash) : hash;
}

}  // namespace

const char* name_of(Role role) {
    switch (role) {
        case Role::node:
            return "node";
        case Role::user:
            return "user";
        case Role::reader:
            return "read-only";
        case Role::joining:
            return "ticket";
        case Role::none:
            break;
    }
    return "none";
}

Result<> check_key_name(const std::string& name) {
    if (is_key_name(name)) return {};
    return fail(Fault::invalid_input, "the name of a key is 1 to {} characters without spaces; '{}' is not (--name)", longest_name,
                name);
}

std::optional<Role> role_of_name(std::string_view name) {
    for (const auto role : {Role::node, Role::user, Role::reader})
        if (name == name_of(role)) return role;
    return std::nullopt;
}

Result<std::shared_ptr<KeyRing>> KeyRing::open(const std::filesystem::path& file) {
    std::shared_ptr<KeyRing> ring(new KeyRing(file));
    if (auto loaded = ring->load(); !loaded) return fail(loaded.error());
    return ring;
}

// Lines of "ROLE KEY NAME", "revoked KEY NAME" and "ticket KEY ROLE EXPIRES".
Result<> KeyRing::load() {
    std::error_code error;
    if (file_.empty() || !std::filesystem::exists(file_, error)) return {};
    std::ifstream file(file_);
    if (!file) return fail(Fault::io, "cannot read {}", file_.string());
    std::size_t number = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        if (line.empty() || line.starts_with('#')) continue;
        std::istringstream words(line);
        std::string kind, key, name;
        words >> kind >> key >> name;
        const auto role = role_of_name(kind);
        if (!is_public_key(key) || (!role && kind != "revoked" && kind != "ticket"))
            return fail(Fault::corrupt, "{}:{}: expected 'node|user|read-only|revoked KEY NAME'", file_.string(), number);
        if (kind == "ticket") {
            Ticket ticket{role_of_name(name).value_or(Role::none), 0};
            words >> ticket.expires;
            tickets_[{key}] = ticket;
        } else {
            put({{key}, static_cast<std::uint8_t>(role.value_or(Role::none)), name, kind == "revoked"});
        }
    }
    return {};
}

void KeyRing::put(const wire::AllowedKey& key) {
    const auto [place, is_new] = keys_.try_emplace(key.key, key);
    if (!is_new) {
        hash_ -= sum_of(place->second);
        place->second = key;
    }
    hash_ += sum_of(key);
}

std::uint64_t KeyRing::hash() const {
    const std::lock_guard lock(mutex_);
    return hash_;
}

Result<> KeyRing::save() {
    if (file_.empty()) return {};
    unsaved_ = true;
    std::string text = "# The keys that this cluster knows; written by fard.\n";
    for (const auto& [id, key] : keys_)
        text += line_of(key);
    for (const auto& [id, ticket] : tickets_)
        if (ticket.expires > now_s()) text += fmt::format("ticket {} {} {}\n", id.hex, name_of(ticket.role), ticket.expires);
    if (auto written = replace_file(file_, text, Durability::on_disk); !written) return written;
    unsaved_ = false;
    return {};
}

Role KeyRing::role_of(const PublicKey& key) const {
    const std::lock_guard lock(mutex_);
    if (const auto found = keys_.find(key); found != keys_.end())
        return found->second.revoked ? Role::none : static_cast<Role>(found->second.role);
    const auto ticket = tickets_.find(key);
    return ticket != tickets_.end() && ticket->second.expires > now_s() ? Role::joining : Role::none;
}

std::string KeyRing::owner_of(const PublicKey& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find(key);
    return found == keys_.end() ? "" : found->second.name;
}

bool KeyRing::is_revoked(const PublicKey& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find(key);
    return found != keys_.end() && found->second.revoked;
}

std::vector<wire::AllowedKey> KeyRing::keys() const {
    const std::lock_guard lock(mutex_);
    std::vector<wire::AllowedKey> all;
    for (const auto& [id, key] : keys_)
        all.push_back(key);
    return all;
}

KeyRing::Merged KeyRing::merge(const std::vector<wire::AllowedKey>& keys) {
    const std::lock_guard lock(mutex_);
    Merged merged;
    for (const auto& key : keys) {
        const bool known_role = key.role >= 1 && key.role <= 3;
        if (!is_public_key(key.key.hex) || (!known_role && !key.revoked)) continue;
        if (!key.name.empty() && !is_key_name(key.name)) continue;
        const auto found = keys_.find(key.key);
        if (found == keys_.end() && keys_.size() >= most_keys && !key.revoked) continue;
        const bool newly_revoked = key.revoked && (found == keys_.end() || !found->second.revoked);
        if (found != keys_.end() && !newly_revoked) continue;
        put(key);
        merged.changed = true;
        if (newly_revoked) merged.revoked.push_back(key.key);
    }
    unsaved_ = unsaved_ || merged.changed;
    return merged;
}

Result<> KeyRing::keep() {
    const std::lock_guard lock(mutex_);
    return unsaved_ ? save() : Result<>();
}

Result<> KeyRing::add_ticket(const PublicKey& key, Role role, std::chrono::seconds lifetime) {
    const std::lock_guard lock(mutex_);
    tickets_[key] = {role, now_s() + static_cast<std::uint64_t>(lifetime.count())};
    auto saved = save();
    if (!saved) tickets_.erase(key);
    return saved;
}

Result<Role> KeyRing::use_ticket(const PublicKey& key) {
    const std::lock_guard lock(mutex_);
    auto ticket = tickets_.extract(key);
    if (ticket.empty() || ticket.mapped().expires <= now_s() || ticket.mapped().role == Role::none)
        return fail(Fault::refused, "the ticket has run out or was used");
    const auto role = ticket.mapped().role;
    if (auto saved = save(); !saved) {
        tickets_.insert(std::move(ticket));
        return fail(saved.error().fault, "{}; the ticket is still good", saved.error().message);
    }
    return role;
}

bool KeyRing::is_open() const {
    const std::lock_guard lock(mutex_);
    return open_;
}

void KeyRing::set_open(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
}

}  // namespace fard
