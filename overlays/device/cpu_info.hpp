// What to tell people about this machine's processor.
#pragma once

#include <string>
#include <string_view>

namespace fard {

std::string cpu_detail(std::string_view kernels);  // "avx2 kernels, 2 cores"

}  // namespace fard
