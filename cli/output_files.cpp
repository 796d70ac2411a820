#include "cli/output_files.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/suggest.hpp"
#include "client/npz.hpp"

namespace fard::cli {
namespace {

std::filesystem::path part(const PrivateDirectory& directory, std::size_t place) {
    return directory.path() / fmt::format("{}.npy", place);
}

}  // namespace

Result<OutputFiles> OutputFiles::create(const std::vector<std::string>& given,
                                        const std::vector<TensorDesc>& tensors) {
    OutputFiles made;
    for (const auto& tensor : tensors)
        made.names_.push_back(tensor.name);
    for (const auto& text : given) {
        const auto equals = text.find('=');
        const auto name = text.substr(0, equals);
        const auto found = std::ranges::find(made.names_, name);
        Result<> added;
        if (equals != std::string::npos && found != made.names_.end()) {
            const auto place = static_cast<std::size_t>(found - made.names_.begin());
            added = made.add(text.substr(equals + 1), place, tensors[place]);
        } else if (equals != std::string::npos && name.find('/') == std::string::npos) {
            added = fail(Fault::invalid_input, "{}: no output is called '{}'{}; there {} {} (a file of such a name is given as ./{})",
                         text, name, did_you_mean(name, made.names_), tensors.size() == 1 ? "is" : "are",
                         fmt::join(made.names_, ", "), text);
        } else if (std::filesystem::path(text).extension() == ".npz") {
            added = made.add_all(text, tensors);
        } else if (tensors.size() == 1) {
            added = made.add(text, 0, tensors[0]);
        } else {
            added = fail(Fault::invalid_input,
                         "{}: a result has {} tensors ({}); say NAME=FILE.npy for each{}, or FILE.npz", text,
                         tensors.size(), fmt::join(made.names_, ", "), did_you_mean(name, made.names_));
        }
        if (!added) return fail(added.error());
    }
    return made;
}

Result<> OutputFiles::add(const std::filesystem::path& file, std::size_t place, const TensorDesc& tensor) {
    auto array = ArrayFile::create(file, {tensor});
    if (!array) return fail(array.error());
    files_.push_back({place, std::move(*array)});
    return {};
}

Result<> OutputFiles::add_all(const std::filesystem::path& npz, const std::vector<TensorDesc>& tensors) {
    if (directory_) return fail(Fault::invalid_input, "{}: results go into one .npz file", npz.string());
    auto directory = PrivateDirectory::make("fard-results");
    if (!directory) return fail(directory.error());
    directory_ = std::move(*directory);
    npz_ = npz;
    for (std::size_t i = 0; i < tensors.size(); ++i)
        if (auto added = add(part(*directory_, i), i, tensors[i]); !added) return added;
    return {};
}

Result<> OutputFiles::append(const std::vector<std::span<const std::byte>>& tensors) {
    for (auto& wanted : files_)
        if (auto done = wanted.file.append(tensors[wanted.place]); !done) return done;
    return {};
}

Result<> OutputFiles::finish() {
    for (auto& wanted : files_)
        if (auto done = wanted.file.finish(); !done) return done;
    if (!directory_) return {};
    std::map<std::string, std::filesystem::path> arrays;
    for (std::size_t i = 0; i < names_.size(); ++i)
        arrays.emplace(names_[i], part(*directory_, i));
    return write_npz(npz_, arrays);
}

}  // namespace fard::cli
