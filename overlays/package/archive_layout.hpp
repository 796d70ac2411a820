// A package's archive as ranges of its files, so that any part of it can be made from the package's directory
// without the whole.
//
//   header (512 bytes) | the file's bytes | zeros up to 512 | header | ... | 1024 zeros
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace fard {

class ArchiveLayout {
  public:
    // Reads `bytes` bytes of a file from `offset`; fewer are an error of the reader.
    using ReadFile =
        std::function<Result<std::string>(const std::string& name, std::uint64_t offset, std::size_t bytes)>;

    // Of files with these names and sizes (ustar: names of at most 100 bytes, files below 8 GiB).
    explicit ArchiveLayout(const std::map<std::string, std::uint64_t>& sizes);

    std::uint64_t total() const { return total_; }

    // The archive's bytes from `offset`, at most `bytes` of them. Errors: those of `read`; corrupt (it gave
    // another number of bytes).
    Result<std::string> read(std::uint64_t offset, std::size_t bytes, const ReadFile& read) const;

  private:
    struct Member {
        std::string name;
        std::uint64_t size, header_at, data_at;
    };
    std::vector<Member> members_;  // in the order of their names
    std::uint64_t total_ = 0;
};

}  // namespace fard
