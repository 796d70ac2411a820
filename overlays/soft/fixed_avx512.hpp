// The fixed form of Affine on AVX-512: for kernels that are built with it (private to *_avx512*.cpp).
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace fard::soft {

// Of two vectors of 16.16 numbers, the upper or lower halves, in each 128-bit part those of the first, then of the second: the
// order in which packing leaves them.
struct HalvesOrder {
    alignas(64) std::int16_t upper[32], lower[32];
    constexpr explicit HalvesOrder(int vector_halves) : upper(), lower() {
        for (int i = 0; i < vector_halves; ++i) {
            const int of_part = i % 8, number = i / 8 * 4 + of_part % 4;
            lower[i] = static_cast<std::int16_t>(of_part / 4 * vector_halves + number * 2);
            upper[i] = static_cast<std::int16_t>(lower[i] + 1);
        }
    }
};
inline constexpr HalvesOrder halves_of_512(32), halves_of_256(16);

}  // namespace fard::soft
