// What the real AMX row does with its tiles' sums, for the tests' emulation of it; on other processors nothing runs.
#pragma once

#if defined(__x86_64__)
#include "overlays/soft/kernels/byte_kernels_avx512vnni.hpp"
#else
#include "overlays/soft/kernels/byte_kernels.hpp"
#endif

namespace fard::soft::test {

#if defined(__x86_64__)
inline bool vector_finish_runs_here() {
    return avx512vnni::runs_here();
}
struct VectorFinish {
    static constexpr auto rows = avx512vnni::finish_rows;
    static constexpr auto add_row_sums = avx512vnni::add_row_sums;
    static constexpr auto triples = avx512vnni::finish_triples;
};
#else
inline bool vector_finish_runs_here() {
    return false;
}
struct VectorFinish {
    static void rows(const GemmBytes&, std::size_t, std::size_t, const std::int32_t*) {}
    static void add_row_sums(const GemmBytes&, std::size_t, std::size_t, std::int32_t*, std::size_t,
                             std::size_t) {}
    static void triples(const GemmTriples&, std::size_t, std::size_t, const std::int32_t*) {}
};
#endif

}  // namespace fard::soft::test
