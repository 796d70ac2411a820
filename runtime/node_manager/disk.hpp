// What the overlay store needs of a disk. The real one here; one in memory, with a speed, a size and faults, in
// tests/fakes/sim_disk.hpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace fard {

// Every call may take its time: not on a loop. Thread-safe, as long as two calls do not change the same file.
// Errors, unless another is named: io, with what was done, where, why, and what to do about it.
class Disk {
  public:
    using Path = std::filesystem::path;
    struct Item {
        bool is_directory = false;
        std::uint64_t bytes = 0;    // of a file
        std::int64_t used_s = 0;    // when it was made or last touched, in seconds of the wall clock
        std::int64_t changed_ns = 0;  // of a file: another number once its content was changed
    };
    struct Space {
        std::uint64_t total = 0, free = 0;  // bytes of the file system
        bool in_memory = false;             // it is a tmpfs
    };

    virtual ~Disk() = default;
    virtual Result<std::vector<std::string>> list(const Path& dir) = 0;                // names
    virtual Result<Item> look(const Path& path) = 0;                                   // also: not_found
    virtual Result<> make_directory(const Path& dir) = 0;                              // and those above it
    virtual Result<std::string> read(const Path& file, std::uint64_t offset, std::size_t bytes) = 0;  // less at its end
    virtual Result<> write(const Path& file, std::uint64_t offset, std::string_view bytes) = 0;  // made if missing
    virtual Result<> keep(const Path& path) = 0;  // what was written to the file or directory outlives a power loss
    virtual Result<> rename(const Path& from, const Path& to) = 0;
    virtual Result<> remove(const Path& path) = 0;  // with all that is in it; nothing there is fine
    virtual Result<> touch(const Path& path) = 0;   // used now
    virtual Result<Space> space(const Path& path) = 0;
};

std::unique_ptr<Disk> real_disk();

// "PATH: REASON", and what helps against this errno.
Error disk_error(const std::string& doing, const std::filesystem::path& path, int cause);

}  // namespace fard
