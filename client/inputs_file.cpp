#include "client/inputs_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace fard {

Result<std::string> read_whole_file(const std::filesystem::path& file, std::size_t most_bytes) {
    std::error_code error;
    const auto status = std::filesystem::status(file, error);
    if (status.type() == std::filesystem::file_type::not_found) {
        return fail(Fault::not_found, "{}: no such file", file.string());
    }
    if (error) {
        const auto fault = error == std::errc::permission_denied ? Fault::invalid_input : Fault::io;
        return fail(fault, "{}: {}", file.string(), error.message());
    }
    if (std::filesystem::is_directory(status)) {
        return fail(Fault::invalid_input, "{}: is a directory, not a file", file.string());
    }
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        const auto fault = errno == EACCES ? Fault::invalid_input : Fault::io;  // the user named it
        return fail(fault, "{}: cannot be opened: {}", file.string(), std::strerror(errno));
    }
    std::string bytes;
    char block[64 * 1024];
    while (in.read(block, sizeof block) || in.gcount() > 0) {
        bytes.append(block, static_cast<std::size_t>(in.gcount()));
        if (bytes.size() > most_bytes) {
            return fail(Fault::invalid_input, "{}: larger than {} bytes", file.string(), most_bytes);
        }
    }
    if (in.bad()) return fail(Fault::io, "{}: cannot be read: {}", file.string(), std::strerror(errno));
    return bytes;
}

}  // namespace fard
