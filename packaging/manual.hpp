// Man pages and shell completion, made of the tables that the programs read their options by.
#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"
#include "runtime/node_manager/config_keys.hpp"

namespace fard {

// fard(1) and fardd(8), in the man macros of groff.
std::string fard_page(const std::vector<cli::CommandSpec>& commands, const std::string& version);
std::string fardd_page(const std::vector<ConfigKey>& keys, const std::string& version);

// For bash: subcommands and options; files where neither is meant.
std::string fard_completion(const std::vector<cli::CommandSpec>& commands);
std::string fardd_completion(const std::vector<ConfigKey>& keys);

}  // namespace fard
