// FINN's own nodes and figures, as its estimate flow wrote them, for tests.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "splitter/finn/estimate.hpp"

namespace fard {

// The unit of a node {"op_type", "attributes", "folded_output_shape"}; none where fard has no such unit. `part` is
// Xilinx's name. Throws what nlohmann::json throws where an attribute is missing.
std::optional<finn::Unit> unit_of(const nlohmann::json& node, const std::string& part);

}  // namespace fard
