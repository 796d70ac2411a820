#include "overlays/zynq/kept_zynq.hpp"

#include "overlays/bitstream/part.hpp"
#include "overlays/helper/helper_link.hpp"
#include "overlays/zynq/known_boards.hpp"
#include "overlays/zynq/setup_text.hpp"

namespace fard {
namespace {

class KeptZynq final : public KeptDevice {
  public:
    KeptZynq(zynq::FabricSetup setup, std::unique_ptr<zynq::Host> host, zynq::FpgaManager manager,
             std::unique_ptr<helper::HelperLink> helper)
        : setup_(std::move(setup)), host_(std::move(host)), manager_(std::move(manager)), helper_(std::move(helper)) {}

    DeviceInfo info() const override { return {manager_.device(), "zynq", 1, manager_.name(), setup_.part}; }
    bool keeps_overlays() const override { return true; }
    std::string holds(std::uint32_t) const override {
        if (!manager_.operating()) return {};
        return host_->read(setup_.roots.run / (manager_.device() + ".loaded")).value_or("");
    }
    Result<OwnedFd> for_job(const JobOverlay& overlay) override {
        return helper_ ? helper_->session(overlay.id, overlay.directory) : zynq::share_setup(setup_);
    }

  private:
    zynq::FabricSetup setup_;
    std::unique_ptr<zynq::Host> host_;
    mutable zynq::FpgaManager manager_;
    std::unique_ptr<helper::HelperLink> helper_;  // null: jobs have the rights themselves
};

// A bitstream for the part must be one that this manager programs.
Result<> check_family(const zynq::FpgaManager& manager, const std::string& name) {
    const auto part = bitstream::parse_part(name);
    if (!part) return fail_in("part", part.error());
    if (part->family == manager.family() || manager.family() == bitstream::Family::other) return {};
    return fail(Fault::invalid_input, "part: {} is a {}, and this board's {} ({}) programs a {}", name, bitstream::name_of(part->family),
                manager.device(), manager.name(), bitstream::name_of(manager.family()));
}

}  // namespace

Result<> find_zynq(const BoardSetup& setup, KeptDevices& found) {
    if (!setup.fabric) return {};
    auto fabric = *setup.fabric;
    auto host = zynq::linux_host();
    auto manager = zynq::FpgaManager::find(*host, fabric.roots);
    if (!manager && fabric.part.empty()) return {};  // most machines have none
    if (!manager) return fail(manager.error());
    if (fabric.part.empty()) {
        const auto board = zynq::find_board(*host, fabric.roots);
        fabric.part = board.part;
        if (fabric.part.empty()) {
            if (setup.note)
                setup.note(fmt::format("this board has an FPGA ({}: {}), and its device tree ({}) does not say which part it is: runs do "
                                       "not get it; say it in the board's configuration (part = \"xc7z020clg484-1\", or fabric = \"off\")",
                                       manager->device(), manager->name(), board.names.empty() ? "none" : board.names));
            return {};
        }
    }
    if (auto right = check_family(*manager, fabric.part); !right) return right;
    std::unique_ptr<helper::HelperLink> helper;
    if (setup.helper.loop) {
        auto opened = helper::HelperLink::open(*setup.helper.loop, {setup.helper.socket, setup.helper.program, fabric});
        if (!opened) return fail(opened.error());
        helper = std::move(*opened);
        if (const auto& why = helper->complaint()) {
            const bool wished = !setup.fabric->part.empty();
            if (wished && why->fault == Fault::refused) return fail(*why);
            if (setup.note) setup.note(wished ? why->message : why->message + "; runs do not get it");
            if (!wished) return {};
        }
    }
    found.push_back(std::make_unique<KeptZynq>(std::move(fabric), std::move(host), std::move(*manager), std::move(helper)));
    return {};
}

}  // namespace fard
