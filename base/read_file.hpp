// Files by names that people gave, which may be those of anything: nothing here waits for a pipe that nobody writes into,
// for a terminal, or for a device without an end.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/owned_fd.hpp"
#include "base/result.hpp"

namespace fard {

struct ReadOptions {
    std::uint64_t most_bytes = UINT64_MAX;
    bool links = true;   // are followed
    bool pipes = false;  // are read, too: `<(...)`, /dev/stdin; only where the file is read once
    std::chrono::milliseconds patience = std::chrono::seconds(10);  // with a pipe out of which nothing comes
};

// For reading. Errors: not_found; invalid_input (a directory, a device, a socket; a pipe or a link where they are not wanted;
// no right to read it); io.
Result<OwnedFd> open_to_read(const std::filesystem::path& file, const ReadOptions& options = {});

// Feeds the bytes to `take`, block by block. Errors: as open_to_read; invalid_input (more than `most_bytes`, a pipe that
// nobody writes into); timed_out (nothing comes out of the pipe); io.
Result<> read_blocks(const std::filesystem::path& file, const ReadOptions& options,
                     const std::function<void(std::string_view)>& take);

// Errors: as read_blocks.
Result<std::string> read_whole_file(const std::filesystem::path& file, const ReadOptions& options);
inline Result<std::string> read_whole_file(const std::filesystem::path& file, std::uint64_t most_bytes) {
    return read_whole_file(file, ReadOptions{.most_bytes = most_bytes});
}

// The rest of what is open already, which `name` names for people. Errors: those of reading.
Result<std::string> read_rest(const OwnedFd& fd, const std::string& name, const ReadOptions& options);

}  // namespace fard
