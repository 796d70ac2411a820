// A directory of mode 0700 for the sockets of one process, removed with all that it holds at the end. One
// that its process could not remove (it was killed) is removed by the next process of this user that makes
// one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace fard {

class PrivateDirectory {
  public:
    // Below the system's temporary directory, "PREFIX-XXXXXX". Errors: io.
    static Result<std::unique_ptr<PrivateDirectory>> make(const std::string& prefix);
    ~PrivateDirectory();
    PrivateDirectory(const PrivateDirectory&) = delete;
    PrivateDirectory& operator=(const PrivateDirectory&) = delete;
    const std::filesystem::path& path() const { return path_; }

  private:
    PrivateDirectory(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}
    std::filesystem::path path_;
    int lock_;  // held as long as we live
};

}  // namespace fard
