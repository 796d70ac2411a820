// Operators that ONNX does not have: what expand_operators() makes, and what stages of a streamlined network
// hold.
#pragma once

#include <string_view>

namespace fard::model {

inline constexpr std::string_view own_domain = "fard";

}  // namespace fard::model
