#include "overlays/device/cpu_info.hpp"

#include <fmt/format.h>

#include <thread>

namespace fard {

std::string cpu_detail(std::string_view kernels) {
    const auto cores = std::thread::hardware_concurrency();
    return fmt::format("{} kernels, {} core{}", kernels, cores, cores == 1 ? "" : "s");
}

}  // namespace fard
