// Any bytes as a package archive: refused, or its members are plain files that its manifest lists.
#include <cstdlib>

#include "overlays/archive_members.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace fard;
    const auto members = read_archive_members({reinterpret_cast<const char*>(data), size});
    if (!members) return 0;
    for (const auto& [name, content] : *members)
        if (name.find('/') != std::string::npos || name.starts_with('.') || content.size() > size)
            std::abort();
    const auto toml = members->find("overlay.toml");
    if (toml == members->end()) return 0;
    const auto manifest = verify_archive_members(*members, sha256_hex(toml->second));
    if (manifest && manifest->files.size() + 1 != members->size()) std::abort();
    return 0;
}
