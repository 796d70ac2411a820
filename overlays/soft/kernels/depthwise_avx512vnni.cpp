// Depthwise convolutions three columns wide. The bytes of four image rows are interleaved so that one vpdpbusd adds a
// whole column of the kernel for each channel; a column that several windows share is interleaved once.
#include <immintrin.h>

#include "overlays/soft/kernels/affine_avx512.hpp"
#include "overlays/soft/kernels/byte_kernels_avx512vnni.hpp"

#define FARD_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")))
#define FARD_VNNI_INLINE FARD_VNNI inline __attribute__((always_inline))

namespace fard::soft::avx512vnni {
namespace {

using namespace avx512;

// 64 channels at a time, and the same for 32.
struct Wide {
    static constexpr std::size_t channels = 64;
    using Bytes = __m512i;
    using Floats = __m512;
    FARD_VNNI_INLINE static Bytes load(const void* from) { return _mm512_loadu_si512(from); }
    FARD_VNNI_INLINE static Floats load(const float* from) { return _mm512_loadu_ps(from); }
    FARD_VNNI_INLINE static Bytes none() { return _mm512_setzero_si512(); }
    FARD_VNNI_INLINE static Bytes low8(Bytes a, Bytes b) { return _mm512_unpacklo_epi8(a, b); }
    FARD_VNNI_INLINE static Bytes high8(Bytes a, Bytes b) { return _mm512_unpackhi_epi8(a, b); }
    FARD_VNNI_INLINE static Bytes low16(Bytes a, Bytes b) { return _mm512_unpacklo_epi16(a, b); }
    FARD_VNNI_INLINE static Bytes high16(Bytes a, Bytes b) { return _mm512_unpackhi_epi16(a, b); }
    FARD_VNNI_INLINE static Bytes add(Bytes sum, Bytes a, Bytes b) { return _mm512_dpbusd_epi32(sum, a, b); }
    FARD_VNNI_INLINE static Floats affine(Bytes sums, Floats factors, Floats offsets) {
        return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), factors, offsets);
    }
    FARD_VNNI_INLINE static Bytes round(Floats t) { return _mm512_cvtps_epi32(t); }
    FARD_VNNI_INLINE static Floats no_floats() { return _mm512_setzero_ps(); }
    FARD_VNNI_INLINE static Floats farther(Floats most, Floats t) {
        return _mm512_range_ps(most, _mm512_reduce_ps(t, _MM_FROUND_TO_NEAREST_INT), 0b1011);
    }
    FARD_VNNI_INLINE static bool exceeds(Floats most, float limit) {
        return _mm512_cmp_ps_mask(most, _mm512_set1_ps(limit), _CMP_GT_OQ) != 0;
    }
    FARD_VNNI_INLINE static Bytes round_exactly(Bytes sums, const Affine& affine, std::size_t lane) {
        return avx512::round_exactly(sums, affine, lane);
    }
    FARD_VNNI_INLINE static Bytes upper_halves(Bytes a, Bytes b) {
        return _mm512_permutex2var_epi16(a, _mm512_load_si512(halves_of_512.upper), b);
    }
    FARD_VNNI_INLINE static Bytes lower_halves(Bytes a, Bytes b) {
        return _mm512_permutex2var_epi16(a, _mm512_load_si512(halves_of_512.lower), b);
    }
    FARD_VNNI_INLINE static Bytes smaller_halves(Bytes a, Bytes b) { return _mm512_min_epu16(a, b); }
    FARD_VNNI_INLINE static bool any_below(Bytes halves, std::uint16_t limit) {
        return _mm512_cmplt_epu16_mask(halves, _mm512_set1_epi16(static_cast<short>(limit))) != 0;
    }
    FARD_VNNI_INLINE static void store_codes(std::uint8_t* to, const Bytes (&codes)[4], const Affine& affine,
                                             __mmask64 mask) {
        const Bytes zero = _mm512_set1_epi16(affine.zero);
        store_halves(to, _mm512_adds_epi16(_mm512_packs_epi32(codes[0], codes[1]), zero),
                     _mm512_adds_epi16(_mm512_packs_epi32(codes[2], codes[3]), zero), affine, mask);
    }
    FARD_VNNI_INLINE static void store_halves(std::uint8_t* to, Bytes low, Bytes high, const Affine& affine,
                                              __mmask64 mask) {
        Bytes bytes = _mm512_packus_epi16(low, high);
        if (affine.low != 0 || affine.high != 255) {
            bytes = _mm512_max_epu8(bytes, _mm512_set1_epi8(static_cast<char>(affine.low)));
            bytes = _mm512_min_epu8(bytes, _mm512_set1_epi8(static_cast<char>(affine.high)));
        }
        _mm512_mask_storeu_epi8(to, static_cast<__mmask64>(mask), bytes);
    }
};

struct Narrow {
    static constexpr std::size_t channels = 32;
    using Bytes = __m256i;
    using Floats = __m256;
    FARD_VNNI_INLINE static Bytes load(const void* from) {
        return _mm256_loadu_si256(static_cast<const __m256i*>(from));
    }
    FARD_VNNI_INLINE static Floats load(const float* from) { return _mm256_loadu_ps(from); }
    FARD_VNNI_INLINE static Bytes none() { return _mm256_setzero_si256(); }
    FARD_VNNI_INLINE static Bytes low8(Bytes a, Bytes b) { return _mm256_unpacklo_epi8(a, b); }
    FARD_VNNI_INLINE static Bytes high8(Bytes a, Bytes b) { return _mm256_unpackhi_epi8(a, b); }
    FARD_VNNI_INLINE static Bytes low16(Bytes a, Bytes b) { return _mm256_unpacklo_epi16(a, b); }
    FARD_VNNI_INLINE static Bytes high16(Bytes a, Bytes b) { return _mm256_unpackhi_epi16(a, b); }
    FARD_VNNI_INLINE static Bytes add(Bytes sum, Bytes a, Bytes b) { return _mm256_dpbusd_epi32(sum, a, b); }
    FARD_VNNI_INLINE static Floats affine(Bytes sums, Floats factors, Floats offsets) {
        return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), factors, offsets);
    }
    FARD_VNNI_INLINE static Bytes round(Floats t) { return _mm256_cvtps_epi32(t); }
    FARD_VNNI_INLINE static Floats no_floats() { return _mm256_setzero_ps(); }
    FARD_VNNI_INLINE static Floats farther(Floats most, Floats t) {
        return _mm256_range_ps(most, _mm256_reduce_ps(t, _MM_FROUND_TO_NEAREST_INT), 0b1011);
    }
    FARD_VNNI_INLINE static bool exceeds(Floats most, float limit) {
        return _mm256_cmp_ps_mask(most, _mm256_set1_ps(limit), _CMP_GT_OQ) != 0;
    }
    FARD_VNNI_INLINE static Bytes round_exactly(Bytes sums, const Affine& affine, std::size_t lane) {
        return avx512::round_exactly(sums, affine, lane);
    }
    FARD_VNNI_INLINE static Bytes upper_halves(Bytes a, Bytes b) {
        return _mm256_permutex2var_epi16(
            a, _mm256_load_si256(reinterpret_cast<const __m256i*>(halves_of_256.upper)), b);
    }
    FARD_VNNI_INLINE static Bytes lower_halves(Bytes a, Bytes b) {
        return _mm256_permutex2var_epi16(
            a, _mm256_load_si256(reinterpret_cast<const __m256i*>(halves_of_256.lower)), b);
    }
    FARD_VNNI_INLINE static Bytes smaller_halves(Bytes a, Bytes b) { return _mm256_min_epu16(a, b); }
    FARD_VNNI_INLINE static bool any_below(Bytes halves, std::uint16_t limit) {
        return _mm256_cmplt_epu16_mask(halves, _mm256_set1_epi16(static_cast<short>(limit))) != 0;
    }
    FARD_VNNI_INLINE static void store_codes(std::uint8_t* to, const Bytes (&codes)[4], const Affine& affine,
                                             __mmask64 mask) {
        const Bytes zero = _mm256_set1_epi16(affine.zero);
        store_halves(to, _mm256_adds_epi16(_mm256_packs_epi32(codes[0], codes[1]), zero),
                     _mm256_adds_epi16(_mm256_packs_epi32(codes[2], codes[3]), zero), affine, mask);
    }
    FARD_VNNI_INLINE static void store_halves(std::uint8_t* to, Bytes low, Bytes high, const Affine& affine,
                                              __mmask64 mask) {
        Bytes bytes = _mm256_packus_epi16(low, high);
        if (affine.low != 0 || affine.high != 255) {
            bytes = _mm256_max_epu8(bytes, _mm256_set1_epi8(static_cast<char>(affine.low)));
            bytes = _mm256_min_epu8(bytes, _mm256_set1_epi8(static_cast<char>(affine.high)));
        }
        _mm256_mask_storeu_epi8(to, static_cast<__mmask32>(mask), bytes);
    }
};

// One column of four rows: the channels' bytes of the rows side by side.
template <typename Set>
struct Column {
    typename Set::Bytes quads[4];
};

template <typename Set, bool ThreeRows>
FARD_VNNI_INLINE Column<Set> interleaved(const Depthwise3& job, std::ptrdiff_t x, std::size_t begin) {
    typename Set::Bytes rows[4];
    if (x < 0 || x >= job.in_width) {
        for (auto& row : rows)
            row = Set::load(job.outside + begin);
    } else {
        const auto at = x * job.channels + static_cast<std::ptrdiff_t>(begin);
        FARD_UNROLL
        for (std::size_t i = 0; i < 4; ++i)
            rows[i] = ThreeRows && i == 3 ? Set::none() : Set::load(job.lines[i] + at);
    }
    const auto ab_low = Set::low8(rows[0], rows[1]), ab_high = Set::high8(rows[0], rows[1]);
    const auto cd_low = Set::low8(rows[2], rows[3]), cd_high = Set::high8(rows[2], rows[3]);
    return {{Set::low16(ab_low, cd_low), Set::high16(ab_low, cd_low), Set::low16(ab_high, cd_high),
             Set::high16(ab_high, cd_high)}};
}

// How the bytes come from the sums (Affine).
enum Form { affine_form, watched_form, fixed_form };

// What a block needs for each pixel, read once.
template <typename Set>
struct Constants {
    typename Set::Bytes weights[3][4];
    typename Set::Floats factors[4], offsets[4];
    const std::int8_t* more;  // further planes of weights, read for each pixel
    std::size_t more_planes;
};

template <typename Set, Form How>
FARD_VNNI_INLINE Constants<Set> constants_of(const Depthwise3& job, std::size_t begin) {
    constexpr std::size_t lanes = Set::channels / 4;
    Constants<Set> constants;
    constants.more = job.weights + begin * 12 * job.planes + Set::channels * 12;
    constants.more_planes = job.block_planes ? job.block_planes[begin / 64] - std::size_t{1} : 0;
    FARD_UNROLL
    for (std::size_t v = 0; v < 4; ++v) {
        FARD_UNROLL
        for (std::size_t c = 0; c < 3; ++c)
            constants.weights[c][v] = Set::load(static_cast<const void*>(
                job.weights + begin * 12 * job.planes + (c * 4 + v) * Set::channels));
        const auto& affine = job.affine;
        const auto at = begin + v * lanes;
        constants.factors[v] = Set::load((How == fixed_form ? affine.fixed_factors : affine.factors) + at);
        constants.offsets[v] = Set::load((How == fixed_form ? affine.fixed_offsets : affine.offsets) + at);
    }
    return constants;
}

template <typename Set>
FARD_VNNI_INLINE void store_exactly(const typename Set::Bytes (&sums)[4], const Affine& affine,
                                    std::size_t begin, std::uint8_t* out, __mmask64 mask) {
    typename Set::Bytes codes[4];
    FARD_UNROLL
    for (std::size_t v = 0; v < 4; ++v)
        codes[v] = Set::round_exactly(sums[v], affine, begin + v * Set::channels / 4);
    Set::store_codes(out, codes, affine, mask);
}

// `begin` is the block's first lane.
template <typename Set>
FARD_VNNI_INLINE typename Set::Bytes add_planes(const Constants<Set>& constants,
                                                const Column<Set> (&columns)[3], std::size_t v,
                                                typename Set::Bytes sums) {
    for (std::size_t plane = 0; plane < constants.more_planes; ++plane)
        FARD_UNROLL
    for (std::size_t c = 0; c < 3; ++c) {
        const auto* weights = constants.more + ((plane * 3 + c) * 4 + v) * Set::channels;
        sums = Set::add(sums, columns[c].quads[v], Set::load(static_cast<const void*>(weights)));
    }
    return sums;
}

template <typename Set, Form How, bool Planes>
FARD_VNNI_INLINE void make_pixel(const Constants<Set>& constants, const Affine& affine, std::size_t begin,
                                 const Column<Set> (&columns)[3], std::uint8_t* out, __mmask64 mask) {
    typename Set::Bytes sums[4], codes[4];
    auto most = Set::no_floats();
    FARD_UNROLL
    for (std::size_t v = 0; v < 4; ++v) {
        sums[v] = Set::none();
        FARD_UNROLL
        for (std::size_t c = 0; c < 3; ++c)
            sums[v] = Set::add(sums[v], columns[c].quads[v], constants.weights[c][v]);
        if constexpr (Planes) sums[v] = add_planes(constants, columns, v, sums[v]);
        const auto t = Set::affine(sums[v], constants.factors[v], constants.offsets[v]);
        if constexpr (How == watched_form) most = Set::farther(most, t);
        codes[v] = Set::round(t);
    }
    if constexpr (How == fixed_form) {
        const auto halves =
            Set::smaller_halves(Set::lower_halves(codes[0], codes[1]), Set::lower_halves(codes[2], codes[3]));
        if (Set::any_below(halves, affine.fixed_unsure))
            return store_exactly<Set>(sums, affine, begin, out, mask);
        return Set::store_halves(out, Set::upper_halves(codes[0], codes[1]),
                                 Set::upper_halves(codes[2], codes[3]), affine, mask);
    }
    if (How == watched_form && Set::exceeds(most, affine.sure))
        return store_exactly<Set>(sums, affine, begin, out, mask);
    Set::store_codes(out, codes, affine, mask);
}

template <typename Set, Form How, bool ThreeRows, bool Planes>
FARD_VNNI void make_block(const Depthwise3& shared_job, std::size_t begin) {
    const Depthwise3 job = shared_job;  // a copy of our own: bytes stored may not change it
    const auto constants = constants_of<Set, How>(job, begin);
    const auto channels = static_cast<std::size_t>(job.channels);
    const std::size_t used = channels - begin < Set::channels ? channels - begin : Set::channels;
    const __mmask64 mask = ~std::uint64_t{0} >> (64 - used);
    std::uint8_t* out = job.out + begin;
    Column<Set> columns[3];
    std::ptrdiff_t x = job.first_x;
    if (job.stride == 1) {
        columns[1] = interleaved<Set, ThreeRows>(job, x, begin);
        columns[2] = interleaved<Set, ThreeRows>(job, x + 1, begin);
        for (std::size_t i = 0; i < job.count; ++i, ++x, out += channels) {
            columns[0] = columns[1];
            columns[1] = columns[2];
            columns[2] = interleaved<Set, ThreeRows>(job, x + 2, begin);
            make_pixel<Set, How, Planes>(constants, job.affine, begin, columns, out, mask);
        }
        return;
    }
    for (std::size_t i = 0; i < job.count; ++i, x += job.stride, out += channels) {
        FARD_UNROLL
        for (std::ptrdiff_t c = 0; c < 3; ++c)
            columns[c] = i > 0 && c == 0 && job.stride == 2 ? columns[2]
                                                            : interleaved<Set, ThreeRows>(job, x + c, begin);
        make_pixel<Set, How, Planes>(constants, job.affine, begin, columns, out, mask);
    }
}

using Block = void (*)(const Depthwise3&, std::size_t);

template <typename Set, Form How>
Block block_of(bool three_rows, bool planes) {
    if (planes) return three_rows ? make_block<Set, How, true, true> : make_block<Set, How, false, true>;
    return three_rows ? make_block<Set, How, true, false> : make_block<Set, How, false, false>;
}

template <typename Set>
Block block_of(const Depthwise3& job, bool planes) {
    return job.affine.fixed_factors   ? block_of<Set, fixed_form>(job.three_rows, planes)
           : job.affine.exact_factors ? block_of<Set, watched_form>(job.three_rows, planes)
                                      : block_of<Set, affine_form>(job.three_rows, planes);
}

}  // namespace

void depthwise3(const Depthwise3& job) {
    const auto channels = static_cast<std::size_t>(job.channels);
    for (std::size_t begin = 0; begin < channels; begin += depthwise_block(channels - begin)) {
        const bool planes = job.block_planes && job.block_planes[begin / 64] > 1;
        const bool wide = depthwise_block(channels - begin) == Wide::channels;
        (wide ? block_of<Wide>(job, planes) : block_of<Narrow>(job, planes))(job, begin);
    }
}

}  // namespace fard::soft::avx512vnni
