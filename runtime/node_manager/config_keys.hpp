// The one table of a node manager's settings: from it come the options, the file's keys, the help, and their
// checks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/node_manager/config.hpp"

namespace fard {

struct ConfigKey {
    enum class Kind { text, number, flag, list };
    std::string name;  // in the file; as an option '-' stands for '_'
    Kind kind = Kind::text;
    std::string placeholder;  // "N", "ENDPOINT"
    std::string help;         // with the default, if there is one
    // Takes the checked form: a text, a number, "true" or "false"; a list's elements one by one. Errors:
    // invalid_input without saying where.
    std::function<Result<>(Config&, const std::string&)> set;

    std::string option() const;  // "front-door"; of a list of things one of them: "seed"
};

const std::vector<ConfigKey>& config_keys();
const ConfigKey* find_config_key(const std::string& name);
std::vector<std::string> config_key_names();

// One setting as it was found.
struct Setting {
    std::string key;
    std::vector<std::string> values;
    std::string where;  // "fardd.toml:3: name", "--name"
};

// Reads a file's settings. Errors: not_found, invalid_input (grammar, unknown key, wrong type).
Result<std::vector<Setting>> read_config_file(const std::filesystem::path& file);

// What follows from the rest: endpoints in the state directory, the host's name, where the job programs are.
// Errors: invalid_input.
Result<> complete_config(Config& config);

}  // namespace fard
