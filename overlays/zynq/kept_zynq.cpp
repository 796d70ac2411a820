#include "overlays/zynq/kept_zynq.hpp"

#include "overlays/zynq/setup_text.hpp"

namespace fard {
namespace {

class KeptZynq final : public KeptDevice {
  public:
    KeptZynq(zynq::FabricSetup setup, std::unique_ptr<zynq::Host> host, zynq::FpgaManager manager)
        : setup_(std::move(setup)), host_(std::move(host)), manager_(std::move(manager)) {}

    DeviceInfo info() const override { return {manager_.device(), "zynq", 1, manager_.name(), setup_.part}; }
    bool keeps_overlays() const override { return true; }
    std::string holds(std::uint32_t) const override {
        if (!manager_.operating()) return {};
        return host_->read(setup_.roots.run / (manager_.device() + ".loaded")).value_or("");
    }
    Result<OwnedFd> for_job() override { return zynq::share_setup(setup_); }

  private:
    zynq::FabricSetup setup_;
    std::unique_ptr<zynq::Host> host_;
    mutable zynq::FpgaManager manager_;
};

}  // namespace

Result<> find_zynq(const BoardSetup& setup, KeptDevices& found) {
    if (!setup.fabric) return {};
    auto host = zynq::linux_host();
    auto manager = zynq::FpgaManager::find(*host, setup.fabric->roots);
    if (!manager) return fail(manager.error());
    found.push_back(std::make_unique<KeptZynq>(*setup.fabric, std::move(host), std::move(*manager)));
    return {};
}

}  // namespace fard
