#include "cli/scores.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace fard::cli {
namespace {

Result<std::vector<double>> values_of(const TensorDesc& tensor, std::span<const std::byte> wire) {
    const auto count = tensor.elements();
    if (wire.size() != tensor.wire_bytes())
        return fail(Fault::corrupt, "tensor '{}' has {} bytes instead of {}", tensor.name, wire.size(),
                    tensor.wire_bytes());
    if (!tensor.type.is_integer()) {
        std::vector<float> floats(count);
        std::memcpy(floats.data(), wire.data(), wire.size());
        return std::vector<double>(floats.begin(), floats.end());
    }
    std::vector<std::int32_t> integers(count);
    if (auto unpacked = unpack(tensor.type, wire, integers); !unpacked) return fail(unpacked.error());
    return std::vector<double>(integers.begin(), integers.end());
}

}  // namespace

Result<std::vector<Score>> top_scores(const TensorDesc& tensor, std::span<const std::byte> wire,
                                      std::size_t count) {
    const auto values = values_of(tensor, wire);
    if (!values) return fail(values.error());
    std::vector<std::size_t> places(values->size());
    std::iota(places.begin(), places.end(), std::size_t{0});
    count = std::min(count, places.size());
    const auto key = [&](std::size_t place) {  // what is no number comes last
        const double value = (*values)[place];
        return std::isnan(value) ? -HUGE_VAL : value;
    };
    std::partial_sort(
        places.begin(), places.begin() + static_cast<std::ptrdiff_t>(count), places.end(),
        [&](std::size_t a, std::size_t b) { return key(a) != key(b) ? key(a) > key(b) : a < b; });
    std::vector<Score> scores;
    for (std::size_t i = 0; i < count; ++i)
        scores.push_back({places[i], (*values)[places[i]]});
    return scores;
}

std::string scores_text(const std::vector<Score>& scores, const std::vector<std::string>& labels) {
    std::string text;
    for (const auto& score : scores) {
        const auto name = score.place < labels.size() ? labels[score.place] : std::to_string(score.place);
        text += fmt::format("{}{} {:g}", text.empty() ? "" : ", ", name, score.value);
    }
    return text;
}

}  // namespace fard::cli
