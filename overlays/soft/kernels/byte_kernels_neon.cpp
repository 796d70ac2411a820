// ByteKernels for every NEON: bytes are widened to 16 bits, whose products are added to 32.
#include "overlays/soft/kernels/kernels_neon.hpp"
#include "overlays/soft/kernels/neon.hpp"
#include "overlays/soft/kernels/pack_triples.hpp"

#define FARD_GEMM FARD_NEON
#include "overlays/soft/kernels/neon_gemm.hpp"

namespace fard::soft::neon {
namespace {

struct Widened {
    // Four registers of sums a row, of 16 (32 bits) or 32; weights take four.
    static constexpr std::size_t most_rows = always_watches ? 2 : 4;
    static constexpr bool takes_signed = false;

    FARD_NEON_INLINE static int16x4_t four(const std::uint8_t* from) {
        std::uint32_t bytes;
        std::memcpy(&bytes, from, sizeof bytes);
        return vreinterpret_s16_u16(vget_low_u16(vmovl_u8(vcreate_u8(bytes))));
    }

    // The k-th of the four.
    template <int K, std::size_t Rows>
    FARD_NEON_INLINE static void add(const int16x4_t (&x)[Rows], int8x16_t weights,
                                     int32x4_t (&sums)[Rows][quads]) {
        const int16x8_t low = vmovl_s8(vget_low_s8(weights)), high = vmovl_s8(vget_high_s8(weights));
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r) {
            sums[r][0] = vmlal_lane_s16(sums[r][0], vget_low_s16(low), x[r], K);
            sums[r][1] = vmlal_lane_s16(sums[r][1], vget_high_s16(low), x[r], K);
            sums[r][2] = vmlal_lane_s16(sums[r][2], vget_low_s16(high), x[r], K);
            sums[r][3] = vmlal_lane_s16(sums[r][3], vget_high_s16(high), x[r], K);
        }
    }

    template <std::size_t Rows>
    FARD_NEON_INLINE static void group(const std::uint8_t* const (&from)[Rows], const std::int8_t* weights,
                                       int32x4_t (&sums)[Rows][quads]) {
        const int8x16x4_t w = vld4q_s8(weights);
        int16x4_t x[Rows];
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r)
            x[r] = four(from[r]);
        add<0>(x, w.val[0], sums);
        add<1>(x, w.val[1], sums);
        add<2>(x, w.val[2], sums);
        add<3>(x, w.val[3], sums);
    }
};

FARD_NEON void pack_run(const std::uint8_t* const (&rows)[triple_rows], std::size_t bytes, std::uint8_t* x,
                        std::uint8_t* y) {
    std::size_t i = 0;
    for (; i + 16 <= bytes; i += 16) {
        const uint8x16_t a = vld1q_u8(rows[0] + i), b = vld1q_u8(rows[1] + i), c = vld1q_u8(rows[2] + i);
        vst1q_u8(x + i, vorrq_u8(a, vshlq_n_u8(c, 6)));
        vst1q_u8(y + i, vorrq_u8(c, vshlq_n_u8(b, 6)));
    }
    for (; i < bytes; ++i) {
        x[i] = static_cast<std::uint8_t>(rows[0][i] | rows[2][i] << 6);
        y[i] = static_cast<std::uint8_t>(rows[2][i] | rows[1][i] << 6);
    }
}

}  // namespace

void gemm(const GemmBytes& job) {
    gemm_with<Widened>(job);
}

void gemm_triples(const GemmTriples& job) {
    gemm_triples_with<Widened>(job);
}

void pack_triples(const PackTriples& job) {
    pack_triples_by_runs<pack_run>(job);
}

FARD_NEON void add_rows(const AddRows& job) {
    for (std::size_t r = 0; r < job.row_count; ++r) {
        uint32x4_t sums = vdupq_n_u32(0);
        std::uint32_t sum = 0;
        for (std::size_t run = 0; run < job.runs; ++run) {
            const auto* from = job.rows[r] + run * job.run_stride;
            std::size_t i = 0;
            for (; i + 16 <= job.run_bytes; i += 16)
                sums = vpadalq_u16(sums, vpaddlq_u8(vld1q_u8(from + i)));
            for (; i < job.run_bytes; ++i)
                sum += from[i];
        }
        const uint64x2_t wide = vpaddlq_u32(sums);
        sum += static_cast<std::uint32_t>(vgetq_lane_u64(wide, 0) + vgetq_lane_u64(wide, 1));
        job.out[r] = {static_cast<std::int16_t>(sum & ((1U << job.low_bits) - 1)),
                      static_cast<std::int16_t>(sum >> job.low_bits)};
    }
}

// One panel of 16 channels, row by row.
void gemm_u8(const GemmU8& job) {
    const std::size_t groups = job.segments ? job.segment_ends[job.segments - 1] : 0;
    const PanelPart part{1, groups, groups * 4, job.panel, 64, {}};
    for (std::size_t first = 0; first < job.rows; first += Widened::most_rows) {
        const auto count = std::min(job.rows - first, Widened::most_rows);
        const std::uint8_t* rows[Widened::most_rows];
        for (std::size_t r = 0; r < count; ++r)
            rows[r] = job.a + (first + r) * job.a_stride;
        multiply<Widened>(part, rows, count, job.out + first * panel_width);
    }
}

}  // namespace fard::soft::neon
