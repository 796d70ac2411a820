// The subcommands of `fard`, and the dispatch to them.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/options.hpp"

namespace fard::cli {

// One subcommand: what it takes, and what it does. `run` prints results on standard output; an Error is
// printed by the dispatcher and decides the exit code.
struct Command {
    CommandSpec spec;
    Result<> (*run)(const Options&);
};

Command submit_command();
Command run_command();
Command inspect_command();
Command split_command();
Command plan_command();
Command up_command();
Command down_command();
Command status_command();
Command logs_command();
Command cancel_command();
Command mend_command();
Command doctor_command();
Command init_command();
Command join_command();
Command keys_command();
Command overlay_command();

std::vector<Command> all_commands();  // in the order of the help

// Runs `fard ARGUMENTS`; returns the exit code: 0 done, 1 failed, 2 wrong usage or input, 3 nobody to talk
// to.
int dispatch(const std::vector<std::string>& arguments);

}  // namespace fard::cli
