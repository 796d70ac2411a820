// A disk in memory: with a size, a speed, faults, and a plug that can be pulled. And the worker that waits for it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/worker.hpp"
#include "runtime/node_manager/disk.hpp"

namespace fard {

class SimDisk final : public Disk {
  public:
    std::uint64_t capacity = std::uint64_t{1} << 40;  // bytes
    std::uint64_t largest_file = std::uint64_t{1} << 40;
    double bytes_per_s = 0;  // 0: no time
    bool read_only = false;
    bool fails = false;      // EIO for every reading, and when what was written is to be kept

    std::uint64_t used() const;
    std::uint64_t written() const { return written_; }
    Duration take_cost();  // of what was done since the last call
    void lose_power();     // what was not kept has 0 bytes afterwards
    std::map<std::string, std::string> files() const;
    // Changes one byte in the middle, as somebody who writes to the file, or as the disk itself, whose times tell nothing.
    enum class By { somebody, itself };
    void damage(const Path& file, By by = By::somebody);

    Result<std::vector<std::string>> list(const Path& dir) override;
    Result<Item> look(const Path& path) override;
    Result<> make_directory(const Path& dir) override;
    Result<std::string> read(const Path& file, std::uint64_t offset, std::size_t bytes) override;
    Result<> write(const Path& file, std::uint64_t offset, std::string_view bytes) override;
    Result<> keep(const Path& path) override;
    Result<> rename(const Path& from, const Path& to) override;
    Result<> remove(const Path& path) override;
    Result<> touch(const Path& path) override;
    Result<Space> space(const Path& path) override;

  private:
    struct File {
        std::string bytes;
        bool kept = false;
        std::int64_t changed = 0;
    };
    std::map<std::string, File> files_;
    std::map<std::string, std::int64_t> dirs_;  // when they were touched
    std::int64_t clock_ = 0;
    std::uint64_t moved_ = 0, written_ = 0;
};

// Does one thing after the other, each as long as the disk takes for it, on a loop in virtual time.
class SimWorker final : public Worker {
  public:
    SimWorker(Loop& loop, SimDisk& disk) : loop_(loop), disk_(disk) {}
    void run(Work work) override;
    std::size_t waiting() const { return waiting_.size(); }

  private:
    void next();
    Loop& loop_;
    SimDisk& disk_;
    std::deque<Work> waiting_;
    bool busy_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace fard
