// How each kind of device is opened; discover.cpp lists what a board has.
#include "overlays/device/device.hpp"

#include <cstdlib>

#include "overlays/reference/reference_device.hpp"
#include "overlays/soft/soft_device.hpp"

namespace fard {
namespace {

// FARD_SOFT_KERNELS chooses among the instruction sets of this processor; without it the best one is taken.
Result<std::unique_ptr<Device>> open_soft(const std::string& id, int threads) {
    const char* kernels = std::getenv("FARD_SOFT_KERNELS");
    return open_soft_device(id, kernels ? kernels : "", threads);
}

Result<std::unique_ptr<Device>> open_reference(const std::string& id, int) {
    return open_reference_device(id);
}

struct Kind {
    std::string_view name;
    Result<std::unique_ptr<Device>> (*open)(const std::string& id, int threads);
};
constexpr Kind kinds[] = {{"soft", open_soft}, {"reference", open_reference}};

}  // namespace

Result<std::unique_ptr<Device>> open_device(const std::string& kind, const std::string& id, int threads) {
    std::string names;
    for (const auto& row : kinds) {
        if (row.name == kind) return row.open(id, threads);
        names += (names.empty() ? "" : ", ") + std::string(row.name);
    }
    return fail(Fault::not_found, "there is no kind of device '{}'; there are {}", kind, names);
}

}  // namespace fard
