#include "runtime/node_manager/fingerprint.hpp"

namespace fard {

std::vector<wire::DeviceState> fingerprint(const KeptDevices& devices) {
    std::vector<wire::DeviceState> states;
    for (const auto& device : devices) {
        auto info = device->info();
        auto& state = states.emplace_back();
        state.id = std::move(info.id);
        state.kind = std::move(info.kind);
        state.slots = static_cast<std::uint32_t>(info.slots);
        state.detail = std::move(info.detail);
        state.part = std::move(info.part);
    }
    return states;
}

}  // namespace fard
