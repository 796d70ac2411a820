#include "client/client_identity.hpp"

#include <cstdlib>

#include "runtime/peer/known_nodes.hpp"

namespace fard {

namespace fs = std::filesystem;

fs::path key_directory() {
    if (const char* named = std::getenv("FARD_KEYS"); named != nullptr && *named != 0) return named;
    if (const char* config = std::getenv("XDG_CONFIG_HOME"); config != nullptr && *config == '/')
        return fs::path(config) / "fard" / "keys";
    const char* home = std::getenv("HOME");
    return home != nullptr && *home == '/' ? fs::path(home) / ".config" / "fard" / "keys" : fs::path();
}

Result<Identity> client_identity() {
    const auto directory = key_directory();
    std::error_code error;
    if (directory.empty() || !fs::exists(directory / "key", error)) return Identity::local();
    auto keys = KeyPair::read(directory / "key");
    if (!keys) return fail(keys.error());
    hide_memory();
    return Identity::keyed(std::move(*keys), nullptr);
}

Address with_known_key(Address address, const fs::path& directory) {
    if (!address.key.empty() || !address.endpoint.is_tcp()) return address;
    for (const auto& node : known_nodes(directory))
        if (node.endpoint == address.endpoint) address.key = node.key;
    return address;
}

}  // namespace fard
