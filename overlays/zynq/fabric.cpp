#include "overlays/zynq/fabric.hpp"

#include <unistd.h>

#include <cerrno>
#include <cmath>

#include "overlays/package/files.hpp"
#include "overlays/zynq/device_tree.hpp"
#include "overlays/zynq/resources.hpp"

namespace fard::zynq {
namespace {

constexpr const char* overlay_name = "fard";  // the one device-tree overlay that is fard's

// A name that belongs to the content: another file of that name on the firmware path is the same.
std::string firmware_name(const Package& package) {
    return "fard-" + package.id.substr(0, 24) + ".bin";
}

}  // namespace

const Hardware* build_for(const Manifest& manifest, const std::string& part, const std::vector<std::string>& accepted) {
    if (const auto* own = manifest.hardware_for(part)) return own;
    for (const auto& other : accepted)
        if (const auto* fits = manifest.hardware_for(other)) return fits;
    const auto board = bitstream::parse_part(part);
    for (const auto& build : manifest.hardware)
        if (const auto its = bitstream::parse_part(build.part); board && its && bitstream::same_die(*board, *its)) return &build;
    return nullptr;
}

Result<std::unique_ptr<Fabric>> Fabric::open(Host& host, FabricSetup setup, const std::string& holder) {
    auto manager = FpgaManager::find(host, setup.roots);
    if (!manager) return fail(manager.error());
    auto lock = manager->lock(holder.empty() ? fmt::format("process {}", ::getpid()) : holder);
    if (!lock) return fail(lock.error());
    return std::unique_ptr<Fabric>(new Fabric(host, std::move(setup), std::move(*manager), std::move(*lock)));
}

std::filesystem::path Fabric::record() const {
    return setup_.roots.run / (manager_.device() + ".loaded");
}

std::string Fabric::loaded() const {
    return host_.read(record()).value_or("");
}

Result<FabricAccess> Fabric::load(const Package& package, bool anew) {
    const auto* build = build_for(package.manifest, setup_.part, setup_.accepted_parts);
    if (!build || build->bitstream.empty())
        return fail(Fault::unsupported, "package {} ({}) has no bitstream for this board's part {}: import one into it "
                    "(`fard overlay import --into`), or let the position run on a CPU (device = \"soft\")", package.manifest.name,
                    package.dir.string(), setup_.part);
    // The id names the content, which passed the gate when it was programmed.
    if (!anew && loaded() == package.id && manager_.operating() && has_registers(host_, setup_.roots, build->registers))
        return access(false);
    const auto path = package.dir / build->bitstream;
    const auto file = read_regular_file(path, bitstream::max_file_bytes);
    if (!file) return fail(file.error());
    const auto listed = package.manifest.files.find(build->bitstream);
    const auto ready = bitstream::pass_gate(*file, path.string(), {setup_.part, setup_.accepted_parts, build->part,
                                                                   listed == package.manifest.files.end() ? "" : listed->second});
    if (!ready) return fail(ready.error());
    if (auto removed = unload(); !removed) return fail(removed.error());
    if (auto done = configure(package, *build, *ready); !done) return fail(done.error());
    if (!manager_.operating())
        return fail(Fault::io, "{} is '{}' after it was programmed", manager_.device(), manager_.state().value_or("unreadable"));
    if (auto set = set_clock(build->clock_mhz); !set) return fail(set.error());
    if (const auto kept = host_.put_file(record(), package.id); !kept) return fail(Fault::io, "{}", explain(kept.error(), record()));
    return access(true);
}

Result<> Fabric::configure(const Package& package, const Hardware& build, const bitstream::Programmable& ready) {
    const auto name = firmware_name(package);
    if (manager_.takes_firmware()) {
        if (auto done = manager_.program(name, ready.bin, ready.flags); !done) return done;
        if (!manager_.takes_overlays() || has_registers(host_, setup_.roots, build.registers)) return {};
        const auto dtbo = overlay_for(package, build, "");
        return dtbo ? manager_.apply_overlay(overlay_name, *dtbo) : fail(dtbo.error());
    }
    if (!manager_.takes_overlays())
        return fail(Fault::unsupported, "{} ({}) can be programmed neither through its file 'firmware' nor through device-tree "
                    "overlays: a mainline kernel has no way for programs to do it; use the vendor's kernel, or one with configfs "
                    "overlays (docs/boards.md)", manager_.device(), manager_.name());
    const auto dtbo = overlay_for(package, build, name);
    return dtbo ? program_by_overlay(name, *dtbo, ready) : fail(dtbo.error());
}

Result<> Fabric::program_by_overlay(const std::string& name, const std::string& dtbo, const bitstream::Programmable& ready) {
    auto held = manager_.put_firmware(name, ready.bin);
    if (!held) return fail(held.error());
    return manager_.apply_overlay(overlay_name, dtbo);
}

Result<std::string> Fabric::overlay_for(const Package& package, const Hardware& build, const std::string& firmware) const {
    if (!build.device_tree.empty() && firmware.empty())
        return read_regular_file(package.dir / build.device_tree, std::uint64_t{1} << 20);
    return compile_overlay({setup_.region, firmware, build.registers}, manager_.family());
}

// The vendor's kernel gives the fabric's clocks files; without them the clock is what the boot loader or the device tree set.
Result<> Fabric::set_clock(double mhz) {
    if (mhz <= 0) return {};
    for (const char* bus : {"devices/soc0/fclk0", "devices/platform/fclk0"}) {
        const auto file = setup_.roots.sys / bus / "set_rate";
        if (!host_.exists(file)) continue;
        if (const auto written = host_.write(file, std::to_string(std::llround(mhz * 1e6))); !written)
            return fail(Fault::io, "{}", explain(written.error(), file));
        return {};
    }
    return {};
}

FabricAccess Fabric::access(bool programmed) {
    FabricAccess out;
    out.operating = [this] { return manager_.operating(); };
    out.registers = [this](const RegisterBlock& block) { return open_registers(host_, setup_.roots, block); };
    out.memory = [this](std::uint64_t bytes) { return open_memory(host_, setup_.roots, setup_.memory, bytes); };
    out.programmed = programmed;
    return out;
}

Result<> Fabric::unload() {
    const auto forgotten = host_.remove_file(record());
    if (!forgotten && forgotten.error() != ENOENT) return fail(Fault::io, "{}", explain(forgotten.error(), record()));
    if (!manager_.takes_overlays()) return {};
    return manager_.remove_overlay(overlay_name);
}

}  // namespace fard::zynq
