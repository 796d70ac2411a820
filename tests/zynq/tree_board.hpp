// A Zynq board as files below a directory (tmpfs), with a thread that is its fabric: the drivers' files are plain ones, the
// registers a file that both map. What Linux's own code does with them is tried here; the drivers' errors are fake_board's.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/owned_fd.hpp"
#include "overlays/package/package.hpp"
#include "overlays/zynq/fabric_setup.hpp"
#include "tests/zynq/mapped_fabric.hpp"

namespace fard::test {

class TreeBoard {
  public:
    // What the fabric becomes by the name of the firmware that it is programmed with ("": by any).
    using Designs = std::map<std::string, FakeDesign>;
    struct Setup {
        std::uint64_t memory_bytes = std::uint64_t{1} << 20;
        std::string compatible;  // what its device tree says of it
    };
    TreeBoard(const std::filesystem::path& root, const std::vector<RegisterBlock>& blocks, Designs designs, Setup setup);
    TreeBoard(const std::filesystem::path& root, const std::vector<RegisterBlock>& blocks, FakeDesign design)
        : TreeBoard(root, blocks, Designs{{"", std::move(design)}}, Setup{}) {}
    ~TreeBoard();
    TreeBoard(const TreeBoard&) = delete;

    zynq::Roots roots() const;
    std::string text(const std::string& file) const;  // of a driver's file, by its path below the root
    void put(const std::string& file, const std::string& text) const;
    std::vector<std::string> programmed() const;  // names of firmware, in order

    std::atomic<std::uint64_t> chunks{0};
    std::atomic<int> wrong{0};          // results with a bit that is another
    std::atomic<int> wedges{0};         // runs that never end, until the fabric is programmed anew
    std::atomic<int> busy{0};           // times that it comes out of programming with an output that is not idle
    std::atomic<int> load_failures{0};  // times that programming ends in the state below
    std::atomic<const char*> failing_state{"write error"};

    // In the fabric's thread, when its n-th batch from now on (1: the next) has been started and has no result yet.
    void on_batch(int n, std::function<void()> action);

  private:
    static constexpr std::uint64_t memory_address = 0x1e000000;
    std::span<std::byte> map(const std::filesystem::path& file, std::uint64_t bytes);
    void serve();
    void take_news();
    void say_state(const std::string& state) const;
    void call_on_batch();
    void reset();
    void run_batch(const FakeDesign& design);
    const FakeDesign* design() const;
    std::byte* at(std::uint64_t address, std::size_t bytes) const;

    std::filesystem::path root_;
    Designs designs_;
    std::span<std::byte> memory_;
    std::map<std::uint64_t, std::span<std::byte>> blocks_;  // by address
    MappedFabric fabric_{[this](std::uint64_t address, std::size_t bytes) { return at(address, bytes); }};
    OwnedFd news_;                                          // of the firmware directory
    bool wedged_ = false;
    mutable std::mutex mutex_;  // of the next ones
    std::vector<std::string> programmed_;
    int batches_left_ = 0;
    std::function<void()> on_batch_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

// The name under which a package's bitstream is programmed.
std::string firmware_name_of(const Package& package);

}  // namespace fard::test
