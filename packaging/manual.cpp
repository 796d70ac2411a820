#include "packaging/manual.hpp"

namespace fard {
namespace {

// Text as groff wants it: no line that starts with a control character; '-' is a hyphen unless it is escaped.
std::string roff(const std::string& text) {
    std::string out;
    for (const char letter : text) {
        const bool starts_line = out.empty() || out.back() == '\n';
        if (starts_line && (letter == '.' || letter == '\'')) out += "\\&";
        if (letter == '\\')
            out += "\\e";
        else if (letter == '-')
            out += "\\-";
        else
            out += letter;
    }
    return out;
}

std::string heading(const std::string& name, int section, const std::string& version,
                    const std::string& what) {
    return fmt::format(".TH {} {} \"\" \"fard {}\"\n.SH NAME\n{} \\- {}\n", name, section, version, name,
                       roff(what));
}

std::string entry(const std::string& option, const std::string& argument, const std::string& help) {
    const auto value = argument.empty() ? "" : " \\fI" + roff(argument) + "\\fR";
    return fmt::format(".TP\n\\fB\\-\\-{}\\fR{}\n{}\n", roff(option), value, roff(help));
}

std::string usage(const cli::CommandSpec& command) {
    auto line = "\\fBfard " + roff(command.name) + "\\fR";
    for (const auto& argument : command.positional)
        line += " \\fI" + roff(argument) + "\\fR";
    return line + " [\\fIoptions\\fR]";
}

// A completion function for `program`: `words` is shell code that sets `words` to what there is to choose from.
std::string completion(const std::string& program, const std::string& words) {
    return fmt::format(
        "# bash completion of {0}, made of its option table\n"
        "_{0}() {{\n"
        "    local word=${{COMP_WORDS[COMP_CWORD]}} words=\"\"\n"
        "{1}"
        "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
        "}}\n"
        "complete -o default -F _{0} {0}\n",
        program, words);
}

}  // namespace

std::string fard_page(const std::vector<cli::CommandSpec>& commands, const std::string& version) {
    auto page = heading("fard", 1, version, "run one neural network on several boards as if they were one");
    page +=
        ".SH SYNOPSIS\n\\fBfard\\fR \\fICOMMAND\\fR [\\fIarguments\\fR]\n"
        ".SH DESCRIPTION\nResults go to standard output, everything else to standard error.\n"
        ".SH COMMANDS\n";
    for (const auto& command : commands) {
        page += fmt::format(".SS {}\n{}\n", usage(command), roff(command.summary));
        for (const auto& option : command.options)
            page += entry(option.name, option.argument, option.help);
    }
    return page +
           ".SH EXIT STATUS\n"
           ".TP\n0\ndone\n"
           ".TP\n1\nthe run failed, was cancelled or interrupted, or the cluster refused it\n"
           ".TP\n2\nwrong usage or input; nothing was started\n"
           ".TP\n3\nnobody to talk to\n"
           ".SH ENVIRONMENT\n"
           ".TP\nFARD_NODE\nthe node manager to talk to, as with \\-\\-node\n"
           ".TP\nFARD_LIBEXEC\nthe directory of the program fardd, where it is neither beside fard nor on "
           "the PATH\n"
           ".SH SEE ALSO\n.BR fardd (8)\n";
}

std::string fardd_page(const std::vector<ConfigKey>& keys, const std::string& version) {
    auto page = heading("fardd", 8, version, "the node manager that runs on every board of a fard cluster");
    page +=
        ".SH SYNOPSIS\n\\fBfardd\\fR [\\fB\\-\\-config\\fR \\fIFILE\\fR] [\\fIoptions\\fR]\n"
        ".SH OPTIONS\nEach one is a key of the file too, where `_' stands for `\\-'. Options go before the "
        "file.\n";
    page += entry("config", "FILE", "a TOML file with the keys below");
    for (const auto& key : keys)
        page += entry(key.option(), key.placeholder, key.help);
    return page +
           ".SH EXIT STATUS\n"
           ".TP\n0\nstopped in order\n"
           ".TP\n1\nit could not start\n"
           ".TP\n2\na wrong option, a wrong configuration file, or a state directory that others can reach\n"
           ".SH SEE ALSO\n.BR fard (1)\n";
}

std::string fard_completion(const std::vector<cli::CommandSpec>& commands) {
    std::string names, cases;
    for (const auto& command : commands) {
        std::string options = "--help";
        for (const auto& option : command.options)
            options += " --" + option.name;
        names += command.name + " ";
        cases += fmt::format("            {}) words=\"{}\" ;;\n", command.name, options);
    }
    return completion("fard", fmt::format("    if ((COMP_CWORD == 1)); then\n"
                                          "        words=\"{}--help --version\"\n"
                                          "    elif [[ $word == -* ]]; then\n"
                                          "        case ${{COMP_WORDS[1]}} in\n{}        esac\n"
                                          "    fi\n",
                                          names, cases));
}

std::string fardd_completion(const std::vector<ConfigKey>& keys) {
    std::string options = "--config --help --version";
    for (const auto& key : keys)
        options += " --" + key.option();
    return completion("fardd", fmt::format("    [[ $word == -* ]] && words=\"{}\"\n", options));
}

}  // namespace fard
