#include <doctest/doctest.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "base/heap.hpp"

using namespace fard;

#if defined(__GLIBC__)
TEST_CASE("memory that is expected is there, and what is freed is kept") {
    constexpr std::size_t bytes = std::size_t{64} << 20;
    if (::mallinfo2().arena == 0) return;  // another allocator stands in for the C library's
    expect_memory(bytes);
    CHECK(::mallinfo2().keepcost >= bytes);
    const auto before = ::mallinfo2();
    auto* const taken = ::malloc(bytes / 2);
    ::free(taken);
    CHECK(::mallinfo2().arena == before.arena);
    CHECK(::mallinfo2().hblkhd == before.hblkhd);
}
#endif
