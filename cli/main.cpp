#include <csignal>

#include "cli/commands.hpp"

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error of writing, not the end of us
    return fard::cli::dispatch({argv + 1, argv + argc});
}
