#include "cli/commands.hpp"

#include <cstdio>

#include "base/suggest.hpp"
#include "cli/version.hpp"

namespace fard::cli {
namespace {

std::string overview(const std::vector<Command>& commands) {
    std::string text =
        "fard runs one neural network on several boards as if they were one.\n\nusage: fard COMMAND "
        "[arguments]\n\n";
    for (const auto& command : commands)
        text += fmt::format("  {:<8}  {}\n", command.spec.name, command.spec.summary);
    return text + "\n`fard COMMAND --help` explains a command, `fard --version` says which fard this is.\n";
}

int complain(const std::string& who, const Error& error) {
    fmt::print(stderr, "{}: {}\n", who, error.message);
    return exit_code(error.fault);
}

int run_one(const Command& command, const std::vector<std::string>& arguments) {
    const auto who = "fard " + command.spec.name;
    const auto options = parse_options(command.spec, arguments);
    if (!options) return complain(who, options.error());
    if (options->help()) {
        fmt::print("{}", help_text(command.spec));
        return 0;
    }
    const auto done = command.run(*options);
    if (!done) return complain(who, done.error());
    if (std::fflush(stdout) != 0) return complain(who, {Fault::io, "cannot write to standard output"});
    return 0;
}

}  // namespace

std::vector<Command> all_commands() {
    return {submit_command(), run_command(),    inspect_command(), up_command(),
            down_command(),   status_command(), cancel_command(), init_command(), join_command(),
            keys_command()};
}

int dispatch(const std::vector<std::string>& arguments) {
    const auto commands = all_commands();
    if (arguments.empty()) {
        fmt::print(stderr, "{}", overview(commands));
        return 2;
    }
    const auto& word = arguments.front();
    if (word == "--help" || word == "help") {
        fmt::print("{}", overview(commands));
        return 0;
    }
    if (word == "--version") {
        fmt::print("fard {}\n", version);
        return 0;
    }
    std::vector<std::string> names{"--help", "--version"};
    for (const auto& command : commands) {
        if (command.spec.name == word) return run_one(command, {arguments.begin() + 1, arguments.end()});
        names.push_back(command.spec.name);
    }
    return complain(
        "fard", {Fault::invalid_input, fmt::format("unknown command '{}'{}; `fard --help` lists them", word,
                                                   did_you_mean(word, names))});
}

}  // namespace fard::cli
