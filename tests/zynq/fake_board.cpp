#include "tests/zynq/fake_board.hpp"

#include <libfdt.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/owned_fd.hpp"
#include "overlays/bitstream/bitstream.hpp"

namespace fard::test {
namespace {

tl::unexpected<int> says(int error) { return tl::unexpected<int>(error); }
bool strikes(int& times) { return times > 0 && times-- > 0; }

const std::string manager = "/sys/class/fpga_manager/fpga0/", uio_class = "/sys/class/uio/", buffer_class = "/sys/class/u-dma-buf/",
                  overlay_root = "/sys/kernel/config/device-tree/overlays/", firmware_root = "/lib/firmware/",
                  clock_file = "/sys/devices/soc0/fclk0/set_rate";

// "uio3/maps/map0/addr" -> "uio3" and the rest.
std::pair<std::string, std::string> split(const std::string& path) {
    const auto slash = path.find('/');
    return {path.substr(0, slash), slash == std::string::npos ? "" : path.substr(slash + 1)};
}

}  // namespace

class FakeBoard::FakeRegisters final : public zynq::Registers {
  public:
    FakeRegisters(FakeBoard& board, std::uint64_t base, std::uint64_t bytes) : board_(board), base_(base), bytes_(bytes) {
        if (!board.setup_.interrupts) return;
        interrupt_ = OwnedFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        board.fabric.on_interrupt(base, [fd = interrupt_.get()] { ::eventfd_write(fd, 1); });
    }
    ~FakeRegisters() override {
        if (interrupt_.get() >= 0) board_.fabric.on_interrupt(base_, {});
    }
    std::uint32_t read(std::uint64_t offset) override {
        board_.now_ += std::chrono::microseconds(1);
        return allowed(offset) ? board_.fabric.read(base_ + offset, board_.now_) : 0xffffffff;
    }
    void write(std::uint64_t offset, std::uint32_t value) override {
        if (allowed(offset)) board_.fabric.write(base_ + offset, value, board_.now_);
        if (offset % 0x1000 == 0 && (value & 1) && strikes(board_.faults.wedges)) board_.fabric.wedged = true;
    }
    std::uint64_t bytes() const override { return bytes_; }
    int interrupt_fd() const override { return interrupt_.get(); }
    bool arm_interrupt() override {
        eventfd_t count = 0;
        const bool told = interrupt_.get() >= 0 && ::eventfd_read(interrupt_.get(), &count) == 0;
        board_.fabric.let_through(base_);
        return told;
    }

  private:
    bool allowed(std::uint64_t offset) {  // real hardware would stop the processor's bus here
        const bool fine = board_.state == "operating" && offset + 4 <= bytes_;
        board_.violations += !fine;
        return fine;
    }
    FakeBoard& board_;
    std::uint64_t base_, bytes_;
    OwnedFd interrupt_;
};

class FakeBoard::MappedMemory final : public zynq::DmaMemory {
  public:
    MappedMemory(FakeBoard& board, bool cached) : board_(board), cached_(cached) {}
    std::span<std::byte> bytes() override { return cached_ ? board_.memory_.cached : board_.memory_.real; }
    std::uint64_t address() const override { return board_.memory_.address; }
    zynq::Sys<> flush(std::uint64_t offset, std::uint64_t size) override {
        return move(board_.memory_.cached, board_.memory_.real, offset, size);
    }
    zynq::Sys<> invalidate(std::uint64_t offset, std::uint64_t size) override {
        return move(board_.memory_.real, board_.memory_.cached, offset, size);
    }

  private:
    zynq::Sys<> move(const std::vector<std::byte>& from, std::vector<std::byte>& to, std::uint64_t offset, std::uint64_t size) {
        if (!cached_) return {};
        if (strikes(board_.faults.cache_errors)) return says(EINVAL);
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(offset), size, to.begin() + static_cast<std::ptrdiff_t>(offset));
        return {};
    }
    FakeBoard& board_;
    bool cached_;
};

class FakeBoard::HeldLock final : public zynq::Lock {
  public:
    HeldLock(FakeBoard& board, const Path& file, std::string_view holder) : board_(board) {
        board_.lock_held = true;
        board_.files[file.string()] = holder;
    }
    ~HeldLock() override { board_.lock_held = false; }

  private:
    FakeBoard& board_;
};

FakeBoard::FakeBoard(Setup setup) : setup_(setup) {
    memory_.address = setup.memory_address;
    memory_.cached.resize(setup.memory_bytes);
    memory_.real.resize(setup.memory_bytes);
}

void FakeBoard::add_uio(const std::string& name, std::uint64_t address, std::uint64_t bytes) {
    uios_[static_cast<int>(uios_.size())] = {name, "", address, bytes};
}

const FakeBoard::Uio* FakeBoard::uio_of(const std::string& device) const {
    for (const auto& [number, uio] : uios_)
        if (device == "uio" + std::to_string(number)) return &uio;
    return nullptr;
}

FakeBoard::Sys<std::string> FakeBoard::read(const Path& path) {
    const auto file = path.string();
    if (no_rights.contains(file)) return says(EACCES);
    if (file == manager + "name")
        return setup_.family == bitstream::Family::zynqmp ? "Xilinx ZynqMP FPGA Manager" : "Xilinx Zynq FPGA Manager";
    if (file == manager + "state") return state;
    if (file == manager + "flags") return fmt::format("{:x}", flags);
    if (file.starts_with(uio_class)) {
        const auto [device, rest] = split(file.substr(uio_class.size()));
        const auto* uio = uio_of(device);
        if (!uio) return says(ENOENT);
        if (rest == "name") return uio->name;
        if (rest == "maps/map0/addr") return fmt::format("0x{:08x}", uio->address);
        if (rest == "maps/map0/size") return fmt::format("0x{:x}", uio->bytes);
        if (rest == "maps/map0/offset") return std::string("0x0");
    }
    if (file == buffer_class + "udmabuf0/phys_addr") return fmt::format("0x{:x}", memory_.address);
    if (file == buffer_class + "udmabuf0/size") return std::to_string(memory_.real.size());
    if (file == buffer_class + "udmabuf0/dma_coherent") return std::string(setup_.coherent ? "1" : "0");
    if (file.starts_with(overlay_root)) {
        const auto [name, rest] = split(file.substr(overlay_root.size()));
        const auto found = overlays_.find(name);
        if (found == overlays_.end()) return says(ENOENT);
        if (rest == "path") return found->second.path;
        if (rest == "status") return std::string(found->second.applied ? "applied" : "unapplied");
    }
    const auto found = files.find(file);
    return found == files.end() ? Sys<std::string>(says(ENOENT)) : found->second;
}

FakeBoard::Sys<> FakeBoard::write(const Path& path, std::string_view text) {
    const auto file = path.string();
    if (no_rights.contains(file)) return says(EACCES);
    if (file == manager + "flags" && setup_.kernel == FakeKernel::vendor) {
        unsigned value = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), value, 16).ec != std::errc{}) return says(EINVAL);
        if (!strikes(faults.flags_lost)) flags = value;
        return {};
    }
    if (file == manager + "firmware" && setup_.kernel == FakeKernel::vendor) return program(std::string(text));
    if (file == clock_file && setup_.clock_file) {
        rate_hz = std::stoull(std::string(text));
        return {};
    }
    if (file.starts_with(overlay_root)) {
        const auto [name, rest] = split(file.substr(overlay_root.size()));
        return rest == "path" && overlays_.contains(name) ? apply(name, text) : Sys<>(says(ENOENT));
    }
    return says(ENOENT);
}

// As fpga_mgr_firmware_load: the file, the driver's look at its beginning, the transfer, the start.
FakeBoard::Sys<> FakeBoard::program(const std::string& name) {
    const auto file = files.find(firmware_root + name);
    if (file == files.end() || strikes(faults.firmware_request)) {
        state = "firmware request error";
        return says(ENOENT);
    }
    return configure(file->second);
}

FakeBoard::Sys<> FakeBoard::configure(const std::string& bin) {
    using namespace std::chrono_literals;
    fabric.become(nullptr);
    const bool full = (flags & 1) == 0;
    bool synced = setup_.family == bitstream::Family::zynqmp || !full;
    for (std::size_t at = 0; at + 4 <= std::min<std::size_t>(bin.size(), bitstream::driver_looks_at) && !synced; at += 4)
        synced = bin.compare(at, 4, "\x66\x55\x99\xaa") == 0;
    if (!synced || bin.size() % 4 != 0 || strikes(faults.write_init)) {
        state = "write init error";
        now_ += 2500ms;
        return says(synced && bin.size() % 4 == 0 ? ETIMEDOUT : EINVAL);
    }
    now_ += Duration(static_cast<std::int64_t>(static_cast<double>(bin.size()) / 17.6e6 * 1e9));
    if (strikes(faults.write)) {
        state = "write error";
        return says(EIO);
    }
    if (strikes(faults.write_complete)) {
        state = "write complete error";
        now_ += 2500ms;
        return says(ETIMEDOUT);
    }
    state = "operating";
    ++programmed;
    // A whole bitstream that is loaded as a partial one leaves a fabric that does not answer.
    const auto known = designs_.find(bin);
    fabric.become(full && known != designs_.end() ? &known->second : nullptr);
    return {};
}

FakeBoard::Sys<> FakeBoard::apply(const std::string& name, std::string_view text) {
    auto& overlay = overlays_[name];
    if (!overlay.path.empty()) return says(EPERM);
    const auto dtbo = files.find(firmware_root + std::string(text));
    if (dtbo == files.end()) return says(ENOENT);
    if (strikes(faults.overlay_silent)) return {};
    overlay.path = text;
    if (auto added = add_nodes(name, dtbo->second); !added) {
        overlay.path.clear();
        return setup_.kernel == FakeKernel::vendor ? Sys<>{} : added;  // the vendor's driver keeps it to itself
    }
    overlay.applied = true;
    return {};
}

FakeBoard::Sys<> FakeBoard::add_nodes(const std::string& overlay, const std::string& dtbo) {
    const void* tree = dtbo.data();
    if (fdt_check_full(tree, dtbo.size()) != 0) return says(EINVAL);
    const int fragment = fdt_path_offset(tree, "/fragment@0"), content = fdt_path_offset(tree, "/fragment@0/__overlay__");
    if (fragment < 0 || content < 0) return says(EINVAL);
    const auto* target = static_cast<const char*>(fdt_getprop(tree, fragment, "target-path", nullptr));
    if (!target || std::string(target) != "/fpga-full") return says(ENODEV);
    if (const auto* firmware = static_cast<const char*>(fdt_getprop(tree, content, "firmware-name", nullptr)))
        if (auto done = program(firmware); !done) return done;
    const int cells = setup_.family == bitstream::Family::zynqmp ? 2 : 1;
    for (int node = fdt_first_subnode(tree, content); node >= 0; node = fdt_next_subnode(tree, node)) {
        int length = 0;
        const auto* reg = static_cast<const fdt32_t*>(fdt_getprop(tree, node, "reg", &length));
        if (!reg || length != 8 * cells) return says(EINVAL);
        std::uint64_t address = 0;
        for (int i = 0; i < cells; ++i) address = address << 32 | fdt32_to_cpu(reg[i]);
        const std::string name = fdt_get_name(tree, node, nullptr);
        const int number = uios_.empty() ? 0 : uios_.rbegin()->first + 1;
        uios_[number] = {name.substr(0, name.find('@')), overlay, address, fdt32_to_cpu(reg[2 * cells - 1])};
    }
    return {};
}

bool FakeBoard::exists(const Path& path) {
    const auto file = path.string();
    const bool vendor = setup_.kernel == FakeKernel::vendor, overlays = vendor || setup_.kernel == FakeKernel::overlays_only;
    if (file == manager + "firmware" || file == manager + "flags") return vendor;
    if (file + "/" == overlay_root) return overlays;
    if (file.starts_with(overlay_root)) return overlays_.contains(file.substr(overlay_root.size()));
    if (file == clock_file) return setup_.clock_file;
    return files.contains(file);
}

FakeBoard::Sys<std::vector<std::string>> FakeBoard::list(const Path& directory) {
    const auto path = directory.string();
    if (path == "/sys/class/fpga_manager") {
        if (setup_.kernel == FakeKernel::without_manager) return says(ENOENT);
        return std::vector<std::string>{"fpga0"};
    }
    std::vector<std::string> names;
    if (path == "/sys/class/uio")
        for (const auto& [number, uio] : uios_) names.push_back("uio" + std::to_string(number));
    else if (path == "/sys/class/u-dma-buf" && !memory_.real.empty()) names.push_back("udmabuf0");
    else return says(ENOENT);
    return names;
}

FakeBoard::Sys<> FakeBoard::make_directory(const Path& directory) {
    const auto path = directory.string();
    if (!path.starts_with(overlay_root)) return says(EPERM);
    return overlays_.emplace(path.substr(overlay_root.size()), Overlay{}).second ? Sys<>{} : Sys<>(says(EEXIST));
}

FakeBoard::Sys<> FakeBoard::remove_directory(const Path& directory) {
    const auto path = directory.string();
    const auto name = path.substr(std::min(path.size(), overlay_root.size()));
    if (overlays_.erase(name) == 0) return says(ENOENT);
    std::erase_if(uios_, [&](const auto& entry) { return entry.second.overlay == name; });
    return {};
}

FakeBoard::Sys<> FakeBoard::put_file(const Path& file, std::string_view bytes) {
    if (no_rights.contains(file.parent_path().string())) return says(EACCES);
    if (file.string().starts_with(firmware_root) && strikes(faults.no_room)) return says(ENOSPC);
    files[file.string()] = bytes;
    return {};
}

FakeBoard::Sys<> FakeBoard::remove_file(const Path& file) {
    return files.erase(file.string()) ? Sys<>{} : Sys<>(says(ENOENT));
}

FakeBoard::Sys<std::unique_ptr<zynq::Lock>> FakeBoard::lock(const Path& file, std::string_view holder) {
    if (lock_held) return says(EWOULDBLOCK);
    return std::make_unique<HeldLock>(*this, file, holder);
}

FakeBoard::Sys<std::unique_ptr<zynq::Registers>> FakeBoard::map_registers(const Path& device, std::uint64_t bytes) {
    if (no_rights.contains(device.string())) return says(EACCES);
    const auto* uio = uio_of(device.filename().string());
    if (!uio) return says(ENOENT);
    if (bytes > uio->bytes) return says(EINVAL);
    return std::make_unique<FakeRegisters>(*this, uio->address, bytes);
}

FakeBoard::Sys<std::unique_ptr<zynq::DmaMemory>> FakeBoard::map_memory(const Path& device, const Path& sync, std::uint64_t address,
                                                                       std::uint64_t bytes) {
    if (no_rights.contains(device.string())) return says(EACCES);
    if (address != memory_.address || bytes > memory_.real.size()) return says(EINVAL);
    return std::make_unique<MappedMemory>(*this, !sync.empty());
}

}  // namespace fard::test
