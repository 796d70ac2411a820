#include "base/heap.hpp"

#include <cstdlib>

#if defined(__GLIBC__)
#include <malloc.h>
#include <sys/mman.h>

#include <climits>
#include <cstdint>
#endif

namespace fard {

#if defined(__GLIBC__)
void expect_memory(std::size_t bytes) {
    constexpr std::size_t page = std::size_t{1} << 21;
    ::mallopt(M_MMAP_THRESHOLD, INT_MAX);
    ::mallopt(M_TRIM_THRESHOLD, INT_MAX);
    ::mallopt(M_MXFAST, 0);  // what is kept for small requests is gone through each time that something large is freed
    void* const heap = std::malloc(bytes);
    if (heap == nullptr) return;
    const auto first = (reinterpret_cast<std::uintptr_t>(heap) + page - 1) / page * page;
    const auto end = (reinterpret_cast<std::uintptr_t>(heap) + bytes) / page * page;
    if (first < end) ::madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
    std::free(heap);  // it is the heap's end, of which nothing is given back
}
#else
void expect_memory(std::size_t) {}
#endif

}  // namespace fard
