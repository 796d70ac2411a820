// fard keys: who may do what in a cluster with keys.
#include <algorithm>
#include <cstdio>

#include "cli/commands.hpp"
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

// Tells a node what is new; returns the whole list.
Result<std::vector<wire::AllowedKey>> tell(const Options& options, std::vector<wire::AllowedKey> keys) {
    const auto doors = nodes(options);
    if (!doors) return fail(doors.error());
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
    fmt::print("{}\n", keys.public_key.hex);
    return {};
}

Result<> list(const Options& options) {
    const auto keys = tell(options, {});
    if (!keys) return fail(keys.error());
    for (const auto& key : *keys)
        fmt::print("{:<9}  {}  {}\n", key.revoked ? "revoked" : name_of(static_cast<Role>(key.role)), key.key.hex, key.name);
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

Result<> revoke(const Options& options) {
    const auto wanted = options.text("key");
    const auto keys = tell(options, {});
    if (!keys) return fail(keys.error());
    std::vector<wire::AllowedKey> revoked;
    for (auto key : *keys) {
        if (key.revoked || (key.key.hex != wanted && key.name != wanted)) continue;
        key.revoked = true;
        revoked.push_back(std::move(key));
    }
    if (revoked.empty() && is_public_key(wanted)) revoked.push_back({{wanted}, 0, "", true});
    if (revoked.empty()) return fail(Fault::not_found, "--key: no key '{}' is allowed; see `fard keys list`", wanted);
    const auto told = tell(options, revoked);
    if (!told) return fail(told.error());
    for (const auto& key : revoked)
        fmt::print("revoked {} {}\n", key.key.hex, key.name);
    return {};
}

Result<> rotate(const Options& options) {
    const auto directory = key_directory_for(options.text("dir"));
    if (!directory) return fail(directory.error());
    const auto old = KeyPair::read(*directory / "key");
    if (!old) return fail(old.error());
    const auto keys = tell(options, {});
    if (!keys) return fail(keys.error());
    auto entry = std::find_if(keys->begin(), keys->end(), [&](const auto& key) { return key.key == old->public_key; });
    if (entry == keys->end()) return fail(Fault::not_found, "the cluster does not know the key in {}", directory->string());
    const auto fresh = KeyPair::make();
    if (auto written = fresh.write(*directory / "key.next"); !written) return written;
    auto added = tell(options, {{fresh.public_key, entry->role, entry->name, false}});
    if (!added) return fail(added.error());
    std::error_code error;
    std::filesystem::rename(*directory / "key.next", *directory / "key", error);
    if (error) return fail(Fault::io, "cannot replace {}: {}", (*directory / "key").string(), error.message());
    fmt::print(stderr, "restart what uses the old key, then revoke it:  fard keys revoke --key {}\n", old->public_key.hex);
    fmt::print("{}\n", fresh.public_key.hex);
    return {};
}

Result<> ticket(const Options& options) {
    const auto role = role_of(options);
    if (!role) return fail(role.error());
    const auto doors = nodes(options);
    if (!doors) return fail(doors.error());
    const auto keys = KeyPair::make();
    const auto answer = ask_first({doors->front()}, wire::Ticket{keys.public_key, static_cast<std::uint8_t>(*role)}, 5s);
    if (!answer) return fail(answer.error());
    const auto status = ask_first({doors->front()}, wire::Query{}, 5s);
    if (!status) return fail(status.error());
    const auto* about = status->body.as<wire::Status>();
    if (about == nullptr) return fail(Fault::failed, "{} does not say which cluster it belongs to", doors->front().endpoint);
    fmt::print("{}\n", JoinTicket{doors->front(), about->cluster, keys, *role}.text());
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
