// Where FINN's reports lie, and how their rows are read.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "splitter/finn/estimate.hpp"

namespace fard {

// FARD_TEST_DATA/finn (default: ../shared/data beside the source tree); empty, and said so, if it is not there.
std::optional<std::filesystem::path> finn_data();

nlohmann::json read_json(const std::filesystem::path& file);

// A row of estimate_layer_resources.json. LUT figures of some units are fractions there, always whole ones.
finn::Estimate figures(const nlohmann::json& row, std::int64_t cycles);

}  // namespace fard
