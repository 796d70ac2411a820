// Where operators come from, beside ONNX itself, whose domain is empty.
#pragma once

#include <string_view>

namespace fard::model {

// What expand_operators() makes, and what stages of a streamlined network hold.
inline constexpr std::string_view own_domain = "fard";

// What a stage says of the network that it is a part of (Graph::exact_fractions): metadata with this key.
inline constexpr std::string_view exact_fractions_key = "fard_exact_fractions";

inline constexpr std::string_view qonnx_domain = "qonnx.custom_op.general";
inline constexpr std::string_view finn_domain = "finn.custom_op.general";  // its name before qonnx
inline constexpr std::string_view brevitas_domain = "onnx.brevitas";
inline constexpr std::string_view microsoft_domain = "com.microsoft";  // ONNX Runtime's quantized operators

}  // namespace fard::model
