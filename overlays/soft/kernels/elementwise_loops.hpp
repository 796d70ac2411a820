// The loops of elementwise.hpp over vectors. For the sources of one instruction set each, which define FARD_ELEMENTWISE (the
// attribute that lets functions use its instructions) and have a Set:
//
//   static constexpr std::size_t lanes;  using Integers, Floats;
//   static Integers load(const std::uint8_t*), load(const std::int16_t*), load(const std::int32_t*), whole(std::int32_t);
//   static Integers add(Integers, Integers), subtract(...), smaller(...), larger(...);
//   static Floats load(const float*), all(float), real(Integers), fma(Floats, Floats, Floats), smaller(...), larger(...);
//   static Integers round(Floats);                 half to even
//   static std::uint32_t unsure(Floats t, Floats sure);  a bit for each lane that is farther than that from a whole number, or
//                                                        is none; or all bits where there is such a lane
//   static void store(std::uint8_t*, Integers);    of 0 .. 255
#pragma once

#include <algorithm>
#include <bit>

#include "overlays/soft/kernels/elementwise.hpp"

#define FARD_ELEMENTWISE_INLINE FARD_ELEMENTWISE inline __attribute__((always_inline))

namespace fard::soft {
namespace {

template <typename Set>
FARD_ELEMENTWISE_INLINE typename Set::Integers load_elements(const Elements& elements, std::size_t i) {
    switch (elements.kind) {
        case Elements::Kind::u8:
            return Set::load(static_cast<const std::uint8_t*>(elements.from) + i);
        case Elements::Kind::i16:
            return Set::load(static_cast<const std::int16_t*>(elements.from) + i);
        default:
            return Set::load(static_cast<const std::int32_t*>(elements.from) + i);
    }
}

template <typename Set>
FARD_ELEMENTWISE_INLINE void store_limited(std::uint8_t* out, typename Set::Integers codes, std::int32_t low,
                                           std::int32_t high) {
    Set::store(out, Set::smaller(Set::larger(codes, Set::whole(low)), Set::whole(high)));
}

template <typename Set>
FARD_ELEMENTWISE void map_sums_of(const MapSums& shared_job) {
    const MapSums job = shared_job;  // a copy of our own: bytes stored may not change it
    std::size_t i = 0;
    const auto factor = Set::all(job.factor), offset = Set::all(job.offset);
    for (; job.is_line && i + Set::lanes <= job.count; i += Set::lanes) {
        auto sum = load_elements<Set>(job.a, i);
        if (job.sum == MapSums::Sum::plus) sum = Set::add(sum, load_elements<Set>(job.b, i));
        if (job.sum == MapSums::Sum::minus) sum = Set::subtract(sum, load_elements<Set>(job.b, i));
        const auto codes = Set::round(Set::fma(Set::real(sum), factor, offset));
        store_limited<Set>(job.out + i, codes, job.low, job.high);
    }
    if (i == 0) return plain::map_sums(job);
    for (; i < job.count; ++i)
        job.out[i] = plain::mapped(job, i);
}

template <typename Set, bool Each>
FARD_ELEMENTWISE_INLINE typename Set::Floats constant(const float* list, std::size_t c) {
    if constexpr (Each) return Set::load(list + c);
    return Set::all(*list);
}

// Vectors between two looks at what was in doubt: the loop over them is a function that calls nothing, so that constants stay in
// registers.
inline constexpr std::size_t vectors_at_once = 64;
struct Doubts {
    std::uint32_t of_vector[vectors_at_once], any;
};

// Elements i .. i + lanes, whose constants begin at c. Returns those in doubt.
template <typename Set, bool Each>
FARD_ELEMENTWISE_INLINE std::uint32_t merge_vector(const Merge& job, std::size_t i, std::size_t c) {
    auto t = Set::fma(Set::real(load_elements<Set>(job.each[0], i)), constant<Set, Each>(job.factors[0], c),
                      constant<Set, Each>(job.offsets, c));
    if (job.operands == 2)
        t = Set::fma(Set::real(load_elements<Set>(job.each[1], i)), constant<Set, Each>(job.factors[1], c),
                     t);
    const auto doubts = Set::unsure(t, Set::all(job.sure));
    t = Set::larger(Set::smaller(t, Set::all(0x1p24F)), Set::all(-0x1p24F));  // beyond all codes
    store_limited<Set>(job.out + i, Set::add(Set::round(t), Set::whole(job.zero)), job.low, job.high);
    return doubts;
}

template <typename Set, bool Each>
FARD_ELEMENTWISE __attribute__((noinline)) void merge_without_doubt(const Merge& shared_job, std::size_t i, std::size_t c,
                                                                    std::size_t vectors, Doubts& doubts) {
    const Merge job = shared_job;
    std::uint32_t any = 0;
    for (std::size_t v = 0; v < vectors; ++v)
        any |= doubts.of_vector[v] = merge_vector<Set, Each>(job, i + v * Set::lanes, c + v * Set::lanes);
    doubts.any = any;
}

// `vectors` of them from i on.
template <typename Set, bool Each>
FARD_ELEMENTWISE void merge_vectors(const Merge& job, std::size_t i, std::size_t c, std::size_t vectors) {
    Doubts doubts;
    merge_without_doubt<Set, Each>(job, i, c, vectors, doubts);
    for (std::size_t v = 0; doubts.any != 0 && v < vectors; ++v)
        for (auto bits = doubts.of_vector[v]; bits != 0; bits &= bits - 1) {
            const auto at = i + v * Set::lanes + static_cast<std::size_t>(std::countr_zero(bits));
            job.out[at] = plain::merged(job, at);
        }
}

template <typename Set>
FARD_ELEMENTWISE void merge_of(const Merge& shared_job) {
    const Merge job = shared_job;
    if (job.sure < 0) return plain::merge(job);
    std::size_t i = 0;
    if (job.channels == 1) {
        while (i + Set::lanes <= job.count) {
            const auto vectors = std::min(vectors_at_once, (job.count - i) / Set::lanes);
            merge_vectors<Set, false>(job, i, 0, vectors);
            i += vectors * Set::lanes;
        }
        for (; i < job.count; ++i)
            job.out[i] = plain::merged(job, i);
        return;
    }
    for (; i < job.count; i += job.channels) {
        std::size_t c = 0;
        while (c + Set::lanes <= job.channels) {
            const auto vectors = std::min(vectors_at_once, (job.channels - c) / Set::lanes);
            merge_vectors<Set, true>(job, i + c, c, vectors);
            c += vectors * Set::lanes;
        }
        for (; c < job.channels; ++c)
            job.out[i + c] = plain::merged(job, i + c);
    }
}

template <typename Set>
FARD_ELEMENTWISE __attribute__((noinline)) void quantize_without_doubt(const QuantizeFloats& shared_job, std::size_t first,
                                                                       std::size_t vectors, Doubts& doubts) {
    const QuantizeFloats job = shared_job;
    const auto factor = Set::all(job.factor), offset = Set::all(job.offset), sure = Set::all(job.sure);
    const auto least = Set::all(-1), most = Set::all(static_cast<float>(job.levels + 1));
    std::uint32_t any = 0;
    for (std::size_t v = 0; v < vectors; ++v) {
        const auto at = first + v * Set::lanes;
        const auto t = Set::fma(Set::load(job.in + at), factor, offset);
        any |= doubts.of_vector[v] = Set::unsure(t, sure);
        store_limited<Set>(job.out + at, Set::round(Set::larger(Set::smaller(t, most), least)), 0, job.levels);
    }
    doubts.any = any;
}

template <typename Set>
FARD_ELEMENTWISE void quantize_of(const QuantizeFloats& shared_job) {
    const QuantizeFloats job = shared_job;
    std::size_t i = 0;
    while (job.sure >= 0 && i + Set::lanes <= job.count) {
        const auto vectors = std::min(vectors_at_once, (job.count - i) / Set::lanes);
        Doubts doubts;
        quantize_without_doubt<Set>(job, i, vectors, doubts);
        for (std::size_t v = 0; doubts.any != 0 && v < vectors; ++v)
            for (auto bits = doubts.of_vector[v]; bits != 0; bits &= bits - 1) {
                const auto at = i + v * Set::lanes + static_cast<std::size_t>(std::countr_zero(bits));
                job.out[at] = plain::quantized(job, job.in[at]);
            }
        i += vectors * Set::lanes;
    }
    for (; i < job.count; ++i)
        job.out[i] = plain::quantized(job, job.in[i]);
}

template <typename Set>
constexpr ElementwiseKernels kernels_of{map_sums_of<Set>, merge_of<Set>, quantize_of<Set>};

}  // namespace
}  // namespace fard::soft
