// Overlay packages: a directory (or one archive file) with overlay.toml, stage.onnx and, for hardware, a
// bitstream. A package's id is the SHA-256 of its overlay.toml, which holds the SHA-256 of every other file.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_desc.hpp"
#include "overlays/package/hardware.hpp"
#include "overlays/package/sha256.hpp"

namespace fard {

// Who signed a manifest (signature.hpp), in hex; empty: nobody.
struct ManifestSignature {
    std::string key, value;
};

// overlay.toml, parsed and checked.
struct Manifest {
    std::string name;
    std::string version = "1";
    std::vector<TensorDesc> inputs;
    std::vector<TensorDesc> outputs;
    std::vector<std::string> layers;           // nodes of the model in this stage, for people and reports
    std::map<std::string, std::string> files;  // file name -> SHA-256, hex
    std::vector<Hardware> hardware;            // builds of the stage, one for each FPGA part; none: for CPUs alone
    ManifestSignature signature;

    // The build for a board's part: the one of that part, else the one of no part in particular. Null: none.
    const Hardware* hardware_for(const std::string& part) const;

    // Errors: invalid_input, with the line; unsupported (another format than 1 and 2).
    static Result<Manifest> parse(std::string_view toml, const std::string& where);
    std::string to_toml() const;  // the same manifest gives the same bytes
};

struct Package {
    std::filesystem::path dir;
    std::string id;
    Manifest manifest;

    // Opens a package directory and checks every file's hash. Errors: not_found, corrupt (which file),
    // invalid_input.
    static Result<Package> open(const std::filesystem::path& dir);

    // The same without reading any file but the manifest: of a directory whose files were verified already,
    // and that nobody else may write to. Errors: not_found, invalid_input.
    static Result<Package> open_verified(const std::filesystem::path& dir);

    // Writes a new package directory: the files' contents by name, their hashes and the manifest. `dir` must
    // not exist; on an error nothing is left of it.
    static Result<Package> write(const std::filesystem::path& dir, Manifest manifest,
                                 const std::map<std::string, std::string>& files);
};

// A package as one archive (tar), the same bytes for the same package.
Result<std::string> archive(const Package& package);

// Unpacks into `dir` (which must not exist), verifies every hash and that the id is `id`. Members with
// absolute or climbing paths, links and devices are refused; nothing is left of `dir` on an error.
Result<Package> unpack_archive(std::string_view bytes, const std::string& id,
                               const std::filesystem::path& dir);

// The same from any place to any place, block by block, so that neither the archive nor a file of it is ever
// in memory as a whole. What was written is a package only if this succeeds: hashes are compared at the end.
// Returns the files' sizes. Errors: corrupt, invalid_input, those of `read` and `write`.
using ReadArchive = std::function<Result<std::string>(std::uint64_t offset, std::size_t bytes)>;
using WriteMember =
    std::function<Result<>(const std::string& name, std::uint64_t offset, std::string_view bytes)>;
Result<std::map<std::string, std::uint64_t>> unpack_archive_to(const ReadArchive& read, std::uint64_t total,
                                                               const std::string& id,
                                                               const WriteMember& write);

// A package that never touches a disk: its id, and its archive as archive() makes it.
struct PackedArchive {
    std::string id;
    std::string bytes;
};
Result<PackedArchive> pack_archive(Manifest manifest, std::map<std::string, std::string> files);

}  // namespace fard
