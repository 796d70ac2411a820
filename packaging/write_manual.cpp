// Writes the man pages and completions into a directory: write_manual DIRECTORY
#include <cstdio>
#include <fstream>

#include "cli/commands.hpp"
#include "cli/version.hpp"
#include "packaging/manual.hpp"

int main(int argc, char** argv) {
    if (argc != 2) return fmt::print(stderr, "usage: write_manual DIRECTORY\n"), 2;
    std::vector<fard::cli::CommandSpec> commands;
    for (const auto& command : fard::cli::all_commands())
        commands.push_back(command.spec);
    const auto& keys = fard::config_keys();
    const std::string version = fard::cli::version;
    const std::pair<const char*, std::string> files[] = {
        {"fard.1", fard::fard_page(commands, version)},
        {"fardd.8", fard::fardd_page(keys, version)},
        {"fard", fard::fard_completion(commands)},
        {"fardd", fard::fardd_completion(keys)},
    };
    for (const auto& [name, text] : files) {
        std::ofstream out(std::string(argv[1]) + "/" + name, std::ios::binary);
        if (!(out << text).flush()) return fmt::print(stderr, "cannot write {}/{}\n", argv[1], name), 1;
    }
    return 0;
}
