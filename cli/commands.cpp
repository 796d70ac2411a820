#include "cli/commands.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/suggest.hpp"
#include "cli/console.hpp"
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
    err("{}: {}\n", who, error.message);
    return exit_code(error.fault);
}

// A reader that has gone away (`| head`) ends us as it ends every program; anything else is an error.
int end_of_output(const std::string& who) {
    const int cause = flush_output();
    if (cause == 0) return 0;
    if (cause == EPIPE) {
        std::signal(SIGPIPE, SIG_DFL);
        std::raise(SIGPIPE);
    }
    return complain(who, {Fault::io, fmt::format("cannot write to standard output: {}", std::strerror(cause))});
}

int run_one(const Command& command, const std::vector<std::string>& arguments) {
    const auto who = "fard " + command.spec.name;
    const auto options = parse_options(command.spec, arguments);
    if (!options) return complain(who, options.error());
    if (options->help()) {
        put_out(help_text(command.spec));
        return end_of_output(who);
    }
    const auto done = command.run(*options);
    if (!done) return complain(who, done.error());
    return end_of_output(who);
}

}  // namespace

std::vector<Command> all_commands() {
    return {submit_command(), run_command(),  inspect_command(), split_command(), plan_command(), up_command(),
            down_command(),   status_command(), logs_command(),  cancel_command(), mend_command(), doctor_command(),
            init_command(),   join_command(), keys_command(), overlay_command()};
}

namespace {

// What people type who know other programs, and what does it here.
std::string pointer_for(const std::string& word) {
    struct Pointer {
        std::vector<std::string> words;
        const char* text;
    };
    static const std::vector<Pointer> pointers{
        {{"ps", "top", "list", "ls", "nodes", "boards", "runs", "jobs", "describe", "info", "get"},
         "`fard status` shows boards and runs"},
        {{"log", "tail", "journal"}, "`fard logs RUN` shows what boards say of a run"},
        {{"stop", "shutdown", "halt", "quit", "exit"},
         "`fard down` ends the local cluster, `fard cancel RUN` a run"},
        {{"kill", "abort", "rm", "delete"}, "`fard cancel RUN` ends a run"},
        {{"start", "serve", "daemon", "cluster"}, "`fard up` starts a local cluster, `fardd` is a board's node manager"},
        {{"deploy", "apply", "launch", "exec"}, "`fard submit APP.toml` runs an app, `fard submit MODEL.onnx --boards N` a model"},
        {{"show", "view", "summary", "dump", "print", "cuts"}, "`fard inspect MODEL.onnx` shows a network and its cuts"},
        {{"repair", "fix", "heal", "reset", "unblock"}, "`fard mend BOARD` has devices used again that were taken out"},
        {{"check", "diagnose", "debug", "test"}, "`fard doctor` looks for what is wrong"},
    };
    for (const auto& pointer : pointers)
        if (std::find(pointer.words.begin(), pointer.words.end(), word) != pointer.words.end())
            return std::string("; ") + pointer.text;
    return "";
}

const Command* find_command(const std::vector<Command>& commands, const std::string& name) {
    const auto found = std::find_if(commands.begin(), commands.end(),
                                    [&](const Command& command) { return command.spec.name == name; });
    return found == commands.end() ? nullptr : &*found;
}

bool takes_value(const std::vector<Command>& commands, const std::string& word) {
    for (const auto& command : commands)
        for (const auto& option : command.spec.options)
            if ("--" + option.name == word && !option.argument.empty()) return true;
    return false;
}

// Options may stand before the command: where the command is; the end for none.
std::size_t place_of_command(const std::vector<Command>& commands, const std::vector<std::string>& arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (!arguments[i].starts_with("-")) return i;
        if (takes_value(commands, arguments[i])) ++i;  // its value
    }
    return arguments.size();
}

int unknown_command(const std::vector<Command>& commands, const std::string& word) {
    std::vector<std::string> names{"--help", "--version"};
    for (const auto& command : commands)
        names.push_back(command.spec.name);
    const auto pointer = pointer_for(word);
    const auto hint = pointer.empty() ? did_you_mean(word, names) : pointer;
    return complain("fard", {Fault::invalid_input,
                             fmt::format("unknown command '{}'{}; `fard --help` lists them", word, hint)});
}

int say_help(const std::vector<Command>& commands, const std::vector<std::string>& arguments) {
    const auto* command = arguments.size() > 1 ? find_command(commands, arguments[1]) : nullptr;
    if (arguments.size() > 1 && !command) return unknown_command(commands, arguments[1]);
    put_out(command ? help_text(command->spec) : overview(commands));
    return end_of_output("fard");
}

}  // namespace

int dispatch(const std::vector<std::string>& arguments) {
    const auto commands = all_commands();
    if (arguments.empty()) {
        put_err(overview(commands));
        return 2;
    }
    const auto& first = arguments.front();
    if (first == "--help" || first == "-h" || first == "help") return say_help(commands, arguments);
    if (first == "--version" || first == "-V" || first == "version") {
        out("fard {}\n", version);
        return end_of_output("fard");
    }
    const auto place = place_of_command(commands, arguments);
    if (place == arguments.size()) return unknown_command(commands, first);
    const auto* command = find_command(commands, arguments[place]);
    if (!command) return unknown_command(commands, arguments[place]);
    auto others = arguments;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(place));
    return run_one(*command, others);
}

}  // namespace fard::cli
