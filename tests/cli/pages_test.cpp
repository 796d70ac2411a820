// The commands of the manual's walks, as they stand there.
#include <doctest/doctest.h>
#include <signal.h>

#include <sstream>

#include "tests/e2e/harness.hpp"

using namespace fard::e2e;
using namespace std::chrono_literals;

namespace {

// All ```sh blocks of a page as one script.
std::string commands_of(const fs::path& page) {
    std::istringstream lines(read_file(page));
    std::string script;
    bool inside = false;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("```")) {
            inside = line == "```sh";
            continue;
        }
        if (inside) script += line + "\n";
    }
    return script;
}

Outcome run(const World& world, const fs::path& page) {
    const auto script = "set -eum\nexport PATH=" + (build_root() / "cli").string() + ":" +
                        (build_root() / "runtime/node_manager").string() + ":$PATH\n" + commands_of(page);
    return Background({"/bin/bash", "-c", script},
                      {{"XDG_RUNTIME_DIR", world.directory().string()},
                       {"HOME", world.files().path().string()},
                       {"FARD_NODE", ""}},
                      source_root())
        .wait(10min);
}

}  // namespace

TEST_CASE("docs/first-hour.md") {
    const World world;
    const auto outcome = run(world, source_root() / "docs" / "first-hour.md");
    CHECK_MESSAGE(outcome.exit_code == 0, outcome.out << outcome.err);
    CHECK(outcome.out.find("mine: 40 of 40 results") != std::string::npos);
    CHECK(world.node_managers().empty());
}

TEST_CASE("docs/three-boards.md") {
    const World world;
    const auto outcome = run(world, source_root() / "docs" / "three-boards.md");
    CHECK_MESSAGE(outcome.exit_code == 0, outcome.out << outcome.err);
    CHECK(outcome.out.find("cluster lab, 3 boards") != std::string::npos);
    CHECK_MESSAGE(outcome.out.find("'first' on zed3") != std::string::npos, outcome.out);
    for (const auto pid : world.node_managers())
        kill(pid, SIGKILL);
}
