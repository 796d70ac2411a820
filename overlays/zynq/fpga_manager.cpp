#include "overlays/zynq/fpga_manager.hpp"

#include <cerrno>
#include <charconv>

namespace fard::zynq {
namespace {

bitstream::Family family_of(std::string_view name) {
    if (name.find("ZynqMP") != std::string_view::npos) return bitstream::Family::zynqmp;
    if (name.find("Zynq") != std::string_view::npos) return bitstream::Family::zynq7000;
    return bitstream::Family::other;
}

// What a state of the driver means for whoever has to mend it.
std::string_view meaning(std::string_view state) {
    if (state == "firmware request error") return "the kernel did not find the file on its firmware path";
    if (state == "write init error")
        return "the driver did not take the bitstream: no sync word where it looks (the words must be turned round), or the "
               "fabric did not get ready within 2.5 s";
    if (state == "write error") return "the transfer into the fabric failed or took more than 5 s";
    if (state == "write complete error") return "the fabric did not start within 2.5 s: a bitstream for another part, or a damaged one";
    return "";
}

}  // namespace

std::filesystem::path FpgaManager::file(const char* name) const {
    return roots_.sys / "class" / "fpga_manager" / device_ / name;
}

std::filesystem::path FpgaManager::overlays() const {
    return roots_.configfs / "device-tree" / "overlays";
}

Result<FpgaManager> FpgaManager::find(Host& host, const Roots& roots) {
    FpgaManager found(host, roots);
    const auto directory = roots.sys / "class" / "fpga_manager";
    const auto names = host.list(directory);
    if (!names || names->empty())
        return fail(Fault::not_found, "{}: this kernel has no FPGA manager; it needs CONFIG_FPGA with CONFIG_FPGA_MGR_ZYNQ_FPGA "
                    "(Zynq-7000) or CONFIG_FPGA_MGR_ZYNQMP_FPGA, and its node in the device tree (docs/boards.md)",
                    directory.string());
    found.device_ = names->front();
    const auto name = host.read(found.file("name"));
    if (!name) return fail(Fault::io, "{}", explain(name.error(), found.file("name")));
    found.name_ = *name;
    found.family_ = family_of(*name);
    found.takes_firmware_ = host.exists(found.file("firmware"));
    found.takes_overlays_ = host.exists(found.overlays());
    return found;
}

Result<std::unique_ptr<Lock>> FpgaManager::lock(const std::string& holder) {
    static_cast<void>(host_->make_directory(roots_.run));  // it may be there; what is wrong with it shows at once
    const auto path = roots_.run / (device_ + ".lock");
    auto held = host_->lock(path, holder);
    if (held) return std::move(*held);
    if (held.error() == EWOULDBLOCK)
        return fail(Fault::refused, "{} is in use: another node manager holds {} (it says: {}); one of them must leave it alone "
                    "(fabric = \"off\" in its configuration)", device_, path.string(), host_->read(path).value_or("nothing"));
    return fail(Fault::io, "{}", explain(held.error(), path));
}

Result<std::string> FpgaManager::state() {
    auto state = host_->read(file("state"));
    if (!state) return fail(Fault::io, "{}", explain(state.error(), file("state")));
    return std::move(*state);
}

bool FpgaManager::operating() {
    const auto now = state();
    return now && *now == "operating";
}

Result<std::unique_ptr<FpgaManager::FirmwareFile>> FpgaManager::put_firmware(const std::string& name, std::string_view bytes) {
    const auto path = roots_.firmware / name;
    if (const auto put = host_->put_file(path, bytes); !put) {
        if (put.error() == ENOSPC)
            return fail(Fault::io, "{}: no room for {} bytes; make some on that file system", path.string(), bytes.size());
        return fail(Fault::io, "{}", explain(put.error(), path));
    }
    return std::make_unique<FirmwareFile>(*host_, path);
}

// Flags stay as they were left by whoever programmed before: a forgotten 1 makes a whole bitstream a partial one.
Result<> FpgaManager::write_flags(std::uint32_t flags) {
    char text[16];
    const auto end = std::to_chars(text, text + sizeof text, flags, 16).ptr;
    if (const auto written = host_->write(file("flags"), {text, end}); !written)
        return fail(Fault::io, "{}", explain(written.error(), file("flags")));
    const auto back = host_->read(file("flags"));
    if (!back) return fail(Fault::io, "{}", explain(back.error(), file("flags")));
    std::uint32_t read = ~flags;
    const auto digits = back->starts_with("0x") ? std::string_view(*back).substr(2) : std::string_view(*back);
    std::from_chars(digits.data(), digits.data() + digits.size(), read, 16);
    if (read != flags)
        return fail(Fault::io, "{} reads back '{}' after {:x} was written: the driver does not keep its flags; nothing was programmed",
                    file("flags").string(), *back, flags);
    return {};
}

tl::unexpected<Error> FpgaManager::programming_failed(int error) {
    const auto now = state().value_or("unreadable");
    const auto means = meaning(now);
    const auto fault = error == ETIMEDOUT ? Fault::timed_out : error == EINVAL ? Fault::corrupt : Fault::io;
    return fail(fault, "{}: programming failed: {}; state '{}'{}{}", device_, explain(error, file("firmware")), now,
                means.empty() ? "" : ": ", means);
}

Result<> FpgaManager::program(const std::string& name, std::string_view bin, std::uint32_t flags) {
    if (!takes_firmware_)
        return fail(Fault::unsupported, "{} ({}) has no file 'firmware', which only the vendor's kernel has: it is programmed "
                    "through a device-tree overlay", device_, name_);
    auto held = put_firmware(name, bin);
    if (!held) return fail(held.error());
    if (auto written = write_flags(flags); !written) return written;
    if (const auto written = host_->write(file("firmware"), name); !written) return programming_failed(written.error());
    const auto now = state();
    if (!now) return fail(now.error());
    // The state of ZynqMP comes from its power management, which some firmware does not tell.
    if (*now == "operating" || (*now == "unknown" && family_ == bitstream::Family::zynqmp)) return {};
    return programming_failed(EIO);
}

Result<> FpgaManager::hand_over(const std::filesystem::path& overlay, const std::string& dtbo_name) {
    if (const auto written = host_->write(overlay / "path", dtbo_name); !written) {
        if (!takes_firmware_) return programming_failed(written.error());
        return fail(Fault::io, "{}", explain(written.error(), overlay / "path"));
    }
    // The vendor's driver says nothing of a failure: what it kept tells.
    const auto status = host_->read(overlay / "status"), path = host_->read(overlay / "path");
    if (status && *status == "applied" && path && *path == dtbo_name) return {};
    return fail(Fault::io, "{} was not applied (status '{}', path '{}'; the manager's state is '{}'); the kernel's log says why",
                overlay.string(), status.value_or("unreadable"), path.value_or("unreadable"), state().value_or("unreadable"));
}

Result<> FpgaManager::apply_overlay(const std::string& name, std::string_view dtbo) {
    if (!takes_overlays_)
        return fail(Fault::unsupported, "{} is not there: this kernel takes no device-tree overlays (CONFIG_OF_CONFIGFS of "
                    "vendors' kernels; is configfs mounted?)", overlays().string());
    const auto dtbo_name = name + ".dtbo";
    auto held = put_firmware(dtbo_name, dtbo);
    if (!held) return fail(held.error());
    const auto overlay = overlays() / name;
    if (host_->exists(overlay))  // of a process that died
        if (auto removed = remove_overlay(name); !removed) return removed;
    if (const auto made = host_->make_directory(overlay); !made) return fail(Fault::io, "{}", explain(made.error(), overlay));
    auto done = hand_over(overlay, dtbo_name);
    if (!done) static_cast<void>(remove_overlay(name));
    return done;
}

Result<> FpgaManager::remove_overlay(const std::string& name) {
    const auto overlay = overlays() / name;
    const auto removed = host_->remove_directory(overlay);
    if (removed || removed.error() == ENOENT) return {};
    return fail(Fault::io, "{}", explain(removed.error(), overlay));
}

}  // namespace fard::zynq
