#include "tests/fakes/allocations.hpp"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace fard::test {

namespace {

std::atomic<std::size_t> count{0}, live{0}, peak{0};

void* counted(std::size_t bytes, std::size_t alignment) {
    bytes = std::max<std::size_t>(bytes, 1);
    void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
    ++count;
    const auto now = live += malloc_usable_size(memory);
    auto most = peak.load();
    while (now > most && !peak.compare_exchange_weak(most, now)) {
    }
    return memory;
}

void uncounted(void* memory) {
    if (memory != nullptr) live -= malloc_usable_size(memory);
    std::free(memory);
}

}  // namespace

const bool counts_allocations = true;

std::size_t allocations() {
    return count;
}
std::size_t live_bytes() {
    return live;
}
std::size_t peak_bytes() {
    return peak;
}
void reset_peak() {
    peak = live.load();
}

}  // namespace fard::test

void* operator new(std::size_t bytes) {
    return fard::test::counted(bytes, alignof(std::max_align_t));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return fard::test::counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    fard::test::uncounted(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    fard::test::uncounted(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    fard::test::uncounted(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    fard::test::uncounted(memory);
}
