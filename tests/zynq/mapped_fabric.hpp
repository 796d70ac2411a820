// A fabric whose registers and memory are plain memory that the board maps too: nothing is told of an access, it is looked at.
#pragma once

#include <functional>

#include "tests/zynq/fake_fabric.hpp"

namespace fard::test {

class MappedFabric {
  public:
    // Where the bytes at an address of the board's lie; throws where nothing does.
    using At = std::function<std::byte*(std::uint64_t address, std::size_t bytes)>;
    explicit MappedFabric(At at) : at_(std::move(at)) {}

    volatile std::uint32_t* registers(std::uint64_t address) const;
    void rest(std::uint64_t dma) const { *registers(dma) = 0x4; }  // as it comes out of programming
    bool all_started(const FakeDesign& design) const;              // every DMA of the design
    std::uint32_t batch(const FakeDesign& design) const;           // chunks of what is started

    // Computes what is started and says so. `spoil`: what is done to each chunk's result before it is stored.
    void run_batch(const FakeDesign& design, const std::function<void(FakeDesign::Wire&)>& spoil = [](FakeDesign::Wire&) {}) const;

  private:
    std::span<std::byte> place(const FakeStream& stream, std::uint32_t chunk) const;
    At at_;
};

}  // namespace fard::test
