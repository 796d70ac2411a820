#include "client/inputs.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <numeric>

#include "client/npz.hpp"
#include "client/tensor_forms.hpp"
#include "tests/scratch_dir.hpp"

using fard::AppFile;
using fard::DataType;
using fard::Image;
using fard::Inputs;
using fard::TensorDesc;

namespace {

TensorDesc nhwc(std::int64_t height, std::int64_t width, std::int64_t channels, DataType type) {
    return {"pixels", {1, height, width, channels}, "NHWC", type, "FLOAT32"};
}

std::string png_of(int width, int height, std::vector<std::uint8_t> pixels) {
    const int channels = static_cast<int>(pixels.size()) / (width * height);
    return *fard::encode_png(Image{width, height, channels, std::move(pixels)});
}

std::string text_of(const fard::Frame& frame) {
    return std::string(frame.text());
}

// The one input of one path, or its error's message.
std::string first(const std::filesystem::path& path, const AppFile::Input& steps, const TensorDesc& tensor) {
    const auto inputs = Inputs::open({path}, steps, {tensor});
    if (!inputs) return inputs.error().message;
    auto input = inputs->at(0);
    return input ? text_of(input->tensors[0]) : input.error().message;
}

std::vector<std::byte> bytes_of(const std::vector<float>& values) {
    std::vector<std::byte> out(values.size() * sizeof(float));
    std::memcpy(out.data(), values.data(), out.size());
    return out;
}

std::string cifar_record(unsigned char label, int seed) {
    std::string record(1, static_cast<char>(label));
    for (int i = 0; i < 3072; ++i)
        record += static_cast<char>((i * 7 + seed) & 0xff);
    return record;
}

}  // namespace

TEST_CASE("an image lies on the wire as it is: NHWC bytes") {
    const ScratchDir dir;
    const auto file = dir.write("a.png", png_of(2, 1, {1, 2, 3, 4, 5, 6}));
    CHECK(first(file, {}, nhwc(1, 2, 3, DataType::uint(8))) == std::string("\1\2\3\4\5\6"));
    auto planar = TensorDesc{"pixels", {1, 3, 1, 2}, "NCHW", DataType::uint(8), "UINT8"};
    CHECK(first(file, {}, planar) == std::string("\1\4\2\5\3\6"));
}

TEST_CASE("channel order, mean and scale make the network's values") {
    const ScratchDir dir;
    const auto file = dir.write("a.png", png_of(1, 1, {10, 20, 30}));
    AppFile::Input steps;
    steps.bgr = true;
    steps.mean = {1, 2, 3};
    steps.scale = {0.5f};
    const auto wire = first(file, steps, nhwc(1, 1, 3, DataType::float32()));
    float values[3];
    REQUIRE(wire.size() == sizeof values);
    std::memcpy(values, wire.data(), sizeof values);
    CHECK(values[0] == 14.5f);  // (30 - 1) / 2: blue first
    CHECK(values[1] == 9.0f);
    CHECK(values[2] == 3.5f);
    CHECK(first(file, steps, nhwc(1, 1, 3, DataType::uint(8))) ==
          file.string() + ": pixel value 30 becomes 14.5, which the input's type UINT8 cannot hold");
    steps.mean = {128};
    steps.scale = {};
    CHECK(first(file, steps, nhwc(1, 1, 3, DataType::sint(8))) == std::string("\x9e\x94\x8a"));
}

TEST_CASE("crop, resize and crop come in that order") {
    const ScratchDir dir;
    std::vector<std::uint8_t> ramp(64);
    std::iota(ramp.begin(), ramp.end(), std::uint8_t{0});
    const auto file = dir.write("a.png", png_of(8, 8, ramp));
    AppFile::Input steps;
    steps.crop_fraction = 0.5;           // rows 2..5, columns 2..5
    steps.resize = AppFile::Size{2, 2};  // means of 2x2
    steps.crop = AppFile::Size{2, 1};    // the upper row
    CHECK(first(file, steps, nhwc(1, 2, 1, DataType::uint(8))) ==
          std::string("\x17\x19"));  // 22.5 and 24.5 go up
    steps.crop = AppFile::Size{3, 1};
    CHECK(first(file, steps, nhwc(1, 2, 1, DataType::uint(8))) ==
          file.string() + ": 2x2 pixels, too small for the crop to 3x1");
}

TEST_CASE("grey photos stand for colour; colour does not fit a grey network") {
    const ScratchDir dir;
    const auto grey = dir.write("grey.png", png_of(1, 1, {9}));
    const auto colour = dir.write("colour.png", png_of(1, 1, {1, 2, 3}));
    CHECK(first(grey, {}, nhwc(1, 1, 3, DataType::uint(8))) == "\t\t\t");
    CHECK(first(colour, {}, nhwc(1, 1, 1, DataType::uint(8)))
              .starts_with(colour.string() + ": 1x1 pixels of 3 channels, but"));
    CHECK(first(colour, {}, nhwc(2, 1, 3, DataType::uint(8))).find("takes 1x2 of 3") != std::string::npos);
    CHECK(first(colour, {}, {"t", {1, 3}, "NC", DataType::uint(8), "UINT8"})
              .find("has shape [1, 3]: no image") != std::string::npos);
}

TEST_CASE("a directory's images come in the order of their names, and lists in theirs") {
    const ScratchDir dir;
    std::filesystem::create_directory(dir.path() / "d");
    dir.write("d/b.png", png_of(1, 1, {2}));
    dir.write("d/a.PNG", png_of(1, 1, {1}));
    dir.write("d/c.ppm", "P5 1 1 255 \3");
    dir.write("d/notes.txt", "not an image");
    const auto more = dir.write("z.png", png_of(1, 1, {4}));
    const auto inputs = Inputs::open({more, dir.path() / "d"}, {}, {nhwc(1, 1, 1, DataType::uint(8))});
    REQUIRE_MESSAGE(inputs, inputs.error().message);
    REQUIRE(inputs->size() == 4);
    std::string order;
    for (std::size_t i = 0; i < 4; ++i)
        order += inputs->at(i)->tensors[0].text();
    CHECK(order == "\4\1\2\3");
    CHECK(inputs->at(1)->where == (dir.path() / "d/a.PNG").string());
}

TEST_CASE("CIFAR-10 records bring their labels") {
    const ScratchDir dir;
    const auto file = dir.write("batch.bin", cifar_record(3, 0) + cifar_record(9, 100));
    const auto inputs = Inputs::open({file}, {}, {nhwc(32, 32, 3, DataType::uint(8))});
    REQUIRE_MESSAGE(inputs, inputs.error().message);
    REQUIRE(inputs->size() == 2);
    const auto second = inputs->at(1);
    REQUIRE(second);
    CHECK(second->label == 9);
    CHECK(second->where == file.string() + "[1]");
    const auto record = cifar_record(9, 100);
    const auto wire = text_of(second->tensors[0]);
    for (std::size_t p : {0, 1, 33, 1023}) {
        for (std::size_t c = 0; c < 3; ++c)
            CHECK(wire[3 * p + c] == record[1 + 1024 * c + p]);
    }
}

TEST_CASE("IDX images and vectors") {
    const ScratchDir dir;
    const std::string images("\0\0\x08\3\0\0\0\2\0\0\0\1\0\0\0\3abcdef", 22);
    const auto inputs = Inputs::open({dir.write("i", images)}, {}, {nhwc(1, 3, 1, DataType::uint(8))});
    REQUIRE_MESSAGE(inputs, inputs.error().message);
    REQUIRE(inputs->size() == 2);
    CHECK(text_of(inputs->at(1)->tensors[0]) == "def");
    const std::string vectors("\0\0\x08\2\0\0\0\2\0\0\0\3abcdef", 18);
    CHECK(first(dir.write("v", vectors), {}, {"t", {1, 3}, "NC", DataType::uint(8), "UINT8"}) == "abc");
}

TEST_CASE(".npy rows are the network's input as it is, NCHW") {
    const ScratchDir dir;
    const auto file = dir.path() / "x.npy";
    std::vector<float> values(2 * 3 * 1 * 2);
    std::iota(values.begin(), values.end(), 0.f);
    REQUIRE(fard::write_npy(file, {fard::NpyType::f4, {2, 3, 1, 2}, bytes_of(values)}));
    AppFile::Input steps;
    steps.scale = {0.1f};  // preparation is not for arrays
    const auto inputs = Inputs::open({file}, steps, {nhwc(1, 2, 3, DataType::uint(8))});
    REQUIRE_MESSAGE(inputs, inputs.error().message);
    REQUIRE(inputs->size() == 2);
    CHECK(text_of(inputs->at(1)->tensors[0]) == std::string("\6\10\12\7\11\13"));

    const auto wrong = first(file, {}, nhwc(2, 2, 3, DataType::uint(8)));
    CHECK(wrong ==
          file.string() + "[0]: has shape [3, 1, 2], but the network's input pixels takes [1, 3, 2, 2]");
    CHECK(first(file, {}, nhwc(1, 2, 3, DataType::uint(2))) ==
          file.string() + "[0]: element 4 is 4, which pixels (UINT2) cannot hold");
}

TEST_CASE("wire form and declared arrays turn into each other") {
    const TensorDesc tensor = nhwc(2, 1, 3, DataType::sint(4));
    const std::vector<float> declared = {1, -2, 3, -4, 5, -6};
    std::vector<std::byte> wire(tensor.wire_bytes());
    REQUIRE(fard::wire_from_array(tensor, fard::NpyType::f4, bytes_of(declared), wire));
    const auto back = fard::declared_from_wire(tensor, wire);
    REQUIRE(back);
    CHECK(*back == bytes_of(declared));
    CHECK(fard::declared_shape(tensor) == std::vector<std::int64_t>{1, 3, 2, 1});
    const std::vector<float> bad[] = {
        {1, 2, 3, 4, 5, 8}, {1, 2, 3, 4, 5, 0.5f}, {1, 2, 3, 4, 5, NAN}, {1, 2}};
    for (const auto& values : bad) {
        CHECK_FALSE(fard::wire_from_array(tensor, fard::NpyType::f4, bytes_of(values), wire));
    }
    CHECK_FALSE(fard::declared_from_wire(tensor, std::span(wire).first(2)));
    TensorDesc odd = tensor;
    odd.declared = "BFLOAT16";
    CHECK(fard::declared_type(odd).error().fault == fard::Fault::unsupported);
}

TEST_CASE("an array of a model with channels last stays as it is") {
    TensorDesc tensor = nhwc(2, 1, 3, DataType::sint(4));
    tensor.model_is_nhwc = true;
    const std::vector<float> declared = {1, -2, 3, -4, 5, -6};
    std::vector<std::byte> wire(tensor.wire_bytes());
    REQUIRE(fard::wire_from_array(tensor, fard::NpyType::f4, bytes_of(declared), wire));
    CHECK(wire == std::vector{std::byte{0xe1}, std::byte{0xc3}, std::byte{0xa5}});
    CHECK(*fard::declared_from_wire(tensor, wire) == bytes_of(declared));
    CHECK(fard::declared_shape(tensor) == tensor.shape);
}

TEST_CASE("several inputs are fed by their names") {
    const ScratchDir dir;
    TensorDesc a{"a", {1, 2}, "NC", DataType::float32(), "FLOAT32"}, b = a;
    b.name = "b";
    const auto array = [&](const char* name, std::int64_t rows) {
        const std::vector<float> values(static_cast<std::size_t>(2 * rows), static_cast<float>(rows));
        REQUIRE(fard::write_npy(dir.path() / name, {fard::NpyType::f4, {rows, 2}, bytes_of(values)}));
        return (dir.path() / name).string();
    };
    const auto two = array("two.npy", 2), three = array("three.npy", 3);
    const auto inputs = Inputs::open({"b=" + two, "a=" + two}, {}, {a, b});
    REQUIRE_MESSAGE(inputs, inputs.error().message);
    CHECK(inputs->size() == 2);
    CHECK(inputs->at(1)->tensors.size() == 2);
    const auto refused = [&](const std::vector<std::filesystem::path>& paths) {
        const auto opened = Inputs::open(paths, {}, {a, b});
        return opened ? "" : opened.error().message;
    };
    CHECK(refused({two}).find("the network has 2 inputs (a, b)") != std::string::npos);
    CHECK(refused({"a=" + two}).find("nothing feeds the network's input b") != std::string::npos);
    CHECK(refused({"a=" + two, "b=" + three}).find("a is fed 2 chunks, and b is fed 3") != std::string::npos);

    REQUIRE(fard::write_npz(dir.path() / "all.npz", {{"a", two}, {"b", two}}));
    CHECK(Inputs::open({dir.path() / "all.npz"}, {}, {a, b})->size() == 2);
    CHECK(refused({dir.write("bad.npz", "PK")}).find("bad.npz") != std::string::npos);
    REQUIRE(fard::write_npz(dir.path() / "c.npz", {{"c", two}}));
    CHECK(refused({dir.path() / "c.npz"}).find("holds an array 'c'") != std::string::npos);
}

TEST_CASE("random chunks are the same each time and fit their types") {
    const DataType types[] = {DataType::uint(1),   DataType::uint(8),  DataType::uint(32),
                              DataType::sint(2),   DataType::sint(9),  DataType::sint(32),
                              DataType::bipolar(), DataType::float32()};
    for (const auto type : types) {
        CAPTURE(type.name());
        const TensorDesc tensor{"t", {1, 37}, "", type, "FLOAT32"};
        const auto inputs = Inputs::random({tensor, tensor}, 3);
        REQUIRE(inputs.size() == 3);
        const auto one = inputs.at(1);
        REQUIRE_MESSAGE(one, one.error().message);
        REQUIRE(one->tensors.size() == 2);
        CHECK(one->tensors[0].size() == tensor.wire_bytes());
        CHECK(text_of(one->tensors[0]) == text_of(inputs.at(1)->tensors[0]));
        CHECK(text_of(one->tensors[0]) != text_of(one->tensors[1]));
        CHECK(text_of(one->tensors[0]) != text_of(inputs.at(2)->tensors[0]));
    }
}

TEST_CASE("an error names the file and what is wrong with it") {
    const ScratchDir dir;
    std::filesystem::create_directory(dir.path() / "empty");
    struct Row {
        std::filesystem::path path;
        const char* message;
    };
    const std::string idx("\0\0\x08\3\0\0\0\2\0\0\0\1\0\0\0\3abc", 19);
    const Row rows[] = {
        {dir.path() / "nothing.png", ": no such file or directory"},
        {dir.path() / "empty", ": holds no PNG, JPEG or PPM image"},
        {dir.write("zero.bin", ""), ": is empty"},
        {dir.write("text.txt", "hello"), ": no kind of input that fard knows"},
        {dir.write("short.bin", cifar_record(1, 1).substr(1)), ": no kind of input that fard knows"},
        {dir.write("bad.bin", cifar_record(10, 1)), ": no kind of input that fard knows"},
        {dir.write("idx", idx), ": an IDX file of 6 elements, but it holds 3 bytes of them"},
        {dir.write("floats", std::string("\0\0\x0d\1\0\0\0\1aaaa", 12)),
         ": an IDX file of other than unsigned bytes"},
        {dir.write("head", std::string("\0\0\x08\x7f\0\0\0\1aaaa", 12)),
         ": an IDX file with a damaged header"},
        {dir.write("huge", std::string("\0\0\x08\2\xff\xff\xff\xff\xff\xff\xff\xff", 12)),
         ": an IDX file with a damaged header"},
        {dir.write("x.gz", "\x1f\x8b compressed"), ": is compressed; unpack it first"},
        {dir.write("bad.png", "\x89PNG\r\n\x1a\n"), ": damaged PNG"},
        {dir.write("bad.npy", "\x93NUMPYx"), ""},
    };
    for (const auto& row : rows) {
        CAPTURE(row.path.string());
        const auto message = first(row.path, {}, nhwc(32, 32, 3, DataType::uint(8)));
        CHECK_MESSAGE(message.find(row.path.string() + row.message) != std::string::npos, message);
    }
}

TEST_CASE("an app's own data is used where none is given") {
    const ScratchDir dir;
    AppFile app;
    app.file = dir.path() / "app.toml";
    const TensorDesc tensor{"t", {1, 64}, "", DataType::uint(8), "UINT8"};
    CHECK(fard::open_inputs(app, {}, {tensor}).error().message.find("app.toml: names no default data") !=
          std::string::npos);
    app.input.random_chunks = 5;
    CHECK(fard::open_inputs(app, {}, {tensor})->size() == 5);
    app.input.random_chunks = 0;
    app.input.default_data = dir.write("a.png", png_of(1, 1, {7}));
    const auto pixel = nhwc(1, 1, 1, DataType::uint(8));
    CHECK(fard::open_inputs(app, {}, {pixel})->size() == 1);
    CHECK(fard::open_inputs(app, {dir.path() / "a.png", dir.path() / "a.png"}, {pixel})->size() == 2);
    CHECK_FALSE(fard::open_inputs(app, {}, {pixel, pixel}));
}
