#include <algorithm>
#include <cmath>

#include "overlays/soft/kernels/elementwise.hpp"

namespace fard::soft::plain {
namespace {

template <typename A, typename B>
void map_pairs(const MapSums& job, std::int32_t sign) {
    const auto* a = static_cast<const A*>(job.a.from);
    const auto* b = static_cast<const B*>(job.b.from);
    for (std::size_t i = 0; i < job.count; ++i)
        job.out[i] = job.table[a[i] + sign * b[i] - job.least];
}

}  // namespace

std::uint8_t mapped(const MapSums& job, std::size_t i) {
    auto s = element(job.a, i);
    if (job.sum == MapSums::Sum::plus) s += element(job.b, i);
    if (job.sum == MapSums::Sum::minus) s -= element(job.b, i);
    return job.table[s - job.least];
}

std::uint8_t merged(const Merge& job, std::size_t i) {
    const auto c = job.channels == 1 ? 0 : i % job.channels;
    const auto term = [&](std::size_t operand) {
        const double x = static_cast<double>(element(job.each[operand], i)) - job.zeros[operand];
        return x * job.multipliers[operand][c];
    };
    double t = term(0);
    if (job.operands == 2) t = t + term(1);
    if (job.exact_offsets) t = t + job.exact_offsets[c];
    return static_cast<std::uint8_t>(std::clamp<double>(std::nearbyint(t) + job.zero, job.low, job.high));
}

std::uint8_t quantized(const QuantizeFloats& job, float x) {
    if (std::isnan(x)) return job.code_of_nan;
    const float t = std::clamp(x * job.factor + job.offset, 0.F, static_cast<float>(job.levels));
    auto code = static_cast<std::int32_t>(t);
    while (code > 0 && x < job.bounds[code])
        --code;
    while (code < job.levels && x >= job.bounds[code + 1])
        ++code;
    return static_cast<std::uint8_t>(code);
}

void map_sums(const MapSums& job) {
    using Kind = Elements::Kind;
    const std::int32_t sign = job.sum == MapSums::Sum::minus ? -1 : 1;
    if (job.sum != MapSums::Sum::one && job.a.kind == Kind::u8 && job.b.kind == Kind::u8)
        return map_pairs<std::uint8_t, std::uint8_t>(job, sign);
    if (job.sum != MapSums::Sum::one && job.a.kind == Kind::i16 && job.b.kind == Kind::i16)
        return map_pairs<std::int16_t, std::int16_t>(job, sign);
    for (std::size_t i = 0; i < job.count; ++i)
        job.out[i] = mapped(job, i);
}

void merge(const Merge& job) {
    for (std::size_t i = 0; i < job.count; ++i)
        job.out[i] = merged(job, i);
}

void quantize(const QuantizeFloats& job) {
    for (std::size_t i = 0; i < job.count; ++i)
        job.out[i] = quantized(job, job.in[i]);
}

}  // namespace fard::soft::plain
