// Registers and memory by the descriptors of their devices, whoever opened them.
#pragma once

#include <memory>

#include "base/owned_fd.hpp"
#include "overlays/zynq/host.hpp"

namespace fard::zynq {

// The first `bytes` of a UIO device's first map, and its interrupt.
Sys<std::unique_ptr<Registers>> map_registers(OwnedFd device, std::uint64_t bytes);

// u-dma-buf's files `sync_for_device` and `sync_for_cpu`; none where nothing needs to be done for caches.
struct CacheFiles {
    OwnedFd for_device, for_cpu;
};
Sys<std::unique_ptr<DmaMemory>> map_memory(OwnedFd device, CacheFiles caches, std::uint64_t address, std::uint64_t bytes);

// A block inside of a larger map.
std::unique_ptr<Registers> window_of(std::unique_ptr<Registers> all, std::uint64_t offset, std::uint64_t bytes);

}  // namespace fard::zynq
