// What a fabric has and a design takes, by the names that profiles, manifests and plans give it.
#pragma once

#include <array>

namespace fard {

inline constexpr std::array<const char*, 5> resource_names = {"lut", "ff", "bram18", "uram", "dsp"};

}  // namespace fard
