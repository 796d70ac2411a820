// Two threads on one chunk at a time, beside two processes of one thread each.
#pragma once

#include <filesystem>

#include "base/result.hpp"
#include "overlays/soft/kernels/kernels.hpp"

namespace fard::bench {

struct TwoThreads {
    double threads = 0;    // chunks a second of one plan with two threads
    double processes = 0;  // of two processes with one thread, together
};
// Medians of `rounds` turns of each, half a second long. Call it while this process has one thread.
Result<TwoThreads> measure_two(const std::filesystem::path& file, const soft::Kernels& kernels, int rounds);

}  // namespace fard::bench
