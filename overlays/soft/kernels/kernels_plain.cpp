#include "overlays/soft/kernels/kernels_plain.hpp"

#include "overlays/soft/kernels/byte_kernels_plain.hpp"

namespace fard::soft::plain {
namespace {

// How many of `steps` ascending limits (16 apart) lie below `sum`: a binary search without branches.
template <typename Limit>
std::size_t count_below(const Limit* limits, std::size_t lane, std::size_t steps, std::int32_t sum) {
    std::size_t first = 0;
    while (steps > 0) {
        const std::size_t half = (steps + 1) / 2;
        first += sum > limits[(first + half - 1) * panel_width + lane] ? half : 0;
        steps -= half;
    }
    return first;
}

template <typename Limit>
void count(const Count<Limit>& job) {
    for (std::size_t r = 0; r < job.rows; ++r)
        for (std::size_t n = 0; n < job.lanes; ++n)
            job.out[r * job.out_stride + n] = static_cast<std::uint8_t>(
                job.first + count_below(job.limits, n, job.steps, job.sums[r * panel_width + n]));
}

// Sums are kept modulo 2^32: what leaves 32 bits on the way comes back.
std::uint32_t times(std::int32_t a, std::int32_t b) {
    return static_cast<std::uint32_t>(a) * static_cast<std::uint32_t>(b);
}

void depthwise_sums(const std::uint8_t* const* taps, std::size_t tap_count, const std::int16_t* weights,
                    std::size_t channel, std::size_t lanes, std::int32_t* sums) {
    std::uint32_t total[panel_width] = {};
    for (std::size_t t = 0; t < tap_count; ++t)
        for (std::size_t n = 0; n < lanes; ++n)
            total[n] += times(taps[t][channel + n], weights[t * panel_width + n]);
    for (std::size_t n = 0; n < panel_width; ++n)
        sums[n] = static_cast<std::int32_t>(total[n]);
}

}  // namespace

void gemm_u8(const GemmU8& job) {
    const std::size_t groups = job.segments ? job.segment_ends[job.segments - 1] : 0;
    for (std::size_t r = 0; r < job.rows; ++r) {
        std::uint32_t total[panel_width] = {};
        const auto* a = job.a + r * job.a_stride;
        for (std::size_t g = 0; g < groups; ++g)
            for (std::size_t n = 0; n < panel_width; ++n)
                for (std::size_t i = 0; i < 4; ++i)
                    total[n] += times(a[g * 4 + i], job.panel[(g * panel_width + n) * 4 + i]);
        for (std::size_t n = 0; n < panel_width; ++n)
            job.out[r * panel_width + n] = static_cast<std::int32_t>(total[n]);
    }
}

void gemm_i16(const GemmI16& job) {
    for (std::size_t r = 0; r < job.rows; ++r) {
        std::uint32_t total[panel_width] = {};
        const auto* a = job.a + r * job.a_stride;
        for (std::size_t p = 0; p < job.pairs; ++p)
            for (std::size_t n = 0; n < panel_width; ++n)
                for (std::size_t i = 0; i < 2; ++i)
                    total[n] += times(a[p * 2 + i], job.panel[(p * panel_width + n) * 2 + i]);
        for (std::size_t n = 0; n < panel_width; ++n)
            job.out[r * panel_width + n] = static_cast<std::int32_t>(total[n]);
    }
}

void count32(const Count32& job) {
    count(job);
}
void count16(const Count16& job) {
    count(job);
}

void finish16(const Finish16& job) {
    for (std::size_t r = 0; r < job.rows; ++r)
        for (std::size_t n = 0; n < job.lanes; ++n)
            job.out[r * job.out_stride + n] = finish(job.affine, n, job.sums[r * panel_width + n]);
}

void depthwise16(const Depthwise16& job) {
    for (std::size_t c = 0; c < job.channels; c += panel_width) {
        const std::size_t lanes = job.channels - c < panel_width ? job.channels - c : panel_width;
        std::int32_t sums[panel_width];
        depthwise_sums(job.taps, job.tap_count, job.weights + c * job.tap_count, c, lanes, sums);
        count16(
            {sums, 1, job.limits + c * job.steps, job.steps, job.first, job.out + c, job.channels, lanes});
    }
}

void depthwise32(const Depthwise32& job) {
    for (std::size_t c = 0; c < job.channels; c += panel_width) {
        const std::size_t lanes = job.channels - c < panel_width ? job.channels - c : panel_width;
        depthwise_sums(job.taps, job.tap_count, job.weights + c * job.tap_count, c, lanes, job.out + c);
    }
}

}  // namespace fard::soft::plain
