// fard keys: who may do what in a cluster with keys.
#include <algorithm>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/key_files.hpp"
#include "client/client_identity.hpp"
#include "client/locate.hpp"
#include "client/ticket.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard::cli {
namespace {

using namespace std::chrono_literals;

CommandSpec spec() {
    return {"keys",
            "make, list, add and revoke keys (ACTION: new, list, add, revoke, rotate, ticket)",
            {"ACTION"},
            {{"key", "KEY", "add, revoke: the public key, or for revoke the name that it has"},
             {"role", "ROLE", "add, ticket: node, user or read-only (user)"},
             {"name", "NAME", "add: whose it is"},
             {"force", "", "revoke: also the own key, or that of the last board"},
             {"node", "ADDRESS", "a node to ask (else the first that the key directory knows)"},
             {"dir", "DIR", "new: where the key is kept (FARD_KEYS, else ~/.config/fard/keys)"}}};
}

Result<std::vector<Address>> nodes(const Options& options) {
    auto found = locate(locate_options(options.text("node")));
    if (!found) return fail(found.error());
    if (found->doors.empty())
        return fail(Fault::unreachable, "no node to ask: give --node, or run this where `fard init` or `fard join` was run");
    return std::move(found->doors);
}

Result<Role> role_of(const Options& options) {
    const auto role = role_of_name(options.text("role", "user"));
    if (!role) return fail(Fault::invalid_input, "--role: '{}' is not one of node, user, read-only", options.text("role"));
    return *role;
}

// Tells a node what is new; returns the whole list. `but`: not that one, where there are others.
Result<std::vector<wire::AllowedKey>> tell(const Options& options, std::vector<wire::AllowedKey> keys,
                                           const PublicKey& but = {}) {
    auto doors = nodes(options);
    if (!doors) return fail(doors.error());
    const auto is_meant = [&](const Address& door) { return !but.empty() && door.key == but; };
    if (!std::ranges::all_of(*doors, is_meant)) std::erase_if(*doors, is_meant);
    auto answer = ask_first(*doors, wire::Allowed{std::move(keys)}, 5s);
    if (!answer) return fail(answer.error());
    auto* allowed = answer->body.as<wire::Allowed>();
    if (allowed == nullptr)
        return fail(Fault::failed, "{} answered ALLOWED with {}", answer->door.endpoint, wire::name_of(answer->body));
    return std::move(allowed->keys);
}

Result<> make_new(const Options& options) {
    const auto directory = key_directory_for(options.text("dir"));
    if (!directory) return fail(directory.error());
    const auto keys = KeyPair::make();
    if (auto written = keys.write(*directory / "key"); !written) return written;
    out("{}\n", keys.public_key.hex);
    return {};
}

Result<> list(const Options& options) {
    const auto keys = tell(options, {});
    if (!keys) return fail(keys.error());
    for (const auto& key : *keys)
        out("{:<9}  {}  {}\n", key.revoked ? "revoked" : name_of(static_cast<Role>(key.role)), key.key.hex, key.name);
    return {};
}

Result<> add(const Options& options) {
    const auto role = role_of(options);
    if (!role) return fail(role.error());
    const PublicKey key{options.text("key")};
    if (!is_public_key(key.hex))
        return fail(Fault::invalid_input, "--key: '{}' is not a public key (64 hex digits; `fard keys new` prints one)", key.hex);
    const auto name = options.text("name", key.brief());
    if (auto checked = check_key_name(name); !checked) return checked;
    const auto keys = tell(options, {{key, static_cast<std::uint8_t>(*role), name, false}});
    if (!keys) return fail(keys.error());
    for (const auto& known : *keys)
        if (known.key == key && known.revoked)
            return fail(Fault::refused, "the key {} was revoked and stays so; make a new one", key.brief());
    return {};
}

// The key, or the one that has the name. Errors: not_found, invalid_input (several have it).
Result<wire::AllowedKey> one_of(const std::vector<wire::AllowedKey>& keys, const std::string& wanted) {
    std::vector<wire::AllowedKey> found;
    for (const auto& key : keys)
        if (!key.revoked && (key.key.hex == wanted || key.name == wanted)) found.push_back(key);
    if (found.empty() && is_public_key(wanted)) return wire::AllowedKey{{wanted}, 0, "", false};  // it shall never come in
    if (found.empty()) return fail(Fault::not_found, "--key: no key '{}' is allowed; see `fard keys list`", wanted);
    if (found.size() == 1) return found.front();
    std::string list;
    for (const auto& key : found)
        list += fmt::format("\n  {:<9}  {}", name_of(static_cast<Role>(key.role)), key.key.hex);
    return fail(Fault::invalid_input, "--key: {} keys are called '{}'; give the key itself:{}", found.size(), wanted, list);
}

// What was revoked stays so: not by a slip the key that this command itself uses, nor that of the last board.
Result<> check_loss(const std::vector<wire::AllowedKey>& keys, const wire::AllowedKey& key) {
    const auto own = KeyPair::read(key_directory() / "key");
    if (own && own->public_key == key.key)
        return fail(Fault::refused, "{} is the key in {}, which this command itself uses; --force revokes it all the same, for ever",
                    key.key.brief(), key_directory().string());
    const auto boards = std::ranges::count_if(keys, [](const auto& each) {
        return !each.revoked && static_cast<Role>(each.role) == Role::node;
    });
    if (boards == 1 && static_cast<Role>(key.role) == Role::node)
        return fail(Fault::refused, "{} ({}) is the key of the last board of the cluster; --force revokes it all the same, for ever",
                    key.key.brief(), key.name);
    return {};
}

Result<> revoke(const Options& options) {
    const auto wanted = options.text("key");
    const auto keys = tell(options, {});
    if (!keys) return fail(keys.error());
    auto key = one_of(*keys, wanted);
    if (!key) return fail(key.error());
    if (!options.given("force"))
        if (auto checked = check_loss(*keys, *key); !checked) return checked;
    key->revoked = true;
    const auto told = tell(options, {*key}, key->key);
    if (!told) return fail(told.error());
    out("revoked {} {}\n", key->key.hex, key->name);
    return {};
}

Result<> rotate(const Options& options) {
    const auto directory = key_directory_for(options.text("dir"));
    if (!directory) return fail(directory.error());
    const auto old = KeyPair::read(*directory / "key");
    if (!old) return fail(old.error());
    const auto keys = tell(options, {});
    if (!keys) return fail(keys.error());
    const auto entry = std::ranges::find(*keys, old->public_key, &wire::AllowedKey::key);
    if (entry == keys->end()) return fail(Fault::not_found, "the cluster does not know the key in {}", directory->string());
    const auto next = *directory / "key.next";
    const auto begun = KeyPair::read(next);  // by one that was ended in the middle
    const bool known = begun && std::ranges::any_of(*keys, [&](const auto& key) { return key.key == begun->public_key && !key.revoked; });
    const auto fresh = known ? *begun : KeyPair::make();
    std::error_code error;
    if (!known) {
        std::filesystem::remove(next, error);
        if (auto written = fresh.write(next); !written) return written;
        auto added = tell(options, {{fresh.public_key, entry->role, entry->name, false}});
        if (!added) return fail(added.error());
    }
    std::filesystem::rename(next, *directory / "key", error);
    if (error) return fail(Fault::io, "cannot replace {}: {}", (*directory / "key").string(), error.message());
    err("restart what uses the old key, then revoke it:  fard keys revoke --key {}\n", old->public_key.hex);
    out("{}\n", fresh.public_key.hex);
    return {};
}

Result<> ticket(const Options& options) {
    const auto role = role_of(options);
    if (!role) return fail(role.error());
    const auto doors = nodes(options);
    if (!doors) return fail(doors.error());
    const auto status = ask_first(*doors, wire::Query{}, 5s);
    if (!status) return fail(status.error());
    const auto* about = status->body.as<wire::Status>();
    if (about == nullptr) return fail(Fault::failed, "{} does not say which cluster it belongs to", status->door.endpoint);
    const auto keys = KeyPair::make();
    const auto answer = ask_first({status->door}, wire::Ticket{keys.public_key, static_cast<std::uint8_t>(*role)}, 5s);
    if (!answer) return fail(answer.error());
    out("{}\n", JoinTicket{status->door, about->cluster, keys, *role}.text());
    return {};
}

Result<> keys(const Options& options) {
    const auto& action = options.positional(0);
    if (action == "new") return make_new(options);
    if (action == "list") return list(options);
    if (action == "add") return add(options);
    if (action == "revoke") return revoke(options);
    if (action == "rotate") return rotate(options);
    if (action == "ticket") return ticket(options);
    return fail(Fault::invalid_input, "'{}' is not one of new, list, add, revoke, rotate, ticket", action);
}

}  // namespace

Command keys_command() {
    return {spec(), keys};
}

}  // namespace fard::cli
