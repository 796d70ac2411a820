// The list of the kinds of devices that a board can have. It knows no model, so that a node manager can ask it; open.cpp
// opens what is listed here.
#include "overlays/device/cpu_info.hpp"
#include "overlays/device/kept_device.hpp"
#include "overlays/emulated/kept_emulated.hpp"
#include "overlays/soft/kernels/kernels.hpp"
#include "overlays/zynq/kept_zynq.hpp"

namespace fard {
namespace {

class KeptCpu final : public KeptDevice {
  public:
    explicit KeptCpu(int slots) : slots_(slots) {}
    DeviceInfo info() const override { return {"cpu0", "soft", slots_, cpu_detail(soft::select_kernels()->name)}; }

  private:
    int slots_;
};

Result<> find_cpu(const BoardSetup& setup, KeptDevices& found) {
    found.push_back(std::make_unique<KeptCpu>(setup.cpu_slots));
    return {};
}

// One row for each kind, in the order in which boards offer them; the CPU, which is always there, is the last.
using Find = Result<> (*)(const BoardSetup& setup, KeptDevices& found);
constexpr Find kinds[] = {find_zynq, find_emulated, find_cpu};

}  // namespace

Result<KeptDevices> find_devices(const BoardSetup& setup) {
    KeptDevices found;
    for (const auto find : kinds)
        if (auto r = find(setup, found); !r) return fail(r.error());
    return found;
}

}  // namespace fard
