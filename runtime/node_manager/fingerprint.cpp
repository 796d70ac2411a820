#include "runtime/node_manager/fingerprint.hpp"

namespace fard {

std::vector<wire::DeviceState> fingerprint(const BoardSetup& setup) {
    std::vector<wire::DeviceState> devices;
    for (auto& device : discover_devices(setup)) {
        auto& state = devices.emplace_back();
        state.id = std::move(device.id);
        state.kind = std::move(device.kind);
        state.slots = static_cast<std::uint32_t>(device.slots);
        state.detail = std::move(device.detail);
        state.part = std::move(device.part);
    }
    return devices;
}

}  // namespace fard
