#include "cli/load_model.hpp"

#include "base/heap.hpp"

namespace fard::cli {
namespace {

// What a file becomes: its bytes, its message, its weights as fractions and as integers.
constexpr std::uintmax_t bytes_of_each = 4, bytes_at_least = std::uintmax_t{8} << 20, bytes_at_most = std::uintmax_t{1} << 30;

}  // namespace

Result<model::Model> load_model(const std::filesystem::path& file, const model::InputShapes& shapes) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    if (!error) expect_memory(bytes_at_least + bytes_of_each * std::min(size, bytes_at_most / bytes_of_each));
    return model::Model::load(file, shapes);
}

}  // namespace fard::cli
