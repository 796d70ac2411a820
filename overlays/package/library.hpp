// A user's own packages: a directory with one directory for each, named by its id. What a board holds is the node manager's.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "overlays/package/package.hpp"

namespace fard {

struct LibraryEntry {
    Package package;
    std::uint64_t bytes = 0;
    std::filesystem::file_time_type used;  // when it was last looked at
};

class Library {
  public:
    // Made if it is missing. Errors: io.
    static Result<Library> open(const std::filesystem::path& dir);

    // Where a user's own is: $XDG_DATA_HOME/fard/overlays, or ~/.local/share/fard/overlays.
    static std::filesystem::path own_dir();

    const std::filesystem::path& dir() const { return dir_; }

    // Every package, by name. Directories that are none are told in `damaged`, not in the list.
    Result<std::vector<LibraryEntry>> list(std::vector<std::string>* damaged = nullptr) const;

    // By its id, the beginning of it (at least 4 digits), or its name. Errors: not_found (what there is), invalid_input
    // (several).
    Result<Package> find(const std::string& what) const;

    // Adds one; the same package again is fine. Errors: as Package::write.
    Result<Package> add(const Manifest& manifest, const std::map<std::string, std::string>& files) const;
    // An archive, of which the id is not known beforehand. Errors: as unpack_archive.
    Result<Package> add_archive(std::string_view bytes) const;

    Result<> remove(const Package& package) const;
    void touch(const Package& package) const;  // it was used now

  private:
    explicit Library(std::filesystem::path dir) : dir_(std::move(dir)) {}
    std::filesystem::path dir_;
};

// The least lately used packages that have to go so that the rest takes at most `bytes`.
std::vector<LibraryEntry> to_remove(std::vector<LibraryEntry> entries, std::uint64_t bytes);

}  // namespace fard
