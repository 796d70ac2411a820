// Two ways to multiply u8 by s8: in 16 bits (vpmaddubsw), where the compiler of plans proved that some groups' products fit
// (GemmBytes::narrow_groups), else widened to 16 bits and added to 32 (vpmaddwd).
#include "overlays/soft/kernels/byte_kernels_avx2.hpp"

#include <algorithm>

#include "overlays/soft/kernels/affine_avx2.hpp"
#include "overlays/soft/kernels/pack_triples.hpp"

namespace fard::soft::avx2 {
namespace {

// Sixteen channels of a panel, and the rows' shape as in GemmBytes.
struct PanelPart {
    std::size_t runs, run_groups, run_stride;
    const std::int8_t* weights;  // of the first group
    std::size_t group_bytes;     // from one group to the next
    std::size_t narrow_groups;
};

// Sums of 16 bits, two for each channel, are added up before they could leave them.
template <std::size_t Rows>
FARD_AVX2_INLINE void flush(__m256i (&sums)[Rows][2], std::int32_t* to) {
    const __m256i ones = _mm256_set1_epi16(1);
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        FARD_UNROLL
    for (std::size_t half = 0; half < 2; ++half) {
        auto* place = to + r * vector_width + half * 8;
        store(place, _mm256_add_epi32(load(place), _mm256_madd_epi16(sums[r][half], ones)));
        sums[r][half] = _mm256_setzero_si256();
    }
}

template <std::size_t Rows>
FARD_AVX2 void narrow_tile(const PanelPart& part, const std::uint8_t* const* rows, std::int32_t* to) {
    std::fill_n(to, Rows * vector_width, 0);
    __m256i sums[Rows][2];
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    const std::int8_t* weights = part.weights;
    std::size_t left = part.narrow_groups;
    for (std::size_t run = 0; run < part.runs; ++run)
        for (std::size_t g = 0; g < part.run_groups;) {
            const auto end = std::min(part.run_groups, g + left);
            left -= end - g;
            for (; g < end; ++g, weights += part.group_bytes) {
                const __m256i low = load(weights), high = load(weights + 32);
                FARD_UNROLL
                for (std::size_t r = 0; r < Rows; ++r) {
                    const __m256i x = broadcast4(rows[r] + run * part.run_stride + g * 4);
                    sums[r][0] = _mm256_add_epi16(sums[r][0], _mm256_maddubs_epi16(x, low));
                    sums[r][1] = _mm256_add_epi16(sums[r][1], _mm256_maddubs_epi16(x, high));
                }
            }
            if (left > 0) continue;
            flush(sums, to);
            left = part.narrow_groups;
        }
    flush(sums, to);
}

// Two sums of 32 bits for each of four channels in each vector.
template <std::size_t Rows>
FARD_AVX2 void wide_tile(const PanelPart& part, const std::uint8_t* const* rows, std::int32_t* to) {
    __m256i sums[Rows][4];
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        FARD_UNROLL
    for (std::size_t i = 0; i < 4; ++i)
        sums[r][i] = _mm256_setzero_si256();
    const std::int8_t* weights = part.weights;
    for (std::size_t run = 0; run < part.runs; ++run)
        for (std::size_t g = 0; g < part.run_groups; ++g, weights += part.group_bytes) {
            __m256i x[Rows];
            FARD_UNROLL
            for (std::size_t r = 0; r < Rows; ++r)
                x[r] = _mm256_cvtepu8_epi16(
                    _mm_broadcastd_epi32(_mm_loadu_si32(rows[r] + run * part.run_stride + g * 4)));
            FARD_UNROLL
            for (std::size_t i = 0; i < 4; ++i) {
                const __m256i w = _mm256_cvtepi8_epi16(load_half(weights + i * 16));
                FARD_UNROLL
                for (std::size_t r = 0; r < Rows; ++r)
                    sums[r][i] = _mm256_add_epi32(sums[r][i], _mm256_madd_epi16(x[r], w));
            }
        }
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        FARD_UNROLL
    for (std::size_t i = 0; i < 4; i += 2)
        store(to + r * vector_width + i * 4,
              _mm256_permute4x64_epi64(_mm256_hadd_epi32(sums[r][i], sums[r][i + 1]), 0b11011000));
}

constexpr std::size_t narrow_rows = 4, wide_rows = 3, most_rows = narrow_rows;

using Tile = void (*)(const PanelPart&, const std::uint8_t* const*, std::int32_t*);
constexpr Tile narrow_tiles[narrow_rows] = {narrow_tile<1>, narrow_tile<2>, narrow_tile<3>, narrow_tile<4>};
constexpr Tile wide_tiles[wide_rows] = {wide_tile<1>, wide_tile<2>, wide_tile<3>};

// Any number of rows: `to` is [count][16].
void multiply(const PanelPart& part, const std::uint8_t* const* rows, std::size_t count, std::int32_t* to) {
    const bool narrow = part.narrow_groups > 0;
    const auto* tiles = narrow ? narrow_tiles : wide_tiles;
    for (const auto most = narrow ? narrow_rows : wide_rows; count > 0;) {
        const auto some = std::min(count, most);
        tiles[some - 1](part, rows, to);
        rows += some, to += some * vector_width, count -= some;
    }
}

// `factors`: of these 16 channels.
FARD_AVX2 void add_row_sums(const RowSum* rows, const std::int16_t (*factors)[2], std::size_t count,
                            std::int32_t* sums) {
    const __m256i low = load(factors), high = load(factors + 8);
    for (std::size_t r = 0; r < count; ++r, sums += vector_width) {
        const __m256i row = broadcast4(rows + r);
        store(sums, _mm256_add_epi32(load(sums), _mm256_madd_epi16(row, low)));
        store(sums + 8, _mm256_add_epi32(load(sums + 8), _mm256_madd_epi16(row, high)));
    }
}

template <bool Exact>
FARD_AVX2 void store_rows(const Affine& affine, std::size_t lane, const std::int32_t* sums, std::size_t count,
                          std::uint8_t* out, std::size_t out_stride, std::size_t lanes) {
    for (; count > 0; --count, sums += vector_width, out += out_stride)
        store_codes<Exact>(affine, lane, sums, out, lanes);
}

// The sums of three rows from those of x and y (GemmTriples).
FARD_AVX2 void part_triple(const std::int32_t* sums, const std::int32_t* least, std::int32_t* to) {
    for (std::size_t n = 0; n < vector_width; n += 8) {
        const __m256i x = load(sums + n), y = load(sums + vector_width + n), smallest = load(least + n);
        const __m256i above_least = _mm256_sub_epi32(_mm256_sub_epi32(x, _mm256_slli_epi32(y, 6)), smallest);
        const __m256i minus_b = _mm256_srai_epi32(above_least, 12);
        store(to + n, _mm256_add_epi32(_mm256_and_si256(above_least, _mm256_set1_epi32(4095)), smallest));
        store(to + vector_width + n, _mm256_sub_epi32(_mm256_setzero_si256(), minus_b));
        store(to + 2 * vector_width + n, _mm256_add_epi32(y, _mm256_slli_epi32(minus_b, 6)));
    }
}

FARD_AVX2 void pack_run(const std::uint8_t* const (&rows)[triple_rows], std::size_t bytes, std::uint8_t* x,
                        std::uint8_t* y) {
    std::size_t i = 0;
    for (; i + 32 <= bytes; i += 32) {
        const __m256i a = load(rows[0] + i), b = load(rows[1] + i), c = load(rows[2] + i);
        // Two bits of each byte move to its top; none leaves it.
        store(x + i, _mm256_or_si256(a, _mm256_slli_epi16(c, 6)));
        store(y + i, _mm256_or_si256(c, _mm256_slli_epi16(b, 6)));
    }
    for (; i < bytes; ++i) {
        const auto a = rows[0][i], b = rows[1][i], c = rows[2][i];  // read before a byte is stored
        x[i] = static_cast<std::uint8_t>(a | c << 6);
        y[i] = static_cast<std::uint8_t>(c | b << 6);
    }
}

// From 32 - n on: n bytes that count, and 32 - n that do not.
constexpr struct Masks {
    std::uint8_t bytes[64] = {};
    constexpr Masks() {
        for (int i = 0; i < 32; ++i)
            bytes[i] = 255;
    }
    constexpr const std::uint8_t* operator+(std::size_t at) const { return bytes + at; }
} masks;

constexpr std::size_t block_rows = 12;  // of sums that are kept until they become codes
static_assert(block_rows % most_rows == 0 && block_rows % wide_rows == 0 && block_rows % packed_rows == 0);

}  // namespace

void gemm(const GemmBytes& job) {
    const auto finish = job.affine.exact_factors ? store_rows<true> : store_rows<false>;
    const auto vectors = vectors_of(job.lanes);
    for (std::size_t v = 0; v < vectors; ++v) {
        const PanelPart part{job.runs,           job.run_groups, job.run_stride,
                             job.panel + v * 64, vectors * 64,   job.narrow_groups};
        const auto lane = v * vector_width;
        if (job.sums) {
            multiply(part, job.rows, job.row_count, job.sums + lane * job.row_count);
            if (job.row_sums)
                add_row_sums(job.row_sums, job.row_factors + lane, job.row_count,
                             job.sums + lane * job.row_count);
            continue;
        }
        std::int32_t sums[block_rows * vector_width];
        for (std::size_t first = 0; first < job.row_count; first += block_rows) {
            const auto count = std::min(block_rows, job.row_count - first);
            multiply(part, job.rows + first, count, sums);
            if (job.row_sums) add_row_sums(job.row_sums + first, job.row_factors + lane, count, sums);
            finish(job.affine, lane, sums, count, job.out + first * job.out_stride + lane, job.out_stride,
                   std::min(job.lanes - lane, vector_width));
        }
    }
}

void pack_triples(const PackTriples& job) {
    pack_triples_by_runs<pack_run>(job);
}

void gemm_triples(const GemmTriples& job) {
    const auto vectors = vectors_of(job.lanes), row_bytes = job.groups * 4;
    const auto packed_count = (job.row_count + triple_rows - 1) / triple_rows * packed_rows;
    for (std::size_t v = 0; v < vectors; ++v) {
        const PanelPart part{1, job.groups, row_bytes, job.panel + v * 64, vectors * 64, job.narrow_groups};
        const auto lane = v * vector_width, lanes = std::min(job.lanes - lane, vector_width);
        for (std::size_t first = 0; first < packed_count; first += block_rows) {
            const auto count = std::min(block_rows, packed_count - first);
            const std::uint8_t* rows[block_rows];
            for (std::size_t r = 0; r < count; ++r)
                rows[r] = job.packed + (first + r) * row_bytes;
            std::int32_t sums[block_rows * vector_width], three[triple_rows * vector_width];
            multiply(part, rows, count, sums);
            for (std::size_t r = 0; r < count; r += packed_rows) {
                part_triple(sums + r * vector_width, job.least + lane, three);
                const auto row = (first + r) / packed_rows * triple_rows;
                store_rows<false>(job.affine, lane, three, std::min(triple_rows, job.row_count - row),
                                  job.out + row * job.out_stride + lane, job.out_stride, lanes);
            }
        }
    }
}

FARD_AVX2 void add_rows(const AddRows& job) {
    const __m256i last = load(masks + 32 - job.run_bytes % 32);
    for (std::size_t r = 0; r < job.row_count; ++r) {
        __m256i sums = _mm256_setzero_si256();
        for (std::size_t run = 0; run < job.runs; ++run) {
            const auto* from = job.rows[r] + run * job.run_stride;
            std::size_t i = 0;
            for (; i + 32 <= job.run_bytes; i += 32)
                sums = _mm256_add_epi64(sums, _mm256_sad_epu8(load(from + i), _mm256_setzero_si256()));
            if (i < job.run_bytes)
                sums = _mm256_add_epi64(
                    sums, _mm256_sad_epu8(_mm256_and_si256(load(from + i), last), _mm256_setzero_si256()));
        }
        const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
        const auto sum =
            static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_add_epi64(half, _mm_srli_si128(half, 8))));
        job.out[r] = {static_cast<std::int16_t>(sum & ((1U << job.low_bits) - 1)),
                      static_cast<std::int16_t>(sum >> job.low_bits)};
    }
}

void finish16(const Finish16& job) {
    const auto finish = job.affine.exact_factors ? store_rows<true> : store_rows<false>;
    finish(job.affine, 0, job.sums, job.rows, job.out, job.out_stride, job.lanes);
}

}  // namespace fard::soft::avx2
