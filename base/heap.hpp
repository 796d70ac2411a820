// Memory for something large that is about to be read.
#pragma once

#include <cstddef>

namespace fard {

// The next `bytes` that this process allocates lie in large pages, where the system has such and gives them, and from now on what is
// freed is kept for what comes: a page that is new takes longer than what is read into it. For commands that end soon. Called before
// any other thread is started. Does nothing with another C library than glibc, or where there is not so much memory.
void expect_memory(std::size_t bytes);

}  // namespace fard
