// A Zynq board as files below a directory (tmpfs), with a thread that is its fabric: the drivers' files are plain ones, the
// registers a file that both map. What Linux's own code does with them is tried here; the drivers' errors are fake_board's.
#pragma once

#include <atomic>
#include <filesystem>
#include <thread>

#include "overlays/package/hardware.hpp"
#include "overlays/zynq/fabric_setup.hpp"
#include "tests/zynq/fake_fabric.hpp"

namespace fard::test {

class TreeBoard {
  public:
    TreeBoard(const std::filesystem::path& root, const std::vector<RegisterBlock>& blocks, FakeDesign design,
              std::uint64_t memory_bytes = std::uint64_t{1} << 20);
    ~TreeBoard();
    TreeBoard(const TreeBoard&) = delete;

    zynq::Roots roots() const;
    std::string text(const std::string& file) const;  // of a driver's file, by its path below the root
    std::atomic<std::uint64_t> chunks{0};

  private:
    static constexpr std::uint64_t memory_address = 0x1e000000;
    std::span<std::byte> map(const std::filesystem::path& file, std::uint64_t bytes);
    void put(const std::string& file, const std::string& text) const;
    void serve();
    void run_batch();
    volatile std::uint32_t* registers(std::uint64_t address) const;
    bool all_started() const;

    std::filesystem::path root_;
    FakeDesign design_;
    std::span<std::byte> memory_;
    std::map<std::uint64_t, std::span<std::byte>> blocks_;  // by address
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

}  // namespace fard::test
