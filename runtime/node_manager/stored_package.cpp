#include "runtime/node_manager/stored_package.hpp"

#include "overlays/package/package.hpp"
#include "overlays/package/signature.hpp"

namespace fard {

namespace {

constexpr const char* manifest_name = "overlay.toml";
constexpr std::uint64_t largest_manifest = std::uint64_t{4} << 20;
constexpr std::size_t block_bytes = std::size_t{1} << 18;

Result<std::string> sum_of(Disk& disk, const Disk::Path& file, std::uint64_t bytes) {
    Sha256 sum;
    for (std::uint64_t offset = 0; offset < bytes;) {
        const auto block = disk.read(file, offset, block_bytes);
        if (!block) return fail(block.error());
        if (block->empty()) break;
        sum.update(*block);
        offset += block->size();
    }
    return sum.hex();
}

Error damaged(const std::string& file, const std::string& why) {
    return {Fault::corrupt, file + " " + why};
}

Result<Manifest> manifest_in(Disk& disk, const Disk::Path& dir, const std::string& id) {
    const auto file = dir / manifest_name;
    const auto toml = disk.read(file, 0, largest_manifest);
    if (!toml && toml.error().fault == Fault::not_found) return fail(damaged(manifest_name, "is missing"));
    if (!toml) return fail(toml.error());
    if (sha256_hex(*toml) != id)
        return fail(damaged(manifest_name, fmt::format("has the SHA-256 {}", sha256_hex(*toml))));
    return Manifest::parse(*toml, file.string());
}

Result<FileSizes> sizes_in(Disk& disk, const Disk::Path& dir) {
    const auto names = disk.list(dir);
    if (!names) return fail(names.error());
    FileSizes sizes;
    for (const auto& name : *names) {
        const auto item = disk.look(dir / name);
        if (!item) return fail(item.error());
        if (item->is_directory) return fail(damaged(name, "is a directory"));
        sizes[name] = item->bytes;
    }
    return sizes;
}

}  // namespace

FileStates states_of(Disk& disk, const Disk::Path& dir) {
    FileStates states;
    const auto names = disk.list(dir);
    for (const auto& name : names ? *names : std::vector<std::string>{})
        if (const auto item = disk.look(dir / name)) states[name] = {item->bytes, item->changed_ns};
    return states;
}

Result<FileSizes> verify_package(Disk& disk, const Disk::Path& dir, const std::string& id, const Signers& signers) {
    const auto manifest = manifest_in(disk, dir, id);
    if (!manifest) return fail(manifest.error());
    if (auto is_signed = check_signature(*manifest, signers, id); !is_signed) return fail(is_signed.error());
    auto sizes = sizes_in(disk, dir);
    if (!sizes) return sizes;
    for (const auto& [name, hash] : manifest->files) {
        const auto found = sizes->find(name);
        if (found == sizes->end()) return fail(damaged(name, "is missing"));
        const auto sum = sum_of(disk, dir / name, found->second);
        if (!sum) return fail(sum.error());
        if (*sum != hash)
            return fail(damaged(name, fmt::format("({} bytes) is not what the manifest's SHA-256 says",
                                                  found->second)));
    }
    for (const auto& [name, size] : *sizes)
        if (name != manifest_name && !manifest->files.contains(name))
            return fail(damaged(name, "is not listed in the manifest"));
    return sizes;
}

Result<FileSizes> unpack_package(Disk& disk, const Disk::Path& part, std::uint64_t total, const std::string& id,
                                 const Disk::Path& dir, const Signers& signers) {
    const Disk::Path fresh = dir.string() + ".new";
    const auto unpack = [&]() -> Result<FileSizes> {
        if (auto cleared = disk.remove(fresh); !cleared) return fail(cleared.error());
        if (auto made = disk.make_directory(fresh); !made) return fail(made.error());
        auto sizes = unpack_archive_to(
            [&](std::uint64_t offset, std::size_t bytes) { return disk.read(part, offset, bytes); }, total, id,
            [&](const std::string& name, std::uint64_t offset, std::string_view bytes) {
                return disk.write(fresh / name, offset, bytes);
            });
        if (!sizes) return sizes;
        const auto manifest = manifest_in(disk, fresh, id);
        if (!manifest) return fail(manifest.error());
        if (auto is_signed = check_signature(*manifest, signers, id); !is_signed) return fail(is_signed.error());
        if (auto cleared = disk.remove(dir); !cleared) return fail(cleared.error());
        if (auto moved = disk.rename(fresh, dir); !moved) return fail(moved.error());
        return sizes;
    };
    auto unpacked = unpack();
    if (!unpacked) (void)disk.remove(fresh);
    return unpacked;
}

Result<> keep_package(Disk& disk, const Disk::Path& dir, const FileSizes& files) {
    for (const auto& [name, size] : files)
        if (auto kept = disk.keep(dir / name); !kept) return kept;
    if (auto kept = disk.keep(dir); !kept) return kept;
    return disk.keep(dir.parent_path());
}

}  // namespace fard
