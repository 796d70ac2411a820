#include "overlays/emulated/kept_emulated.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "overlays/emulated/board_memory.hpp"

namespace fard {
namespace {

Result<OwnedFd> duplicate(int fd) {
    OwnedFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (copy.get() < 0) return fail(Fault::io, "no descriptor for an emulated board's memory: {}", std::strerror(errno));
    return copy;
}

class KeptEmulated final : public KeptDevice {
  public:
    KeptEmulated(BoardMemory memory, std::string profile) : memory_(std::move(memory)), profile_(std::move(profile)) {}

    DeviceInfo info() const override {
        const auto& figures = memory_.figures();
        return {"fabric0", "emulated", static_cast<int>(figures.slots), fmt::format("emulated {}, {}", profile_, figures.title.data()),
                figures.part.data(), profile_};
    }

    bool keeps_overlays() const override { return true; }

    std::string holds(std::uint32_t slot) const override {
        if (slot >= memory_.figures().slots) return {};
        const auto& held = memory_->slots[slot];
        if (held.step != static_cast<std::uint32_t>(SlotStep::loaded)) return {};
        return std::string(held.overlay.data(), ::strnlen(held.overlay.data(), held.overlay.size()));
    }

    Result<OwnedFd> for_job(const JobOverlay&) override { return duplicate(memory_.fd()); }
    int board_fd() const override { return memory_.fd(); }
    PortFigures port() const override {
        const auto& figures = memory_.figures();
        return {static_cast<std::uint64_t>(std::llround(figures.way_ns_per_byte * 1e3)),
                static_cast<std::uint64_t>(figures.way_latency_ns)};
    }

  private:
    BoardMemory memory_;
    std::string profile_;
};

}  // namespace

Result<> find_emulated(const BoardSetup& setup, KeptDevices& found) {
    if (!setup.emulated) return {};
    auto memory = BoardMemory::make(*setup.emulated, setup.faults);
    if (!memory) return fail(memory.error());
    found.push_back(std::make_unique<KeptEmulated>(std::move(*memory), setup.emulated->name));
    return {};
}

}  // namespace fard
