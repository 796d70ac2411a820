// A Zynq board under Linux in memory: the drivers' files with their states, texts, errors and times (docs/boards.md), in
// virtual time. It counts what real hardware would not forgive.
#pragma once

#include <map>
#include <set>
#include <string>

#include "overlays/bitstream/part.hpp"
#include "overlays/package/hardware.hpp"
#include "overlays/zynq/host.hpp"
#include "tests/zynq/fake_fabric.hpp"

namespace fard::test {

enum class FakeKernel { vendor, overlays_only, mainline, without_manager };

class FakeBoard final : public zynq::Host {
  public:
    template <typename T = void>
    using Sys = zynq::Sys<T>;
    struct Setup {
        bitstream::Family family = bitstream::Family::zynq7000;
        FakeKernel kernel = FakeKernel::vendor;
        std::uint64_t memory_bytes = std::uint64_t{1} << 20;
        std::uint64_t memory_address = 0x1e000000;
        bool coherent = false;
        bool clock_file = true;
        bool interrupts = false;  // the UIO devices have some
    };
    FakeBoard() : FakeBoard(Setup{}) {}
    explicit FakeBoard(Setup setup);

    // What the fabric becomes when it is configured with these words.
    void know(const std::string& bin, FakeDesign design) { designs_[bin] = std::move(design); }
    void add_uio(const std::string& name, std::uint64_t address, std::uint64_t bytes);  // of the board's own device tree

    // The next writes fail as the driver lets them, so many times.
    struct Faults {
        int firmware_request = 0, write_init = 0, write = 0, write_complete = 0;  // of programming
        int overlay_silent = 0;    // the vendor's overlay driver: success, and nothing applied
        int no_room = 0;           // ENOSPC of the firmware directory
        int flags_lost = 0;        // flags that do not stay
        int wedges = 0;            // the next runs never end
        int cache_errors = 0;
    };
    Faults faults;
    std::set<std::string> no_rights;  // files and devices that give EACCES
    std::uint64_t violations = 0;     // accesses to registers while the fabric was not operating
    std::uint64_t programmed = 0;     // bitstreams that were configured
    std::uint64_t rate_hz = 0;        // of the fabric's clock
    FakeFabric fabric{memory_};
    std::string state = "unknown";
    unsigned flags = 0;
    bool lock_held = false;

    Sys<std::string> read(const Path& file) override;
    Sys<> write(const Path& file, std::string_view text) override;
    bool exists(const Path& path) override;
    Sys<std::vector<std::string>> list(const Path& directory) override;
    Sys<> make_directory(const Path& directory) override;
    Sys<> remove_directory(const Path& directory) override;
    Sys<> put_file(const Path& file, std::string_view bytes) override;
    Sys<> remove_file(const Path& file) override;
    Sys<std::unique_ptr<zynq::Lock>> lock(const Path& file, std::string_view holder) override;
    Sys<std::unique_ptr<zynq::Registers>> map_registers(const Path& device, std::uint64_t bytes) override;
    Sys<std::unique_ptr<zynq::DmaMemory>> map_memory(const Path& device, const Path& sync, std::uint64_t address,
                                                     std::uint64_t bytes) override;
    TimePoint now() override { return now_; }
    void pause(Duration duration) override {
        now_ += duration;
        fabric.pass(now_);
    }

    std::map<std::string, std::string> files;  // of the firmware and the run directory

  private:
    struct Uio {
        std::string name, overlay;
        std::uint64_t address, bytes;
    };
    struct Overlay {
        std::string path;
        bool applied = false;
    };
    class FakeRegisters;
    class MappedMemory;
    class HeldLock;

    Sys<> program(const std::string& name);
    Sys<> configure(const std::string& bin);
    Sys<> apply(const std::string& overlay, std::string_view text);
    Sys<> add_nodes(const std::string& overlay, const std::string& dtbo);
    const Uio* uio_of(const std::string& device) const;

    Setup setup_;
    FakeMemory memory_;
    TimePoint now_{};
    std::map<std::string, FakeDesign> designs_;
    std::map<int, Uio> uios_;
    std::map<std::string, Overlay> overlays_;
};

}  // namespace fard::test
