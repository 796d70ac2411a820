// The inner loops of operators that work element by element, once per instruction set. All rows give the same bytes: a vector form
// is taken where it is proven to be exact, or where it is not in doubt; what is in doubt is made again by a scalar form that
// defines the result.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fard::soft {

// Elements as they lie in memory.
struct Elements {
    enum class Kind : std::uint8_t { u8, i16, i32 };
    const void* from = nullptr;
    Kind kind = Kind::u8;
};

inline std::int32_t element(const Elements& elements, std::size_t i) {
    switch (elements.kind) {
        case Elements::Kind::u8:
            return static_cast<const std::uint8_t*>(elements.from)[i];
        case Elements::Kind::i16:
            return static_cast<const std::int16_t*>(elements.from)[i];
        default:
            return static_cast<const std::int32_t*>(elements.from)[i];
    }
}

// out[i] = table[s - least], with s = a[i], a[i] + b[i] or a[i] - b[i].
struct MapSums {
    Elements a, b;
    enum class Sum : std::uint8_t { one, plus, minus } sum = Sum::one;
    std::size_t count;
    std::int32_t least;
    const std::uint8_t* table;
    // Where this is set, the same is min(max(round(fma(s, factor, offset)), low), high), within 32 bits, for every possible s.
    bool is_line = false;
    float factor = 0, offset = 0;
    std::int32_t low = 0, high = 255;
    std::uint8_t* out;
};

// out[i] = min(max(round(t) + zero, low), high), round() half to even, with c = i % channels and t
//
//   = double(a[i] - zeros[0]) * multipliers[0][c]  (+ double(b[i] - zeros[1]) * multipliers[1][c])  (+ exact_offsets[c]),
//
// each product and sum rounded by itself. factors and offsets make the same of a and b in single precision; where that lies
// within `sure` of a whole number, it rounds to the same.
struct Merge {
    std::size_t operands = 1;  // or 2
    Elements each[2];
    std::size_t count, channels;  // constants are for each channel, or, where channels is 1, for all
    const float* factors[2];
    const float* offsets;
    float sure;  // below 0: never
    std::int32_t zeros[2];
    const double* multipliers[2];
    const double* exact_offsets;  // nullptr: none
    std::int32_t zero, low, high;
    std::uint8_t* out;
};

// out[i] = the largest code of 0 .. levels whose bound is not above in[i]; bounds[0] is not read. NaN becomes code_of_nan.
// round(in[i] * factor + offset) is the same where that lies within `sure` of a whole number.
struct QuantizeFloats {
    const float* in;
    std::size_t count;
    const float* bounds;  // [levels + 1], ascending
    std::int32_t levels;
    std::uint8_t code_of_nan;
    float factor, offset, sure;
    std::uint8_t* out;
};

struct ElementwiseKernels {
    void (*map_sums)(const MapSums&);
    void (*merge)(const Merge&);
    void (*quantize)(const QuantizeFloats&);
};

namespace plain {
void map_sums(const MapSums& job);
void merge(const Merge& job);
void quantize(const QuantizeFloats& job);

// One element each.
std::uint8_t mapped(const MapSums& job, std::size_t i);
std::uint8_t merged(const Merge& job, std::size_t i);
std::uint8_t quantized(const QuantizeFloats& job, float x);
}  // namespace plain
namespace avx2 {
extern const ElementwiseKernels elementwise;
}
namespace avx512 {
extern const ElementwiseKernels elementwise;
}
namespace neon {
extern const ElementwiseKernels elementwise;
}

}  // namespace fard::soft
