// A run's summary, for scripts and for people.
#pragma once

#include <string>

#include "client/results.hpp"

namespace fard::cli {

std::string summary_json(const RunSummary& summary);  // one object, the contract of `fard submit --json`
std::string summary_text(const RunSummary& summary);  // a few lines and a table of the jobs

// `rows` under `head`, columns aligned; numbers in the cells to the right.
std::string table_text(const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows);

std::string bytes_text(std::uint64_t bytes);  // "150.5 kB"

}  // namespace fard::cli
