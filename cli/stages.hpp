// The stages that an app's model is cut into, in figures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "client/app_file.hpp"

namespace fard::cli {

struct StageRow {
    std::string name, job;
    std::uint32_t replicas = 1;
    std::uint32_t parts = 0;  // instead; 0: none
    std::size_t layers = 0;
    std::int64_t macs = 0, parameters = 0;
    std::uint64_t parameter_bytes = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;  // of a chunk
};

// One row per position. Errors: those of the model and its cuts.
Result<std::vector<StageRow>> stage_rows(const AppFile& app);

std::string stages_text(const AppFile& app, const std::vector<StageRow>& rows);
std::string stages_json(const AppFile& app, const std::vector<StageRow>& rows);

}  // namespace fard::cli
