// What devices this board has, before it takes any work.
#pragma once

#include <functional>
#include <vector>

#include "runtime/peer/message_parts.hpp"

namespace fard {

// Finds the devices of one kind of hardware, healthy or not. Hardware is asked through its helper process.
using DeviceProbe = std::function<std::vector<wire::DeviceState>()>;

// Every device of this board, in a fixed order; the CPU ("cpu0") is the last and always there.
std::vector<wire::DeviceState> fingerprint(int cpu_slots, const std::vector<DeviceProbe>& hardware = {});

}  // namespace fard
