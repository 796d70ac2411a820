// The options of one subcommand: declared as data, parsed strictly, explained. program_options is fenced in
// options.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace fard::cli {

struct OptionSpec {
    std::string name;      // without the dashes
    std::string argument;  // how help names its value; "" for a flag
    std::string help;
    bool repeated = false;
};

struct CommandSpec {
    std::string name;
    std::string summary;                  // one line of `fard --help`
    std::vector<std::string> positional;  // names of the arguments that it must have, in order; the last may be one
                                          // that it can do without: "[RUN]"
    std::vector<OptionSpec> options;      // besides --help
};

class Options {
  public:
    bool given(const std::string& name) const { return values_.contains(name); }
    std::string text(const std::string& name, const std::string& otherwise = "") const;
    std::vector<std::string> texts(const std::string& name) const;
    // Errors: invalid_input (not a whole number, outside of least..most).
    Result<std::uint64_t> number(const std::string& name, std::uint64_t otherwise, std::uint64_t least,
                                 std::uint64_t most) const;
    // "5s", "500 ms", "2min", "1 h"; a number alone counts seconds. Errors: invalid_input, as number().
    Result<std::chrono::milliseconds> duration(const std::string& name, std::chrono::milliseconds otherwise,
                                               std::chrono::milliseconds most) const;
    std::size_t positionals() const { return positional_.size(); }
    const std::string& positional(std::size_t place) const { return positional_.at(place); }
    bool help() const { return given("help"); }

  private:
    friend Result<Options> parse_options(const CommandSpec&, const std::vector<std::string>&);
    std::map<std::string, std::vector<std::string>> values_;
    std::vector<std::string> positional_;
};

// Errors: invalid_input (unknown option: the nearest one; an option without its value, or twice; too few or
// too many arguments). With --help nothing else is checked.
Result<Options> parse_options(const CommandSpec& command, const std::vector<std::string>& arguments);

std::string help_text(const CommandSpec& command);

}  // namespace fard::cli
