// Real networks, images and scores for the tests; what is not on this machine is skipped by its test.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "model/model.hpp"

namespace fard::model::test {

std::filesystem::path source_root();
// A file under FARD_TEST_DATA (default: ../shared/data beside the source tree); empty, and said so, if it is
// not there.
std::optional<std::filesystem::path> data_file(const std::string& name);

// FARD_TEST_IMAGES where it is set (under an emulator or a sanitizer an image takes seconds), else `usual`; `most` at most.
std::size_t images_to_run(std::size_t most, std::size_t usual);
inline std::size_t images_to_run(std::size_t most) { return images_to_run(most, most); }

// CIFAR-10 test image `index`: 3x32x32, 0..255.
std::vector<std::int32_t> cifar_image(const std::filesystem::path& binary, std::size_t index);
long cifar_label(const std::filesystem::path& binary, std::size_t index);  // 0..9
// Bilinear with half-pixel centres, rounded: 3x224x224.
std::vector<std::int32_t> upscaled_to_224(const std::vector<std::int32_t>& image);

// Row `index` of an int32 array [n, 10].
std::vector<std::int32_t> expected_scores(const std::filesystem::path& npy, std::size_t index);

// The elements of one row (all but the leading dimension) of an array, as numbers.
std::vector<double> npy_row(const std::filesystem::path& npy, std::size_t index);
std::size_t index_of_largest(const std::vector<double>& scores);

// The model of a file that must import.
Model load(const std::filesystem::path& file);

// The graph's operators, in its order.
std::vector<Op> operators(const Model& model);

// The integer scores of one image.
std::vector<std::int32_t> scores(const Model& model, const std::vector<std::int32_t>& image);

}  // namespace fard::model::test
