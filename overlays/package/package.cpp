#include "overlays/package/package.hpp"

#include "overlays/package/files.hpp"

namespace fard {
namespace fs = std::filesystem;
namespace {

constexpr const char* manifest_name = "overlay.toml";
constexpr std::uint64_t max_manifest_bytes = std::uint64_t{4} << 20;

Result<> check_file(const fs::path& dir, const std::string& name, const std::string& expected) {
    const auto actual = sha256_of_file(dir / name);
    if (!actual && actual.error().fault == Fault::not_found)
        return fail(Fault::corrupt, "the package {} lacks its file {}", dir.string(), name);
    if (!actual) return fail(actual.error());
    if (*actual != expected)
        return fail(Fault::corrupt, "{} of the package {} has the SHA-256 {}, not {} as its manifest says",
                    name, dir.string(), *actual, expected);
    return {};
}

Result<> check_nothing_else(const fs::path& dir, const Manifest& manifest) {
    std::error_code error;
    for (fs::directory_iterator entry(dir, error), end; !error && entry != end; entry.increment(error)) {
        const auto name = entry->path().filename().string();
        if (name != manifest_name && !manifest.files.contains(name))
            return fail(Fault::corrupt, "the package {} holds {}, which its manifest does not list",
                        dir.string(), name);
    }
    if (error) return fail(Fault::io, "cannot list {}: {}", dir.string(), error.message());
    return {};
}

}  // namespace

Result<Package> Package::open_verified(const fs::path& dir) {
    const auto toml = read_regular_file(dir / manifest_name, max_manifest_bytes);
    if (!toml) return fail_in("no overlay package", toml.error());
    auto manifest = Manifest::parse(*toml, (dir / manifest_name).string());
    if (!manifest) return fail(manifest.error());
    return Package{dir, sha256_hex(*toml), std::move(*manifest)};
}

Result<Package> Package::open(const fs::path& dir) {
    auto package = open_verified(dir);
    if (!package) return package;
    for (const auto& [name, hash] : package->manifest.files)
        if (auto checked = check_file(dir, name, hash); !checked) return fail(checked.error());
    if (auto checked = check_nothing_else(dir, package->manifest); !checked) return fail(checked.error());
    return package;
}

Result<Package> Package::write(const fs::path& dir, Manifest manifest,
                               const std::map<std::string, std::string>& files) {
    manifest.files.clear();
    std::map<std::string, std::string_view> contents;
    for (const auto& [name, bytes] : files) {
        manifest.files[name] = sha256_hex(bytes);
        contents[name] = bytes;
    }
    const std::string toml = manifest.to_toml();
    auto checked =
        Manifest::parse(toml, (dir / manifest_name).string());  // what nobody could open is not written
    if (!checked) return fail(checked.error());
    contents[manifest_name] = toml;
    if (auto written = write_directory(dir, contents); !written) return fail(written.error());
    return Package{dir, sha256_hex(toml), std::move(*checked)};
}

}  // namespace fard
