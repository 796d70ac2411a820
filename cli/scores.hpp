// Results as people read them: the best classes of a chunk's output, with their names.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_desc.hpp"

namespace fard::cli {

struct Score {
    std::size_t place = 0;  // of the class
    double value = 0;
};

// The `count` largest elements, largest first, the earlier one on a tie. `wire` is the tensor's wire form.
// Errors: corrupt (its size).
Result<std::vector<Score>> top_scores(const TensorDesc& tensor, std::span<const std::byte> wire,
                                      std::size_t count);

// "cat 12.25, dog 3.5"; a class without a name is its number.
std::string scores_text(const std::vector<Score>& scores, const std::vector<std::string>& labels);

}  // namespace fard::cli
