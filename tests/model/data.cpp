#include "tests/model/data.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/npy.hpp"
#include "model/reference.hpp"

namespace fard::model::test {

std::filesystem::path source_root() {
    const char* root = std::getenv("FARD_SOURCE_ROOT");
    return root != nullptr ? root : ".";
}

std::optional<std::filesystem::path> data_file(const std::string& name) {
    const char* data = std::getenv("FARD_TEST_DATA");
    const auto file =
        (data != nullptr ? std::filesystem::path(data) : source_root() / "../shared/data") / name;
    if (std::filesystem::exists(file)) return file;
    MESSAGE("skipped: ", file.string(), " is not there");
    return std::nullopt;
}

std::size_t images_to_run(std::size_t most, std::size_t usual) {
    const char* wanted = std::getenv("FARD_TEST_IMAGES");
    return wanted != nullptr ? std::min<std::size_t>(most, std::strtoul(wanted, nullptr, 10)) : usual;
}

namespace {

// The label byte and the pixels of one image.
std::vector<unsigned char> cifar_record(const std::filesystem::path& binary, std::size_t index) {
    constexpr std::size_t record = 1 + 3 * 32 * 32;
    std::ifstream stream(binary, std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(index * record));
    std::vector<unsigned char> bytes(record);
    stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    REQUIRE(stream);
    return bytes;
}

}  // namespace

std::vector<std::int32_t> cifar_image(const std::filesystem::path& binary, std::size_t index) {
    const auto bytes = cifar_record(binary, index);
    return {bytes.begin() + 1, bytes.end()};
}

long cifar_label(const std::filesystem::path& binary, std::size_t index) {
    return cifar_record(binary, index)[0];
}

std::vector<std::int32_t> upscaled_to_224(const std::vector<std::int32_t>& image) {
    constexpr int small = 32, large = 224;
    std::vector<std::int32_t> out;
    for (int channel = 0; channel < 3; ++channel)
        for (int row = 0; row < large; ++row)
            for (int column = 0; column < large; ++column) {
                const auto source = [](int at) {
                    return std::clamp((at + 0.5) * small / large - 0.5, 0.0, small - 1.0);
                };
                const double y = source(row), x = source(column);
                const int top = static_cast<int>(y), left = static_cast<int>(x);
                const int bottom = std::min(top + 1, small - 1), right = std::min(left + 1, small - 1);
                const auto pixel = [&](int h, int w) {
                    return image[static_cast<std::size_t>((channel * small + h) * small + w)];
                };
                const double upper = pixel(top, left) + (x - left) * (pixel(top, right) - pixel(top, left));
                const double lower =
                    pixel(bottom, left) + (x - left) * (pixel(bottom, right) - pixel(bottom, left));
                out.push_back(static_cast<std::int32_t>(std::lrint(upper + (y - top) * (lower - upper))));
            }
    return out;
}

std::vector<std::int32_t> expected_scores(const std::filesystem::path& npy, std::size_t index) {
    const auto array = read_npy(npy);
    REQUIRE_MESSAGE(array, array.error().message);
    REQUIRE(array->type == NpyType::i4);
    std::vector<std::int32_t> row(10);
    REQUIRE(array->bytes.size() >= (index + 1) * row.size() * sizeof(std::int32_t));
    std::memcpy(row.data(), array->bytes.data() + index * row.size() * sizeof(std::int32_t),
                row.size() * sizeof(std::int32_t));
    return row;
}

namespace {

template <typename Element>
std::vector<double> numbers_at(const NpyArray& array, std::size_t index, std::size_t count) {
    REQUIRE(array.bytes.size() >= (index + 1) * count * sizeof(Element));
    std::vector<Element> row(count);
    std::memcpy(row.data(), array.bytes.data() + index * count * sizeof(Element), count * sizeof(Element));
    return {row.begin(), row.end()};
}

}  // namespace

std::vector<double> npy_row(const std::filesystem::path& npy, std::size_t index) {
    const auto array = read_npy(npy);
    REQUIRE_MESSAGE(array, array.error().message);
    std::size_t count = 1;
    for (std::size_t i = 1; i < array->shape.size(); ++i)
        count *= static_cast<std::size_t>(array->shape[i]);
    switch (array->type) {
        case NpyType::u1:
            return numbers_at<std::uint8_t>(*array, index, count);
        case NpyType::i1:
            return numbers_at<std::int8_t>(*array, index, count);
        case NpyType::i4:
            return numbers_at<std::int32_t>(*array, index, count);
        case NpyType::i8:
            return numbers_at<std::int64_t>(*array, index, count);
        case NpyType::f4:
            return numbers_at<float>(*array, index, count);
        default:
            FAIL("element type of ", npy.string());
    }
    return {};
}

std::size_t index_of_largest(const std::vector<double>& scores) {
    return static_cast<std::size_t>(std::ranges::max_element(scores) - scores.begin());
}

Model load(const std::filesystem::path& file) {
    auto model = Model::load(file);
    REQUIRE_MESSAGE(model, model.error().message);
    return *model;
}

std::vector<Op> operators(const Model& model) {
    std::vector<Op> list;
    for (const auto& node : model.graph().nodes)
        list.push_back(node.op);
    return list;
}

std::vector<std::int32_t> scores(const Model& model, const std::vector<std::int32_t>& image) {
    auto outputs = run_reference(model.graph(), {Values{image, {}}});
    REQUIRE_MESSAGE(outputs, outputs.error().message);
    return (*outputs)[0].integers;
}

}  // namespace fard::model::test
