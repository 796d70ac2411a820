// The register windows and the memory that a design needs, found among a board's devices by what they are, not by their
// numbers, which change.
#pragma once

#include "overlays/package/hardware.hpp"
#include "overlays/zynq/host.hpp"

namespace fard::zynq {

struct RegisterPlace {
    std::filesystem::path device;
    std::uint64_t offset = 0, bytes = 0;  // in its first map
};

// The UIO device whose first map holds the block's addresses. Errors: not_found (none does: which there are), invalid_input
// (one holds a part of them only), io.
Result<RegisterPlace> find_registers(Host& host, const Roots& roots, const RegisterBlock& block);
Result<std::unique_ptr<Registers>> open_registers(Host& host, const Roots& roots, const RegisterBlock& block);

// Whether each block has its UIO device.
bool has_registers(Host& host, const Roots& roots, const std::vector<RegisterBlock>& blocks);

struct MemoryPlace {
    std::filesystem::path device, sync;  // sync: empty where nothing needs to be done for caches
    std::string name;
    std::uint64_t address = 0, bytes = 0;
};

// Every u-dma-buf, and the UIO device of that name.
std::vector<MemoryPlace> find_memory(Host& host, const Roots& roots, const std::string& name);
Error no_memory(const std::vector<MemoryPlace>& found, const std::string& name, std::uint64_t bytes);  // that is enough: what there is

// Memory of at least `bytes`: the u-dma-buf (or UIO device with reserved memory) of that name; without a name any u-dma-buf
// that is large enough. Errors: not_found (what there is), io.
Result<std::unique_ptr<DmaMemory>> open_memory(Host& host, const Roots& roots, const std::string& name, std::uint64_t bytes);

}  // namespace fard::zynq
