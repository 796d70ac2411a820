// How each kind of device is opened; find_devices.cpp lists what a board has.
#include "overlays/device/device.hpp"

#include <cstdlib>

#include "overlays/emulated/emulated_device.hpp"
#include "overlays/reference/reference_device.hpp"
#include "overlays/soft/soft_device.hpp"
#include "overlays/zynq/open_zynq.hpp"

namespace fard {
namespace {

// FARD_SOFT_KERNELS chooses among the instruction sets of this processor; without it the best one is taken.
Result<std::unique_ptr<Device>> open_soft(const DeviceAccess& access) {
    const char* kernels = std::getenv("FARD_SOFT_KERNELS");
    return open_soft_device(access.id, kernels ? kernels : "", access.threads);
}

Result<std::unique_ptr<Device>> open_reference(const DeviceAccess& access) {
    return open_reference_device(access.id);
}

struct Kind {
    std::string_view name;
    Result<std::unique_ptr<Device>> (*open)(const DeviceAccess& access);
};
constexpr Kind kinds[] = {
    {"zynq", open_zynq_device}, {"emulated", open_emulated_device}, {"soft", open_soft}, {"reference", open_reference}};

}  // namespace

Result<std::unique_ptr<Device>> open_device(const DeviceAccess& access) {
    std::string names;
    for (const auto& row : kinds) {
        if (row.name == access.kind) return row.open(access);
        names += (names.empty() ? "" : ", ") + std::string(row.name);
    }
    return fail(Fault::not_found, "there is no kind of device '{}'; there are {}", access.kind, names);
}

}  // namespace fard
