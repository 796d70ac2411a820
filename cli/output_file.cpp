#include "cli/output_file.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "base/owned_fd.hpp"
#include "base/replace_file.hpp"

namespace fard::cli {
namespace {

namespace fs = std::filesystem;

bool same_file(const fs::path& one, const fs::path& other) {
    std::error_code error;
    if (fs::equivalent(one, other, error)) return true;
    return fs::weakly_canonical(one, error) == fs::weakly_canonical(other, error);
}

tl::unexpected<Error> would_be_replaced(const std::string& option, const fs::path& file, const std::string& what) {
    return fail(Fault::invalid_input, "{} {}: that is {}; it would be replaced", option, file.string(), what);
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
            return would_be_replaced(option, file, other.what);
    if (file.extension() != ".npy" && file.extension() != ".npz")
        return fail(Fault::invalid_input,
                    "{} {}: results are written as a NumPy array; name a file that ends in .npy (numpy.load reads it)",
                    option, file.string());
    return {};
}

Result<> write_text(const Options& options, const std::string& option, std::string_view text) {
    const auto file = options.text(option);
    std::error_code error;
    std::vector<std::string> used{options.positional(0)};
    for (const char* other : {"folding", "report", "cluster"}) {
        const auto files = options.texts(other);
        used.insert(used.end(), files.begin(), files.end());
    }
    for (const auto& other : used)
        if (fs::equivalent(file, other, error)) return would_be_replaced("--" + option, file, "what the command reads");
    const OwnedFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666));
    if (fd.get() < 0)
        return fail(Fault::invalid_input, "--{} {}: cannot be written: {}", option, file,
                    errno == ENXIO ? "it is a pipe that nobody reads, or a socket" : std::strerror(errno));
    ::fcntl(fd.get(), F_SETFL, 0);  // who reads a pipe may take its time
    if (!write_all(fd.get(), text)) return fail(Fault::io, "--{} {}: cannot be written: {}", option, file, std::strerror(errno));
    return {};
}

}  // namespace fard::cli
