#include "runtime/node_manager/fingerprint.hpp"

#include <sched.h>
#include <sys/utsname.h>

namespace fard {

namespace {

std::string describe_cpu() {
    utsname machine{};
    ::uname(&machine);
    cpu_set_t cores;
    CPU_ZERO(&cores);
    const int count = ::sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    return fmt::format("{}, {} core{}", machine.machine, count, count == 1 ? "" : "s");
}

}  // namespace

std::vector<wire::DeviceState> fingerprint(int cpu_slots, const std::vector<DeviceProbe>& hardware) {
    std::vector<wire::DeviceState> devices;
    for (const auto& probe : hardware) {
        for (auto& device : probe())
            devices.push_back(std::move(device));
    }
    devices.push_back({"cpu0", "soft", static_cast<std::uint32_t>(cpu_slots), true, describe_cpu()});
    return devices;
}

}  // namespace fard
