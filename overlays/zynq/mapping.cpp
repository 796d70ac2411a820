#include "overlays/zynq/mapping.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include <fmt/format.h>

namespace fard::zynq {
namespace {

// A mapping of a device's file.
class Mapping {
  public:
    Mapping(void* at, std::size_t bytes) : at_(at), bytes_(bytes) {}
    ~Mapping() { ::munmap(at_, bytes_); }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;

    static Sys<std::unique_ptr<Mapping>> make(const OwnedFd& device, std::uint64_t bytes) {
        void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, device.get(), 0);
        if (at == MAP_FAILED) return tl::unexpected<int>(errno);
        return std::make_unique<Mapping>(at, bytes);
    }
    std::span<std::byte> span() { return {static_cast<std::byte*>(at_), bytes_}; }

  private:
    void* at_;
    std::size_t bytes_;
};

// A UIO device takes a number that says whether interrupts are let through, if it has one at all.
bool let_interrupts_through(const OwnedFd& device) {
    const std::uint32_t yes = 1;
    return ::write(device.get(), &yes, sizeof yes) == sizeof yes;
}

bool has_interrupt(const OwnedFd& device) {
    struct stat info {};
    return ::fstat(device.get(), &info) == 0 && S_ISCHR(info.st_mode) && let_interrupts_through(device);
}

class MappedRegisters final : public Registers {
  public:
    MappedRegisters(std::unique_ptr<Mapping> mapping, OwnedFd interrupt) : mapping_(std::move(mapping)), interrupt_(std::move(interrupt)) {}
    int interrupt_fd() const override { return interrupt_.get(); }
    bool arm_interrupt() override {
        if (interrupt_.get() < 0) return false;
        std::uint32_t count = 0;
        const bool told = ::read(interrupt_.get(), &count, sizeof count) == sizeof count;  // never waits
        let_interrupts_through(interrupt_);
        return told;
    }
    std::uint32_t read(std::uint64_t offset) override { return *word(offset); }
    void write(std::uint64_t offset, std::uint32_t value) override { *word(offset) = value; }
    std::uint64_t bytes() const override { return mapping_->span().size(); }

  private:
    volatile std::uint32_t* word(std::uint64_t offset) {
        return reinterpret_cast<volatile std::uint32_t*>(mapping_->span().data() + offset);
    }
    std::unique_ptr<Mapping> mapping_;
    OwnedFd interrupt_;  // the device; -1: it has none
};

// Caches are seen to by u-dma-buf: one write says which bytes, for whom and in which direction.
class MappedMemory final : public DmaMemory {
  public:
    MappedMemory(std::unique_ptr<Mapping> mapping, CacheFiles caches, std::uint64_t address)
        : mapping_(std::move(mapping)), caches_(std::move(caches)), address_(address) {}
    std::span<std::byte> bytes() override { return mapping_->span(); }
    std::uint64_t address() const override { return address_; }
    Sys<> flush(std::uint64_t offset, std::uint64_t size) override { return say(caches_.for_device, to_device, offset, size); }
    Sys<> invalidate(std::uint64_t offset, std::uint64_t size) override { return say(caches_.for_cpu, from_device, offset, size); }

  private:
    static constexpr std::uint64_t to_device = 1, from_device = 2;
    Sys<> say(const OwnedFd& file, std::uint64_t direction, std::uint64_t offset, std::uint64_t size) {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (file.get() < 0) return {};
        const auto low = ((size + 15) & 0xfffffff0u) | direction << 2 | 1;
        const auto text = fmt::format("0x{:08X}{:08X}", offset & 0xffffffffu, low);
        const auto written = ::pwrite(file.get(), text.data(), text.size(), 0);
        if (written < 0) return tl::unexpected<int>(errno);
        if (static_cast<std::size_t>(written) != text.size()) return tl::unexpected<int>(EIO);
        return {};
    }
    std::unique_ptr<Mapping> mapping_;
    CacheFiles caches_;
    std::uint64_t address_;
};

class Window final : public Registers {
  public:
    Window(std::unique_ptr<Registers> all, std::uint64_t offset, std::uint64_t bytes)
        : all_(std::move(all)), offset_(offset), bytes_(bytes) {}
    int interrupt_fd() const override { return all_->interrupt_fd(); }
    bool arm_interrupt() override { return all_->arm_interrupt(); }
    std::uint32_t read(std::uint64_t offset) override { return all_->read(offset_ + offset); }
    void write(std::uint64_t offset, std::uint32_t value) override { all_->write(offset_ + offset, value); }
    std::uint64_t bytes() const override { return bytes_; }

  private:
    std::unique_ptr<Registers> all_;
    std::uint64_t offset_, bytes_;
};

}  // namespace

Sys<std::unique_ptr<Registers>> map_registers(OwnedFd device, std::uint64_t bytes) {
    auto mapping = Mapping::make(device, bytes);
    if (!mapping) return tl::unexpected<int>(mapping.error());
    ::fcntl(device.get(), F_SETFL, O_NONBLOCK | O_SYNC);
    auto interrupt = has_interrupt(device) ? std::move(device) : OwnedFd();
    return std::make_unique<MappedRegisters>(std::move(*mapping), std::move(interrupt));
}

Sys<std::unique_ptr<DmaMemory>> map_memory(OwnedFd device, CacheFiles caches, std::uint64_t address, std::uint64_t bytes) {
    auto mapping = Mapping::make(device, bytes);
    if (!mapping) return tl::unexpected<int>(mapping.error());
    return std::make_unique<MappedMemory>(std::move(*mapping), std::move(caches), address);
}

std::unique_ptr<Registers> window_of(std::unique_ptr<Registers> all, std::uint64_t offset, std::uint64_t bytes) {
    return std::make_unique<Window>(std::move(all), offset, bytes);
}

}  // namespace fard::zynq
