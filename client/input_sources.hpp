// Files that hold inputs, as they are: images, .npy arrays, CIFAR-10 and IDX binaries. Preparation comes
// after (inputs.hpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/npy.hpp"
#include "base/result.hpp"
#include "client/images.hpp"

namespace fard {

// One index of an array; `shape` is without the array's first extent.
struct Row {
    NpyType type = NpyType::u1;
    std::vector<std::int64_t> shape;
    std::span<const std::byte> bytes;  // row-major, little-endian; points into the source that gave it
};

// One chunk's data as its file has it.
struct RawInput {
    std::string where;  // for people: "images/0003_cat.png", "test_batch.bin[17]"
    std::variant<Image, Row> data;
    bool photo = false;        // from an image file: grey stands for colour too
    std::optional<int> label;  // the truth, where the file has it
};

// One file. Not thread-safe.
class InputSource {
  public:
    virtual ~InputSource() = default;
    virtual std::size_t size() const = 0;  // inputs in it, at least one
    // `index` < size(). Image files are read and decoded here, each time. Errors: not_found, io,
    // invalid_input.
    virtual Result<RawInput> at(std::size_t index) const = 0;
};

// The sources that a path stands for: one for a file, told by its content, and one for each image file of a
// directory, in the order of their names. Errors, naming the file: not_found; io; invalid_input (a kind that
// fard does not know, an empty directory, a damaged file).
Result<std::vector<std::unique_ptr<InputSource>>> open_sources(const std::filesystem::path& path);

// An array's first index counts its chunks. Errors, naming `where`: invalid_input (there are none).
Result<std::unique_ptr<InputSource>> open_array(NpyArray array, const std::string& where);

// CIFAR-10's binary format: records of a label byte (0..9) and three 32x32 planes, red, green, blue.
inline constexpr std::size_t cifar10_record_bytes = 1 + 3 * 32 * 32;
bool looks_like_cifar10(std::string_view bytes);  // whole records with good labels
RawInput cifar10_record(std::string_view bytes, std::size_t index, const std::string& where);

// The header of an IDX file (MNIST's format).
struct IdxHeader {
    std::vector<std::int64_t> shape;  // at least one extent, each >= 1
    std::size_t data_at = 0;          // where the elements begin, in bytes
};
bool looks_like_idx(std::string_view bytes);  // begins like one
// Errors: invalid_input (other than unsigned bytes, more than 8 dimensions, no elements, fewer or more bytes
// than the header says).
Result<IdxHeader> parse_idx(std::string_view bytes, const std::string& where);
// Three dimensions are grey images, others rows.
RawInput idx_item(std::string_view bytes, const IdxHeader& header, std::size_t index,
                  const std::string& where);

}  // namespace fard
