#include "base/out_of_memory.hpp"
#include "base/process.hpp"
#include "cli/commands.hpp"

int main(int argc, char** argv) {
    fard::prepare_process();
    fard::raise_descriptor_limit();
    fard::end_when_out_of_memory("fard: there is not enough memory; free some, or raise the limit (ulimit -v)\n");
    return fard::cli::dispatch({argv + 1, argv + argc});
}
