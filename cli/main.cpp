#include "base/process.hpp"
#include "cli/commands.hpp"

int main(int argc, char** argv) {
    fard::prepare_process();
    return fard::cli::dispatch({argv + 1, argv + argc});
}
