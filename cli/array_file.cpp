#include "cli/array_file.hpp"

#include <utility>

#include "client/tensor_forms.hpp"

namespace fard::cli {

Result<ArrayFile> ArrayFile::create(const std::filesystem::path& file,
                                    const std::vector<TensorDesc>& tensors) {
    if (tensors.size() != 1)
        return fail(Fault::invalid_input, "{}: a chunk has {} tensors here, and one array takes one",
                    file.string(), tensors.size());
    const auto& tensor = tensors.front();
    const auto type = declared_type(tensor);
    if (!type) return fail(type.error());
    auto shape = declared_shape(tensor);
    if (!shape.empty() && shape.front() == 1) shape.erase(shape.begin());  // becomes the number of chunks
    auto writer = NpyWriter::create(file, *type, std::move(shape));
    if (!writer) return fail(Fault::invalid_input, "{}", writer.error().message);  // the path is the caller's
    return ArrayFile(tensor, std::move(*writer));
}

Result<> ArrayFile::append(std::span<const std::byte> wire) {
    const auto declared = declared_from_wire(tensor_, wire);
    if (!declared) return fail(declared.error());
    return writer_.append(*declared);
}

Result<> ArrayFile::finish() {
    return writer_.finish();
}

}  // namespace fard::cli
