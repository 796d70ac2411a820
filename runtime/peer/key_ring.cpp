#include "runtime/peer/key_ring.hpp"

#include <algorithm>
#include <ctime>
#include <sstream>

#include "base/printable.hpp"
#include "base/read_file.hpp"
#include "base/replace_file.hpp"
#include "runtime/peer/mixing.hpp"

namespace fard {
namespace {

constexpr std::size_t most_keys = 4096;
constexpr std::size_t most_file_bytes = 4u << 20;
constexpr std::size_t longest_name = 64;
constexpr std::uint64_t ticket_memory_s = 24 * 3600;  // after its end: who comes too late with it is told so

std::uint64_t now_s() {
    return static_cast<std::uint64_t>(std::time(nullptr));
}

bool is_key_name(const std::string& name) {
    return is_name(name) && name.size() <= longest_name && name.find(' ') == std::string::npos;
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
    return fail(Fault::invalid_input, "the name of a key is 1 to {} characters without spaces, and neither '-' nor '.' in front; '{}' is not (--name)", longest_name,
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

namespace {

std::string ago(std::uint64_t seconds) {
    return seconds < 120 ? fmt::format("{} s ago", seconds) : seconds < 7200 ? fmt::format("{} min ago", seconds / 60) : fmt::format("{} h ago", seconds / 3600);
}

}  // namespace

bool KeyRing::Ticket::is_remembered(std::uint64_t now) const {
    return expires + ticket_memory_s > now;
}

std::string KeyRing::ticket_line(const PublicKey& key, const Ticket& ticket) {
    if (ticket.used_by.empty()) return fmt::format("ticket {} {} {}\n", key.hex, name_of(ticket.role), ticket.expires);
    return fmt::format("used {} {} {} {} {}\n", key.hex, name_of(ticket.role), ticket.expires, ticket.used_by.hex, ticket.used);
}

// Lines of "ROLE KEY NAME", "revoked KEY NAME", "ticket KEY ROLE EXPIRES" and "used KEY ROLE EXPIRES BY WHEN".
Result<> KeyRing::load() {
    if (file_.empty()) return {};
    const auto text = read_whole_file(file_, most_file_bytes);
    if (!text && text.error().fault == Fault::not_found) return {};
    if (!text) return fail(text.error());
    std::istringstream file(*text);
    std::size_t number = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        if (line.empty() || line.starts_with('#')) continue;
        std::istringstream words(line);
        std::string kind, key, name;
        words >> kind >> key >> name;
        const auto role = role_of_name(kind);
        const bool is_ticket = kind == "ticket" || kind == "used";
        if (!is_public_key(key) || (!role && kind != "revoked" && !is_ticket))
            return fail(Fault::corrupt, "{}:{}: expected 'node|user|read-only|revoked KEY NAME'", file_.string(), number);
        if (is_ticket) {
            Ticket ticket{.role = role_of_name(name).value_or(Role::none)};
            words >> ticket.expires >> ticket.used_by.hex >> ticket.used;
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
        if (ticket.is_remembered(now_s())) text += ticket_line(id, ticket);
    if (auto written = replace_file(file_, text, Durability::on_disk); !written) return written;
    unsaved_ = false;
    return {};
}

Role KeyRing::role_of(const PublicKey& key) const {
    const std::lock_guard lock(mutex_);
    if (const auto found = keys_.find(key); found != keys_.end())
        return found->second.revoked ? Role::none : static_cast<Role>(found->second.role);
    const auto ticket = tickets_.find(key);
    return ticket != tickets_.end() && ticket->second.is_remembered(now_s()) ? Role::joining : Role::none;
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
    std::erase_if(tickets_, [now = now_s()](const auto& known) { return !known.second.is_remembered(now); });
    tickets_[key] = {.role = role, .expires = now_s() + static_cast<std::uint64_t>(lifetime.count())};
    auto saved = save();
    if (!saved) tickets_.erase(key);
    return saved;
}

Result<Role> KeyRing::use_ticket(const PublicKey& key, const PublicKey& newcomer) {
    const std::lock_guard lock(mutex_);
    const auto found = tickets_.find(key);
    const auto now = now_s();
    if (found == tickets_.end() || found->second.role == Role::none) return fail(Fault::refused, "there is no such ticket here");
    auto& ticket = found->second;
    if (ticket.used_by == newcomer) return ticket.role;
    if (!ticket.used_by.empty())
        return fail(Fault::refused, "this ticket was used {}, by the key {}; a ticket lets one newcomer in, ask for another (`fard keys ticket` "
                                    "on a board)", ago(now - std::min(now, ticket.used)), ticket.used_by.brief());
    if (ticket.expires <= now)
        return fail(Fault::refused, "this ticket expired {}; it was good for ten minutes, ask for another (`fard keys ticket` on a board)",
                    ago(now - ticket.expires));
    ticket.used_by = newcomer;
    ticket.used = now;
    if (auto saved = save(); !saved) {
        ticket.used_by = {};
        return fail(saved.error().fault, "{}; the ticket is still good", saved.error().message);
    }
    return ticket.role;
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
