#include "cli/output_file.hpp"

namespace fard::cli {
namespace {

namespace fs = std::filesystem;

bool same_file(const fs::path& one, const fs::path& other) {
    std::error_code error;
    if (fs::equivalent(one, other, error)) return true;
    return fs::weakly_canonical(one, error) == fs::weakly_canonical(other, error);
}

}  // namespace

fs::path file_in(const std::string& text) {
    const auto equals = text.find('=');
    return equals == std::string::npos ? text : text.substr(equals + 1);
}

Result<> check_output(const std::string& option, const fs::path& file, const std::vector<UsedFile>& used) {
    if (file == "-")
        return fail(Fault::invalid_input, "{} -: an array does not go to standard output; name a file that ends in .npy",
                    option);
    for (const auto& other : used)
        if (!other.file.empty() && same_file(file, other.file))
            return fail(Fault::invalid_input, "{} {}: that is {}; it would be replaced", option, file.string(), other.what);
    if (file.extension() != ".npy" && file.extension() != ".npz")
        return fail(Fault::invalid_input,
                    "{} {}: results are written as a NumPy array; name a file that ends in .npy (numpy.load reads it)",
                    option, file.string());
    return {};
}

}  // namespace fard::cli
