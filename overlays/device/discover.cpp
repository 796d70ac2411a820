// The list of devices that a board can have. It knows no model, so that a node manager can ask it.
#include "overlays/device/cpu_info.hpp"
#include "overlays/device/device.hpp"
#include "overlays/soft/kernels/kernels.hpp"

namespace fard {
namespace {

std::vector<DeviceInfo> discover_cpu(const BoardSetup& setup) {
    return {{"cpu0", "soft", setup.cpu_slots, cpu_detail(soft::select_kernels()->name)}};
}

// One row for each kind, in the order in which boards offer them; the CPU, which is always there, is the
// last.
using Discover = std::vector<DeviceInfo> (*)(const BoardSetup& setup);
constexpr Discover kinds[] = {discover_cpu};

}  // namespace

std::vector<DeviceInfo> discover_devices(const BoardSetup& setup) {
    std::vector<DeviceInfo> devices;
    for (const auto discover : kinds)
        for (auto& device : discover(setup))
            devices.push_back(std::move(device));
    return devices;
}

}  // namespace fard
