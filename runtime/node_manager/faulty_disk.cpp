#include "runtime/node_manager/faulty_disk.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>

namespace fard {
namespace {

class FaultyDisk final : public Disk {
  public:
    FaultyDisk(std::unique_ptr<Disk> disk, std::vector<EmulatedFault> faults)
        : disk_(std::move(disk)), faults_(std::move(faults)) {}

    Result<std::string> read(const Path& file, std::uint64_t offset, std::size_t bytes) override {
        auto block = disk_->read(file, offset, bytes);
        if (block && !block->empty() && meets(EmulatedFault::Occasion::block, ++blocks_)) block->front() ^= 1;
        return block;
    }
    Result<> write(const Path& file, std::uint64_t offset, std::string_view bytes) override {
        if (meets(EmulatedFault::Occasion::piece, ++pieces_)) return fail(disk_error("storing a piece", file, EIO));
        return disk_->write(file, offset, bytes);
    }

    Result<std::vector<std::string>> list(const Path& dir) override { return disk_->list(dir); }
    Result<Item> look(const Path& path) override { return disk_->look(path); }
    Result<> make_directory(const Path& dir) override { return disk_->make_directory(dir); }
    Result<> keep(const Path& path) override { return disk_->keep(path); }
    Result<> rename(const Path& from, const Path& to) override { return disk_->rename(from, to); }
    Result<> remove(const Path& path) override { return disk_->remove(path); }
    Result<> touch(const Path& path) override { return disk_->touch(path); }
    Result<Space> space(const Path& path) override { return disk_->space(path); }

  private:
    bool meets(EmulatedFault::Occasion occasion, std::uint64_t number) const {
        return std::ranges::any_of(
            faults_, [&](const EmulatedFault& fault) { return fault.at() == occasion && fault.meets(number); });
    }

    std::unique_ptr<Disk> disk_;
    std::vector<EmulatedFault> faults_;
    std::atomic<std::uint64_t> pieces_{0}, blocks_{0};
};

}  // namespace

std::unique_ptr<Disk> with_faults(std::unique_ptr<Disk> disk, const std::vector<EmulatedFault>& faults) {
    const bool any = std::ranges::any_of(faults, [](const EmulatedFault& fault) {
        return fault.at() == EmulatedFault::Occasion::piece || fault.at() == EmulatedFault::Occasion::block;
    });
    return any ? std::make_unique<FaultyDisk>(std::move(disk), faults) : std::move(disk);
}

}  // namespace fard
