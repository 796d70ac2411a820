#include "client/client_identity.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/room.hpp"
#include "runtime/peer/known_nodes.hpp"

namespace fard {

namespace fs = std::filesystem;

fs::path key_directory() {
    if (const char* named = std::getenv("FARD_KEYS"); named != nullptr && *named != 0)
        return std::string_view(named) == "none" ? fs::path() : fs::path(named);
    if (const char* config = std::getenv("XDG_CONFIG_HOME"); config != nullptr && *config == '/')
        return fs::path(config) / "fard" / "keys";
    const char* home = std::getenv("HOME");
    return home != nullptr && *home == '/' ? fs::path(home) / ".config" / "fard" / "keys" : fs::path();
}

Result<> check_key_directory() {
    const char* named = std::getenv("FARD_KEYS");
    const auto directory = key_directory();
    std::error_code error;
    if (named == nullptr || *named == 0 || directory.empty() || fs::is_directory(directory, error)) return {};
    return fail(Fault::not_found, "FARD_KEYS: there is no directory {}; `fard join` makes it, and FARD_KEYS=none does without keys",
                directory.string());
}

Result<Identity> client_identity() {
    const auto directory = key_directory();
    if (auto checked = check_key_directory(); !checked) return fail(checked.error());
    std::error_code error;
    if (directory.empty() || !fs::exists(directory / "key", error)) return Identity::local();
    auto keys = KeyPair::read(directory / "key");
    if (!keys) return fail(keys.error());
    hide_memory();
    return Identity::keyed(std::move(*keys), nullptr);
}

// A loop, a context of libzmq, and some sockets with what watches them; the threads of both.
Result<> check_client_room() {
    constexpr std::size_t descriptors = 32, threads = 4;
    if (auto room = check_descriptors(descriptors); !room) return room;
    return check_threads(threads);
}

void remember_nodes(const fs::path& directory, const std::vector<Address>& living) {
    constexpr std::size_t most = 64;
    std::error_code error;
    if (living.empty() || directory.empty() || !fs::exists(directory / "key", error)) return;
    const auto known = known_nodes(directory);
    if (std::ranges::find(known, living.front()) == known.end()) return;  // another cluster's
    auto nodes = living;
    std::ranges::sort(nodes);
    for (const auto& node : known)
        if (std::ranges::find(living, node.endpoint, &Address::endpoint) == living.end()) nodes.push_back(node);
    if (nodes.size() > most) nodes.resize(most);
    if (nodes == known) return;
    if (const auto written = write_nodes(directory, nodes); !written) return;  // it is a help, no more
}

Address with_known_key(Address address, const fs::path& directory) {
    if (!address.key.empty() || !address.endpoint.is_tcp()) return address;
    for (const auto& node : known_nodes(directory))
        if (node.endpoint == address.endpoint) address.key = node.key;
    return address;
}

}  // namespace fard
