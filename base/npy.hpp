// NumPy's .npy files: arrays in, arrays out, and an array that grows row by row.
//
// Read: formats 1.0, 2.0 and 3.0, little-endian, C order. Written: 1.0, for shapes of up to 32 dimensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace fard {

enum class NpyType : std::uint8_t { b1, u1, i1, u2, i2, u4, i4, i8, f4, f8 };

std::size_t bytes_of(NpyType type);      // of one element
std::string_view name_of(NpyType type);  // "uint8", as NumPy calls it

// An array in memory, row-major, little-endian; bytes.size() is the product of the shape times
// bytes_of(type).
struct NpyArray {
    NpyType type = NpyType::u1;
    std::vector<std::int64_t> shape;  // extents >= 0; none for a scalar
    std::vector<std::byte> bytes;

    std::size_t elements() const { return bytes.size() / bytes_of(type); }
};

// Errors: those of read_whole_file; corrupt (no .npy file, cut short, more than the array behind it); unsupported
// (Fortran order, big-endian, objects and other types, a later format).
Result<NpyArray> read_npy(const std::filesystem::path& file);
Result<NpyArray> parse_npy(std::span<const std::byte> bytes, const std::string& where);

// The file is whole or not there, however the process ends; an older one is replaced, and so is the one that a
// symbolic link leads to (the link stays). Errors: invalid_input (the bytes do not fill the shape, or the path is no regular file), io.
Result<> write_npy(const std::filesystem::path& file, const NpyArray& array);

// Writes an array of which the first extent is known only at the end. Not thread-safe.
class NpyWriter {
  public:
    // `row_shape` is the shape without its first extent.
    static Result<NpyWriter> create(const std::filesystem::path& file, NpyType type,
                                    std::vector<std::int64_t> row_shape);
    ~NpyWriter();  // without finish() nothing stays
    NpyWriter(NpyWriter&&) noexcept;
    NpyWriter& operator=(NpyWriter&&) noexcept;

    // Whole rows, row-major. Errors: invalid_input (not whole rows), io.
    Result<> append(std::span<const std::byte> rows);

    // Writes the row count into the header and lets the file appear. Once. Errors: io.
    Result<> finish();

  private:
    struct Implementation;
    explicit NpyWriter(std::unique_ptr<Implementation> implementation);
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace fard
