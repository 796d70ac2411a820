#include "overlays/helper/job_loader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "overlays/helper/packets.hpp"
#include "overlays/zynq/mapping.hpp"
#include "overlays/zynq/resources.hpp"

namespace fard::helper {
namespace {

using namespace std::chrono_literals;

// The driver's own limits (2.5 s, 5 s, 2.5 s), a DMA of the job before that has to come to rest, and reading the bitstream.
constexpr Duration answer_limit = 30s;

Result<OwnedFd> copy_of(const OwnedFd& fd) {
    OwnedFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    if (copy.get() < 0) return fail(Fault::io, "no descriptor for the fabric: {}", std::strerror(errno));
    return copy;
}

// What one LOADED brought.
class Windows {
  public:
    Windows(std::vector<Window> windows, std::vector<OwnedFd> descriptors)
        : windows_(std::move(windows)), descriptors_(std::move(descriptors)) {}

    bool operating() const {
        const auto at = find(Window::Kind::state);
        if (at == windows_.size()) return false;
        std::array<char, 64> text{};
        const auto count = ::pread(descriptors_[at].get(), text.data(), text.size(), 0);
        const std::string_view state(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
        return state.substr(0, state.find('\n')) == "operating";
    }

    Result<std::unique_ptr<zynq::Registers>> registers(const RegisterBlock& block) const {
        for (std::size_t i = 0; i < windows_.size(); ++i) {
            const auto& window = windows_[i];
            if (window.kind != Window::Kind::registers || window.name != block.name || window.address != block.address) continue;
            auto fd = copy_of(descriptors_[i]);
            if (!fd) return fail(fd.error());
            auto all = zynq::map_registers(std::move(*fd), window.offset + window.bytes);
            if (!all) return fail(Fault::io, "the registers of {} cannot be mapped: {}", block.name, std::strerror(all.error()));
            return zynq::window_of(std::move(*all), window.offset, window.bytes);
        }
        return fail(Fault::not_found, "the board helper has no registers of {} at 0x{:x}", block.name, block.address);
    }

    Result<std::unique_ptr<zynq::DmaMemory>> memory(std::uint64_t bytes) const {
        std::vector<zynq::MemoryPlace> there;
        for (std::size_t i = 0; i < windows_.size(); ++i) {
            const auto& window = windows_[i];
            if (window.kind != Window::Kind::memory) continue;
            there.push_back({{}, {}, window.name, window.address, window.bytes});
            if (window.bytes < bytes) continue;
            auto fd = copy_of(descriptors_[i]);
            if (!fd) return fail(fd.error());
            auto caches = caches_of(i);
            if (!caches) return fail(caches.error());
            auto memory = zynq::map_memory(std::move(*fd), std::move(*caches), window.address, window.bytes);
            if (!memory) return fail(Fault::io, "{} cannot be mapped: {}", window.name, std::strerror(memory.error()));
            return std::move(*memory);
        }
        return fail(zynq::no_memory(there, "", bytes));
    }

  private:
    std::size_t find(Window::Kind kind) const {
        return static_cast<std::size_t>(std::ranges::find(windows_, kind, &Window::kind) - windows_.begin());
    }
    Result<zynq::CacheFiles> caches_of(std::size_t memory) const {
        zynq::CacheFiles out;
        for (auto i = memory + 1; i < windows_.size() && windows_[i].kind >= Window::Kind::sync_for_device; ++i) {
            auto fd = copy_of(descriptors_[i]);
            if (!fd) return fail(fd.error());
            (windows_[i].kind == Window::Kind::sync_for_device ? out.for_device : out.for_cpu) = std::move(*fd);
        }
        return out;
    }

    std::vector<Window> windows_;
    std::vector<OwnedFd> descriptors_;
};

class SessionLoader final : public zynq::Loader {
  public:
    explicit SessionLoader(int session) : session_(session) {}

    Result<zynq::FabricAccess> load(const Package&, bool anew) override {
        if (auto sent = send(session_, Load{anew}); !sent) return fail(sent.error());
        auto packet = receive(session_, answer_limit);
        if (!packet) return fail(packet.error().fault, "{}: it died, and its successor knows nothing of this job", packet.error().message);
        if (!*packet)
            return fail(Fault::timed_out, "the board helper has not loaded the fabric within {} s",
                        std::chrono::duration_cast<std::chrono::seconds>(answer_limit).count());
        if (const auto* failed = std::get_if<Failed>(&(*packet)->message)) return fail(failed->fault, "{}", failed->message);
        auto* loaded = std::get_if<Loaded>(&(*packet)->message);
        if (!loaded || loaded->windows.size() != (*packet)->descriptors.size())
            return fail(Fault::corrupt, "the board helper's answer is none");
        has_it_ = true;
        const auto windows = std::make_shared<const Windows>(std::move(loaded->windows), std::move((*packet)->descriptors));
        zynq::FabricAccess access;
        access.operating = [windows] { return windows->operating(); };
        access.registers = [windows](const RegisterBlock& block) { return windows->registers(block); };
        access.memory = [windows](std::uint64_t bytes) { return windows->memory(bytes); };
        access.programmed = loaded->programmed;
        return access;
    }

    Result<> unload() override {
        return std::exchange(has_it_, false) ? send(session_, GiveBack{true}) : Result<>{};
    }
    void release() override {
        if (std::exchange(has_it_, false)) static_cast<void>(send(session_, GiveBack{false}));
    }

  private:
    int session_;
    bool has_it_ = false;
};

}  // namespace

std::unique_ptr<zynq::Loader> session_loader(int session) {
    return std::make_unique<SessionLoader>(session);
}

}  // namespace fard::helper
