#include "overlays/soft/byte_kernels_avx512vnni.hpp"

#include <immintrin.h>

#include <cstring>

#define FARD_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")))
#define FARD_VNNI_INLINE FARD_VNNI inline __attribute__((always_inline))

namespace fard::soft::avx512vnni {
namespace {

// With four vectors a row, 28 of the 32 registers hold sums; four hold weights. The sizes of feature maps are often
// multiples of 7.
constexpr std::size_t most_rows = 7;

FARD_VNNI_INLINE __m512i broadcast4(const std::uint8_t* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm512_set1_epi32(four);
}

template <std::size_t Rows, std::size_t Vectors>
FARD_VNNI_INLINE void multiply(const GemmBytes& job, const std::uint8_t* const* rows,
                               __m512i (&sums)[Rows][Vectors]) {
    for (std::size_t r = 0; r < Rows; ++r)
        for (std::size_t v = 0; v < Vectors; ++v)
            sums[r][v] = _mm512_setzero_si512();
    const std::uint8_t* from[Rows];
    for (std::size_t r = 0; r < Rows; ++r)
        from[r] = rows[r];
    const std::int8_t* weights = job.panel;
    for (std::size_t run = 0; run < job.runs; ++run) {
        for (std::size_t at = 0; at < job.run_groups * 4; at += 4, weights += Vectors * 64) {
            __m512i w[Vectors];
            for (std::size_t v = 0; v < Vectors; ++v)
                w[v] = _mm512_loadu_si512(weights + v * 64);
            for (std::size_t r = 0; r < Rows; ++r) {
                const __m512i x = broadcast4(from[r] + at);
                for (std::size_t v = 0; v < Vectors; ++v)
                    sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], x, w[v]);
            }
        }
        for (std::size_t r = 0; r < Rows; ++r)
            from[r] += job.run_stride;
    }
}

FARD_VNNI_INLINE __m512i round_affine(__m512i sums, __m512 factors, __m512 offsets) {
    return _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), factors, offsets));
}

// Four vectors of codes, already rounded, to 64 bytes; in each 128-bit part the bytes of a, b, c, d follow each other.
FARD_VNNI_INLINE __m512i pack_bytes(__m512i a, __m512i b, __m512i c, __m512i d, const Affine& affine) {
    const __m512i zero = _mm512_set1_epi16(affine.zero);
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
    const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero);
    const __m512i bytes =
        _mm512_max_epu8(_mm512_packus_epi16(low, high), _mm512_set1_epi8(static_cast<char>(affine.low)));
    return _mm512_min_epu8(bytes, _mm512_set1_epi8(static_cast<char>(affine.high)));
}

template <std::size_t Rows, std::size_t Vectors>
FARD_VNNI_INLINE void store_bytes(const GemmBytes& job, const __m512i (&sums)[Rows][Vectors],
                                  std::uint8_t* out) {
    __m512 factors[Vectors], offsets[Vectors];
    for (std::size_t v = 0; v < Vectors; ++v) {
        factors[v] = _mm512_loadu_ps(job.affine.factors + v * 16);
        offsets[v] = _mm512_loadu_ps(job.affine.offsets + v * 16);
    }
    const __mmask64 mask = ~std::uint64_t{0} >> (64 - job.lanes);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for (std::size_t r = 0; r < Rows; ++r) {
        __m512i codes[4] = {};
        for (std::size_t v = 0; v < Vectors; ++v)
            codes[v] = round_affine(sums[r][v], factors[v], offsets[v]);
        const __m512i bytes = pack_bytes(codes[0], codes[1], codes[2], codes[3], job.affine);
        _mm512_mask_storeu_epi8(out + r * job.out_stride, mask, _mm512_permutexvar_epi32(order, bytes));
    }
}

// `first` is the number of the tile's first row.
template <std::size_t Rows, std::size_t Vectors>
FARD_VNNI void tile(const GemmBytes& job, std::size_t first) {
    __m512i sums[Rows][Vectors];
    multiply(job, job.rows + first, sums);
    if (!job.sums) return store_bytes(job, sums, job.out + first * job.out_stride);
    for (std::size_t r = 0; r < Rows; ++r)
        for (std::size_t v = 0; v < Vectors; ++v)
            _mm512_storeu_si512(job.sums + (v * job.row_count + first + r) * vector_width, sums[r][v]);
}

using Tile = void (*)(const GemmBytes&, std::size_t);
template <std::size_t Vectors>
constexpr Tile tiles_of[most_rows] = {tile<1, Vectors>, tile<2, Vectors>, tile<3, Vectors>, tile<4, Vectors>,
                                      tile<5, Vectors>, tile<6, Vectors>, tile<7, Vectors>};
constexpr const Tile* tiles[4] = {tiles_of<1>, tiles_of<2>, tiles_of<3>, tiles_of<4>};

}  // namespace

bool runs_here() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
}

// Tiles of nearly the same height: one of 7 and one of 1 would take longer than two of 4.
void gemm(const GemmBytes& job) {
    const auto* heights = tiles[vectors_of(job.lanes) - 1];
    const std::size_t count = (job.row_count + most_rows - 1) / most_rows;
    for (std::size_t i = 0, first = 0; i < count; ++i) {
        const std::size_t rows = job.row_count / count + (i < job.row_count % count ? 1 : 0);
        heights[rows - 1](job, first);
        first += rows;
    }
}

}  // namespace fard::soft::avx512vnni
