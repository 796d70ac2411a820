// What the program has from operator new. Linking this replaces operator new, so every allocation is counted; in builds
// with a sanitizer, which has an operator new of its own, none is (counts_allocations is false, and the counts stay 0).
#pragma once

#include <cstddef>

namespace fard::test {

extern const bool counts_allocations;

std::size_t allocations();  // since the start
std::size_t live_bytes();
std::size_t peak_bytes();  // of live_bytes, since the last reset_peak()
void reset_peak();

}  // namespace fard::test
