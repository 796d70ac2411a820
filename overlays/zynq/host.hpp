// What the zynq device asks of the operating system: the files of Linux's FPGA drivers, memory that the fabric reads and
// writes, registers. One real implementation (linux_host.cpp), one in memory that behaves as the drivers do (tests/zynq).
//
// Calls may take as long as the drivers do (seconds, for programming): never on a loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "overlays/zynq/fabric_setup.hpp"

namespace fard::zynq {

// An errno: what a driver says is in it, and where it said so is known only to the caller.
template <typename T = void>
using Sys = tl::expected<T, int>;

// Registers of 32 bits of one block. Offsets are in bytes, multiples of 4, inside of bytes().
class Registers {
  public:
    virtual ~Registers() = default;
    virtual std::uint32_t read(std::uint64_t offset) = 0;
    virtual void write(std::uint64_t offset, std::uint32_t value) = 0;
    virtual std::uint64_t bytes() const = 0;

    // The block's interrupt, where its device has one: a descriptor that is readable from the interrupt on until arm_interrupt(),
    // which lets the next one through and says whether there was one.
    virtual int interrupt_fd() const { return -1; }
    virtual bool arm_interrupt() { return false; }
};

// Memory that both processor and fabric reach. After a write and before the fabric reads: flush; after the fabric wrote
// and before a read: invalidate.
class DmaMemory {
  public:
    virtual ~DmaMemory() = default;
    virtual std::span<std::byte> bytes() = 0;
    virtual std::uint64_t address() const = 0;  // as the fabric sees it
    virtual Sys<> flush(std::uint64_t offset, std::uint64_t size) = 0;
    virtual Sys<> invalidate(std::uint64_t offset, std::uint64_t size) = 0;
};

// Held until it goes away.
class Lock {
  public:
    virtual ~Lock() = default;
};

class Host {
  public:
    using Path = std::filesystem::path;
    virtual ~Host() = default;

    // Small files of drivers: one read, one write, without a trailing newline.
    virtual Sys<std::string> read(const Path& file) = 0;
    virtual Sys<> write(const Path& file, std::string_view text) = 0;
    virtual bool exists(const Path& path) = 0;
    virtual Sys<std::vector<std::string>> list(const Path& directory) = 0;  // names, sorted
    virtual Sys<> make_directory(const Path& directory) = 0;                // EEXIST where it is there
    virtual Sys<> remove_directory(const Path& directory) = 0;
    virtual Sys<> put_file(const Path& file, std::string_view bytes) = 0;  // whole or not at all
    virtual Sys<> remove_file(const Path& file) = 0;

    // `holder` is what the file says while the lock is held. EWOULDBLOCK: another process holds it.
    virtual Sys<std::unique_ptr<Lock>> lock(const Path& file, std::string_view holder) = 0;
    virtual Sys<std::unique_ptr<Registers>> map_registers(const Path& device, std::uint64_t bytes) = 0;  // the first ones
    // `sync`: the directory of its driver's files for caches; empty: memory that is mapped without a cache.
    virtual Sys<std::unique_ptr<DmaMemory>> map_memory(const Path& device, const Path& sync, std::uint64_t address,
                                                       std::uint64_t bytes) = 0;

    virtual TimePoint now() = 0;
    virtual void pause(Duration duration) = 0;
};

std::unique_ptr<Host> linux_host();

// "Permission denied (EACCES)" and what helps against it, for a file of a driver.
std::string explain(int error, const std::filesystem::path& file);

}  // namespace fard::zynq
