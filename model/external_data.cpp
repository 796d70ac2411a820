#include "model/external_data.hpp"

#include <algorithm>
#include <charconv>
#include <climits>
#include <fstream>

#include "model/onnx_tensor.hpp"

namespace fard::model {
namespace {

namespace fs = std::filesystem;

struct Place {
    std::string location;
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> length;
};

Result<Place> read_place(const onnx::TensorProto& tensor) {
    Place place;
    for (const auto& entry : tensor.external_data()) {
        std::uint64_t number = 0;
        const auto& text = entry.value();
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        const bool whole = error == std::errc{} && end == text.data() + text.size();
        if (entry.key() == "location")
            place.location = text;
        else if ((entry.key() == "offset" || entry.key() == "length") && !whole)
            return fail(Fault::corrupt, "has an {} of '{}'", entry.key(), text);
        else if (entry.key() == "offset")
            place.offset = number;
        else if (entry.key() == "length")
            place.length = number;
    }
    if (place.location.empty()) return fail(Fault::corrupt, "does not say in which file its data lie");
    return place;
}

// The file below `directory` that `location` names, without links.
Result<fs::path> find_file(const fs::path& directory, const std::string& location) {
    const fs::path path(location);
    if (path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end())
        return fail(Fault::unsupported, "keeps its data in '{}'; fard reads files beside the model alone",
                    location);
    std::error_code error;
    const auto root = fs::canonical(directory, error);
    if (error) return fail(Fault::io, "{}: {}", directory.string(), error.message());
    const auto file = fs::canonical(root / path, error);
    if (error) return fail(Fault::not_found, "keeps its data in '{}', which is not there", location);
    const auto [end, rest] = std::mismatch(root.begin(), root.end(), file.begin(), file.end());
    if (end != root.end())
        return fail(Fault::unsupported, "keeps its data in '{}', a link out of the model's directory",
                    location);
    if (!fs::is_regular_file(file, error))
        return fail(Fault::unsupported, "keeps its data in '{}', which is no file", location);
    return file;
}

class Reader {
  public:
    explicit Reader(const fs::path& directory) : directory_(directory) {}

    Result<> read(onnx::TensorProto& tensor) {
        if (tensor.data_location() != onnx::TensorProto::EXTERNAL && tensor.external_data_size() == 0)
            return {};
        auto bytes = load(tensor);
        if (!bytes) return fail_in("tensor '" + tensor.name() + "'", bytes.error());
        tensor.set_raw_data(*std::move(bytes));
        tensor.clear_external_data();
        tensor.clear_data_location();
        return {};
    }

  private:
    Result<std::string> load(const onnx::TensorProto& tensor) {
        const auto needed = stored_bytes(tensor);
        if (!needed) return fail(needed.error());
        const auto place = read_place(tensor);
        if (!place) return fail(place.error());
        if (place->length && *place->length != *needed)
            return fail(Fault::corrupt, "has {} bytes where its shape and type need {}", *place->length,
                        *needed);
        const auto file = find_file(directory_, place->location);
        if (!file) return fail(file.error());
        std::error_code error;
        const auto size = fs::file_size(*file, error);
        if (error) return fail(Fault::io, "{}: {}", place->location, error.message());
        if (place->offset > size || size - place->offset < *needed)
            return fail(Fault::corrupt, "needs {} bytes from {} on of '{}', which has {}", *needed,
                        place->offset, place->location, size);
        total_ += *needed;
        if (total_ > INT_MAX) return fail(Fault::unsupported, "brings the model's data beyond 2 GiB");
        std::string bytes(*needed, '\0');
        std::ifstream stream(*file, std::ios::binary);
        stream.seekg(static_cast<std::streamoff>(place->offset));
        stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        if (!stream) return fail(Fault::io, "'{}' cannot be read", place->location);
        return bytes;
    }

    const fs::path& directory_;
    std::uint64_t total_ = 0;
};

}  // namespace

Result<> read_external_data(onnx::ModelProto& model, const fs::path& directory) {
    Reader reader(directory);
    for (auto& tensor : *model.mutable_graph()->mutable_initializer())
        if (auto done = reader.read(tensor); !done) return done;
    for (auto& node : *model.mutable_graph()->mutable_node())
        for (auto& attribute : *node.mutable_attribute())
            if (attribute.has_t())
                if (auto done = reader.read(*attribute.mutable_t()); !done) return done;
    return {};
}

}  // namespace fard::model
