// The header of an .npy file: its grammar, apart from any file. Internal to base/npy.cpp and its tests.
#pragma once

#include "base/npy.hpp"

namespace fard {

struct NpyHeader {
    NpyType type = NpyType::u1;
    std::vector<std::int64_t> shape;
    std::size_t data_offset = 0;  // bytes from the start of the file
    std::size_t data_bytes = 0;   // that the shape takes
};

// Reads the header in front of `bytes`. Errors as parse_npy, without the place.
Result<NpyHeader> parse_npy_header(std::span<const std::byte> bytes);

// A header of format 1.0, padded so that it keeps its length whatever the first extent becomes. Errors:
// invalid_input (more than 32 dimensions, or a negative extent).
Result<std::string> npy_header(NpyType type, const std::vector<std::int64_t>& shape);

// Bytes that the shape takes. Errors: corrupt (a negative extent, or more than 2^62 bytes).
Result<std::size_t> npy_data_bytes(NpyType type, const std::vector<std::int64_t>& shape);

}  // namespace fard
