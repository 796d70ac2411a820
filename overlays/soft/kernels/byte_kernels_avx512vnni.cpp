#include "overlays/soft/kernels/byte_kernels_avx512vnni.hpp"

#include <immintrin.h>

#include <cstring>

#include "overlays/soft/kernels/affine_avx512.hpp"

#define FARD_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")))
#define FARD_VNNI_INLINE FARD_VNNI inline __attribute__((always_inline))

namespace fard::soft::avx512vnni {
namespace {

using namespace avx512;

// With four vectors a row, 28 of the 32 registers hold sums; four hold weights. The sizes of feature maps are often
// multiples of 7.
constexpr std::size_t most_rows = 7;

FARD_VNNI_INLINE __m512i broadcast4(const std::uint8_t* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm512_set1_epi32(four);
}

FARD_VNNI_INLINE __m512i broadcast_row_sum(const RowSum& row) {
    std::int32_t two;
    std::memcpy(&two, &row, sizeof two);
    return _mm512_set1_epi32(two);
}

// Ends the lives that the sums have in a loop: what becomes of them may take so many registers that the compiler would
// else store them to the stack within the loop.
template <std::size_t Rows, std::size_t Vectors>
FARD_VNNI_INLINE void keep_in_registers(__m512i (&sums)[Rows][Vectors]) {
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        FARD_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v)
        asm volatile("" : "+v"(sums[r][v]));
}

// The bytes that the runs leave over, one of each.
FARD_VNNI_INLINE __m512i broadcast_tails(const GemmBytes& job, const std::uint8_t* row) {
    const std::uint8_t* from = row + job.run_groups * 4;
    std::uint32_t four = 0;
    for (std::size_t run = 0; run < job.runs; ++run)
        four |= static_cast<std::uint32_t>(from[run * job.run_stride]) << (run * 8);
    return _mm512_set1_epi32(static_cast<int>(four));
}

template <std::size_t Rows, std::size_t Vectors>
FARD_VNNI_INLINE void add_tails(const GemmBytes& job, const std::uint8_t* const* rows,
                                const std::int8_t* weights, __m512i (&sums)[Rows][Vectors]) {
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        const __m512i x = broadcast_tails(job, rows[r]);
        FARD_UNROLL
        for (std::size_t v = 0; v < Vectors; ++v)
            sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], x, _mm512_loadu_si512(weights + v * 64));
    }
}

// What the sums begin with.
template <std::size_t Rows, std::size_t Vectors>
FARD_VNNI_INLINE void start(const GemmBytes& job, std::size_t first, __m512i (&sums)[Rows][Vectors]) {
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        FARD_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v)
        sums[r][v] = _mm512_setzero_si512();
    if (!job.row_sums) return;
    FARD_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v) {
        const __m512i factors = _mm512_loadu_si512(job.row_factors + v * vector_width);
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r)
            sums[r][v] = _mm512_dpwssd_epi32(sums[r][v], broadcast_row_sum(job.row_sums[first + r]), factors);
    }
}

// `first` is the number of the first row.
template <bool Tails, std::size_t Rows, std::size_t Vectors>
FARD_VNNI_INLINE void multiply(const GemmBytes& job, std::size_t first, __m512i (&sums)[Rows][Vectors]) {
    start(job, first, sums);
    const auto* rows = job.rows + first;
    const std::uint8_t* from[Rows];
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        from[r] = rows[r];
    const std::int8_t* weights = job.panel;
    for (std::size_t run = 0; run < job.runs; ++run) {
        for (std::size_t at = 0; at < job.run_groups * 4; at += 4, weights += Vectors * 64) {
            __m512i w[Vectors];
            FARD_UNROLL
            for (std::size_t v = 0; v < Vectors; ++v)
                w[v] = _mm512_loadu_si512(weights + v * 64);
            FARD_UNROLL
            for (std::size_t r = 0; r < Rows; ++r) {
                const __m512i x = broadcast4(from[r] + at);
                FARD_UNROLL
                for (std::size_t v = 0; v < Vectors; ++v)
                    sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], x, w[v]);
            }
        }
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r)
            from[r] += job.run_stride;
    }
    if constexpr (Tails) {
        keep_in_registers(sums);
        add_tails(job, rows, weights, sums);
    }
    keep_in_registers(sums);
}

// A function of its own: what becomes of these sums takes so many registers that the compiler would else store them
// within the loop that makes them.
template <bool Tails, std::size_t Rows, std::size_t Vectors>
FARD_VNNI __attribute__((noinline)) void multiply_to(const GemmBytes& job, std::size_t first, __m512i* to) {
    __m512i sums[Rows][Vectors];
    multiply<Tails>(job, first, sums);
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        FARD_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v)
        _mm512_store_si512(to + r * Vectors + v, sums[r][v]);
}

// A row by the exact form; and one whose sums have to be made again.
template <std::size_t Vectors>
FARD_VNNI_INLINE void store_exactly(const GemmBytes& job, std::size_t row, const __m512i (&sums)[Vectors]) {
    __m512i codes[4] = {};
    FARD_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v)
        codes[v] = round_exactly(sums[v], job.affine, v * 16);
    store_row({job.affine, job.lanes, job.out, job.out_stride, job.row_count}, row,
              pack_bytes(codes[0], codes[1], codes[2], codes[3], job.affine));
}
template <std::size_t Vectors>
FARD_VNNI __attribute__((noinline)) void store_exactly(const GemmBytes& job, std::size_t row) {
    __m512i sums[Vectors];
    if (job.tails)
        multiply_to<true, 1, Vectors>(job, row, sums);
    else
        multiply_to<false, 1, Vectors>(job, row, sums);
    store_exactly(job, row, sums);
}

enum Product { sums_wanted, bytes_wanted, exact_bytes_wanted, fixed_bytes_wanted, result_count };

// Returns a bit for each row that was not sure.
template <Product Wanted, std::size_t Rows, std::size_t Vectors>
FARD_VNNI_INLINE unsigned store_wanted(const Target& target, const __m512i (&sums)[Rows][Vectors]) {
    if constexpr (Wanted == fixed_bytes_wanted)
        return store_fixed(target, sums);
    else
        return store_bytes<Wanted == exact_bytes_wanted>(target, sums);
}

// `first` is the number of the tile's first row.
template <Product Wanted, bool Tails, std::size_t Rows, std::size_t Vectors>
FARD_VNNI void tile(const GemmBytes& job, std::size_t first) {
    __m512i sums[Rows][Vectors];
    multiply<Tails>(job, first, sums);
    if constexpr (Wanted == sums_wanted) {
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r)
            FARD_UNROLL
        for (std::size_t v = 0; v < Vectors; ++v)
            _mm512_storeu_si512(job.sums + (v * job.row_count + first + r) * vector_width, sums[r][v]);
        return;
    }
    const Target target{job.affine, job.lanes, job.out + first * job.out_stride, job.out_stride, Rows};
    unsigned unsure = store_wanted<Wanted>(target, sums);
    for (; unsure != 0; unsure &= unsure - 1)
        store_exactly<Vectors>(job, first + static_cast<std::size_t>(__builtin_ctz(unsure)));
}

using Tile = void (*)(const GemmBytes&, std::size_t);
template <Product Wanted, bool Tails, std::size_t Vectors>
constexpr Tile tiles_of[most_rows] = {tile<Wanted, Tails, 1, Vectors>, tile<Wanted, Tails, 2, Vectors>,
                                      tile<Wanted, Tails, 3, Vectors>, tile<Wanted, Tails, 4, Vectors>,
                                      tile<Wanted, Tails, 5, Vectors>, tile<Wanted, Tails, 6, Vectors>,
                                      tile<Wanted, Tails, 7, Vectors>};
template <Product Wanted, bool Tails>
constexpr const Tile* tiles_for[4] = {tiles_of<Wanted, Tails, 1>, tiles_of<Wanted, Tails, 2>,
                                      tiles_of<Wanted, Tails, 3>, tiles_of<Wanted, Tails, 4>};
constexpr const Tile* const* tiles[2][result_count] = {
    {tiles_for<sums_wanted, false>, tiles_for<bytes_wanted, false>, tiles_for<exact_bytes_wanted, false>,
     tiles_for<fixed_bytes_wanted, false>},
    {tiles_for<sums_wanted, true>, tiles_for<bytes_wanted, true>, tiles_for<exact_bytes_wanted, true>,
     tiles_for<fixed_bytes_wanted, true>}};

// Rows whose sums, [count][Vectors * 16], others made.
template <Product Wanted, std::size_t Vectors>
FARD_VNNI void finish_rows_of(const GemmBytes& job, std::size_t first, std::size_t count,
                              const std::int32_t* from) {
    for (auto row = first; row < first + count; ++row, from += Vectors * vector_width) {
        __m512i sums[1][Vectors];
        FARD_UNROLL
        for (std::size_t v = 0; v < Vectors; ++v)
            sums[0][v] = _mm512_load_si512(from + v * vector_width);
        const Target target{job.affine, job.lanes, job.out + row * job.out_stride, job.out_stride, 1};
        if (store_wanted<Wanted>(target, sums) != 0) store_exactly(job, row, sums[0]);
    }
}

using FinishRows = void (*)(const GemmBytes&, std::size_t, std::size_t, const std::int32_t*);
template <Product Wanted>
constexpr FinishRows finishers_for[4] = {finish_rows_of<Wanted, 1>, finish_rows_of<Wanted, 2>,
                                         finish_rows_of<Wanted, 3>, finish_rows_of<Wanted, 4>};
constexpr const FinishRows* finishers[result_count] = {nullptr, finishers_for<bytes_wanted>,
                                                       finishers_for<exact_bytes_wanted>,
                                                       finishers_for<fixed_bytes_wanted>};

Product wanted_by(const Affine& affine) {
    return affine.fixed_factors   ? fixed_bytes_wanted
           : affine.exact_factors ? exact_bytes_wanted
                                  : bytes_wanted;
}

// The sums of three rows from those of x and y (GemmTriples).
FARD_VNNI_INLINE void part(__m512i x, __m512i y, __m512i least, __m512i& a, __m512i& b, __m512i& c) {
    const __m512i above_least = _mm512_sub_epi32(_mm512_sub_epi32(x, _mm512_slli_epi32(y, 6)), least);
    const __m512i minus_b = _mm512_srai_epi32(above_least, 12);
    a = _mm512_add_epi32(_mm512_and_si512(above_least, _mm512_set1_epi32(4095)), least);
    b = _mm512_sub_epi32(_mm512_setzero_si512(), minus_b);
    c = _mm512_add_epi32(y, _mm512_slli_epi32(minus_b, 6));
}

// `sums`: of the packed rows of `count` triples; `first` is the number of the first.
template <std::size_t Vectors>
FARD_VNNI_INLINE void store_triples(const GemmTriples& job, std::size_t first, std::size_t count,
                                    const __m512i* sums) {
    for (std::size_t t = 0; t < count; ++t) {
        __m512i parts[triple_rows][Vectors];
        FARD_UNROLL
        for (std::size_t v = 0; v < Vectors; ++v)
            part(sums[t * 2 * Vectors + v], sums[(t * 2 + 1) * Vectors + v],
                 _mm512_loadu_si512(job.least + v * 16), parts[0][v], parts[1][v], parts[2][v]);
        const std::size_t row = (first + t) * triple_rows;
        store_bytes<false, triple_rows, Vectors>(
            {job.affine, job.lanes, job.out + row * job.out_stride, job.out_stride, job.row_count - row},
            parts);
    }
}

// `first` is the number of the first triple.
template <std::size_t Triples, std::size_t Vectors>
FARD_VNNI void triples_tile(const GemmTriples& job, std::size_t first) {
    const std::uint8_t* rows[Triples * packed_rows];
    FARD_UNROLL
    for (std::size_t r = 0; r < Triples * packed_rows; ++r)
        rows[r] = job.packed + (first * packed_rows + r) * job.groups * 4;
    const GemmBytes shape{rows, 0, 1, job.groups, 0, job.panel, job.lanes};
    __m512i sums[Triples * packed_rows * Vectors];
    multiply_to<false, Triples * packed_rows, Vectors>(shape, 0, sums);
    store_triples<Vectors>(job, first, Triples, sums);
}

template <std::size_t Vectors>
FARD_VNNI void finish_triples_of(const GemmTriples& job, std::size_t first, std::size_t count,
                                 const std::int32_t* sums) {
    store_triples<Vectors>(job, first, count, reinterpret_cast<const __m512i*>(sums));
}
using FinishTriples = void (*)(const GemmTriples&, std::size_t, std::size_t, const std::int32_t*);
constexpr FinishTriples triple_finishers[4] = {finish_triples_of<1>, finish_triples_of<2>,
                                               finish_triples_of<3>, finish_triples_of<4>};

using TriplesTile = void (*)(const GemmTriples&, std::size_t);
constexpr std::size_t most_triples = 3;
template <std::size_t Vectors>
constexpr TriplesTile triples_tiles_of[most_triples] = {triples_tile<1, Vectors>, triples_tile<2, Vectors>,
                                                        triples_tile<3, Vectors>};
constexpr const TriplesTile* triples_tiles[4] = {triples_tiles_of<1>, triples_tiles_of<2>,
                                                 triples_tiles_of<3>, triples_tiles_of<4>};

// Eight rows at a time: the bytes of each in eight parts.
FARD_VNNI_INLINE void add_bytes(const AddRows& job, const std::uint8_t* const* rows, std::size_t count,
                                __mmask64 last, __m512i (&sums)[8]) {
    const std::size_t whole = job.run_bytes / 64 * 64;
    const std::uint8_t* from[8];
    FARD_UNROLL
    for (std::size_t r = 0; r < 8; ++r) {
        from[r] = rows[r < count ? r : 0];
        sums[r] = _mm512_setzero_si512();
    }
    for (std::size_t run = 0; run < job.runs; ++run) {
        const std::size_t begin = run * job.run_stride;
        for (std::size_t i = begin; i < begin + whole; i += 64)
            FARD_UNROLL
        for (std::size_t r = 0; r < 8; ++r)
            sums[r] = _mm512_add_epi64(
                sums[r], _mm512_sad_epu8(_mm512_loadu_si512(from[r] + i), _mm512_setzero_si512()));
        if (last == 0) continue;
        FARD_UNROLL
        for (std::size_t r = 0; r < 8; ++r)
            sums[r] = _mm512_add_epi64(sums[r],
                                       _mm512_sad_epu8(_mm512_maskz_loadu_epi8(last, from[r] + begin + whole),
                                                       _mm512_setzero_si512()));
    }
}

// The sum of each vector's eight numbers, in the vectors' order.
FARD_VNNI_INLINE __m512i added_across(const __m512i (&sums)[8]) {
    __m512i pairs[4], fours[2];
    FARD_UNROLL
    for (std::size_t i = 0; i < 4; ++i)  // 2 i and 2 i + 1 side by side, four times
        pairs[i] = _mm512_add_epi64(_mm512_unpacklo_epi64(sums[i * 2], sums[i * 2 + 1]),
                                    _mm512_unpackhi_epi64(sums[i * 2], sums[i * 2 + 1]));
    FARD_UNROLL
    for (std::size_t i = 0; i < 2; ++i)
        fours[i] = _mm512_add_epi64(_mm512_shuffle_i64x2(pairs[i * 2], pairs[i * 2 + 1], 0b10001000),
                                    _mm512_shuffle_i64x2(pairs[i * 2], pairs[i * 2 + 1], 0b11011101));
    return _mm512_add_epi64(_mm512_shuffle_i64x2(fours[0], fours[1], 0b10001000),
                            _mm512_shuffle_i64x2(fours[0], fours[1], 0b11011101));
}

FARD_VNNI_INLINE void pack_run(const std::uint8_t* const (&rows)[triple_rows], std::size_t bytes,
                               std::uint8_t* x, std::uint8_t* y) {
    for (std::size_t i = 0; i < bytes; i += 64) {
        const __mmask64 mask = bytes - i >= 64 ? ~std::uint64_t{0} : ~std::uint64_t{0} >> (64 - (bytes - i));
        const __m512i a = _mm512_maskz_loadu_epi8(mask, rows[0] + i);
        const __m512i b = _mm512_maskz_loadu_epi8(mask, rows[1] + i);
        const __m512i c = _mm512_maskz_loadu_epi8(mask, rows[2] + i);
        // Two bits of each byte move to its top; none leaves it.
        _mm512_mask_storeu_epi8(x + i, mask, _mm512_or_si512(a, _mm512_slli_epi16(c, 6)));
        _mm512_mask_storeu_epi8(y + i, mask, _mm512_or_si512(c, _mm512_slli_epi16(b, 6)));
    }
}

}  // namespace

bool runs_here() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
}

// Tiles of nearly the same height: one of 7 and one of 1 would take longer than two of 4.
void gemm(const GemmBytes& job) {
    const auto wanted = job.sums ? sums_wanted : wanted_by(job.affine);
    const auto* heights = tiles[job.tails ? 1 : 0][wanted][vectors_of(job.lanes) - 1];
    const std::size_t count = (job.row_count + most_rows - 1) / most_rows;
    for (std::size_t i = 0, first = 0; i < count; ++i) {
        const std::size_t rows = job.row_count / count + (i < job.row_count % count ? 1 : 0);
        heights[rows - 1](job, first);
        first += rows;
    }
}

FARD_VNNI void add_row_sums(const GemmBytes& job, std::size_t first, std::size_t count, std::int32_t* sums,
                            std::size_t stride, std::size_t apart) {
    for (std::size_t v = 0; v < vectors_of(job.lanes); ++v) {
        const __m512i factors = _mm512_loadu_si512(job.row_factors + v * vector_width);
        for (std::size_t r = 0; r < count; ++r) {
            auto* at = sums + r * stride + v * apart;
            const __m512i row = broadcast_row_sum(job.row_sums[first + r]);
            _mm512_storeu_si512(at, _mm512_dpwssd_epi32(_mm512_loadu_si512(at), row, factors));
        }
    }
}

FARD_VNNI void add_rows(const AddRows& shared_job) {
    const AddRows job = shared_job;  // a copy of our own: sums stored may not change it
    const std::uint64_t rest = job.run_bytes % 64;
    const __mmask64 last = rest == 0 ? 0 : ~std::uint64_t{0} >> (64 - rest);
    const __m128i low_bits = _mm_cvtsi32_si128(job.low_bits);
    const __m512i low_mask = _mm512_set1_epi64((1 << job.low_bits) - 1);
    for (std::size_t first = 0; first < job.row_count; first += 8) {
        const auto count = job.row_count - first < 8 ? job.row_count - first : 8;
        __m512i parts[8];
        add_bytes(job, job.rows + first, count, last, parts);
        const __m512i sums = added_across(parts);
        const __m512i high = _mm512_slli_epi64(_mm512_srl_epi64(sums, low_bits), 16);
        const __m512i both = _mm512_or_si512(_mm512_and_si512(sums, low_mask), high);
        _mm256_mask_storeu_epi32(job.out + first, static_cast<__mmask8>(0xff >> (8 - count)),
                                 _mm512_cvtepi64_epi32(both));
    }
}

FARD_VNNI void pack_triples(const PackTriples& job) {
    const std::size_t run_bytes = job.run_groups * 4, row_bytes = job.runs * run_bytes;
    for (std::size_t first = 0; first < job.row_count; first += triple_rows) {
        std::uint8_t* x = job.packed + first / triple_rows * packed_rows * row_bytes;
        for (std::size_t run = 0; run < job.runs; ++run, x += run_bytes) {
            const std::uint8_t* rows[triple_rows];
            FARD_UNROLL
            for (std::size_t i = 0; i < triple_rows; ++i)
                rows[i] = job.rows[first + i < job.row_count ? first + i : job.row_count - 1] +
                          run * job.run_stride;
            pack_run(rows, run_bytes, x, x + row_bytes);
        }
    }
}

void gemm_triples(const GemmTriples& job) {
    const auto* sizes = triples_tiles[vectors_of(job.lanes) - 1];
    const std::size_t triples = (job.row_count + triple_rows - 1) / triple_rows;
    for (std::size_t first = 0; first < triples; first += most_triples)
        sizes[(triples - first < most_triples ? triples - first : most_triples) - 1](job, first);
}

void finish_rows(const GemmBytes& job, std::size_t first, std::size_t count, const std::int32_t* sums) {
    finishers[wanted_by(job.affine)][vectors_of(job.lanes) - 1](job, first, count, sums);
}

void finish_triples(const GemmTriples& job, std::size_t first, std::size_t count, const std::int32_t* sums) {
    triple_finishers[vectors_of(job.lanes) - 1](job, first, count, sums);
}

}  // namespace fard::soft::avx512vnni
