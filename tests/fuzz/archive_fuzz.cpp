// Any bytes as a package archive: refused, or its members are plain files that its manifest lists.
#include <cstdlib>

#include "overlays/package/archive_members.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace fard;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto streamed = unpack_archive_to(
        [&](std::uint64_t offset, std::size_t count) { return Result<std::string>(bytes.substr(offset, count)); }, size,
        std::string(64, '0'), [&](const std::string& name, std::uint64_t offset, std::string_view block) {
            if (name.find('/') != std::string::npos || offset + block.size() > size) std::abort();
            return Result<>();
        });
    if (streamed) std::abort();  // nothing has that SHA-256
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
