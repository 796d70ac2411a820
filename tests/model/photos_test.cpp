// Networks trained on ImageNet, on photos: by the reference interpreter and by the soft device.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>

#include "client/inputs.hpp"
#include "model/reference.hpp"
#include "model/wire_form.hpp"
#include "tests/model/data.hpp"
#include "tests/overlays/soft_run.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;
using fard::test::SoftNetwork;
using fard::test::Tensors;
using fard::test::views;

namespace {

const std::size_t photos = images_to_run(40);
constexpr std::size_t by_reference = 5;  // of SqueezeNet's photos: a second each

std::size_t count_of(const Model& model, Op op) {
    return static_cast<std::size_t>(
        std::ranges::count_if(model.graph().nodes, [&](const Node& node) { return node.op == op; }));
}

// The network's only output in wire form, as numbers.
std::vector<double> scores_of(const Model& model, const Tensors& outputs) {
    const auto& graph = model.graph();
    const auto values = values_from_wire(graph[graph.outputs[0]], outputs.at(0));
    REQUIRE(values);
    if (!values->integers.empty()) return {values->integers.begin(), values->integers.end()};
    return {values->floats.begin(), values->floats.end()};
}

// Photo `index` of an array NHWC, which is how it lies on the wire.
Tensors photo(const std::filesystem::path& npy, std::size_t index) {
    const auto pixels = npy_row(npy, index);
    std::vector<std::byte> bytes(pixels.size());
    std::ranges::transform(pixels, bytes.begin(), [](double each) { return static_cast<std::byte>(each); });
    return {bytes};
}

// What one element of a resized line is made of: fixed-point weights, adding up to 2^22, of elements from `first` on.
struct Blend {
    int first = 0;
    std::vector<int> weights;
};

// A triangle as wide as two source pixels, or two target pixels where these are larger (Pillow's BILINEAR).
std::vector<Blend> blends(int from, int to) {
    const double scale = static_cast<double>(from) / to, reach = std::max(scale, 1.0);
    std::vector<Blend> all;
    for (int i = 0; i < to; ++i) {
        const double centre = (i + 0.5) * scale;
        const int first = std::max(0, static_cast<int>(centre - reach + 0.5)),
                  end = std::min(from, static_cast<int>(centre + reach + 0.5));
        std::vector<double> weights;
        double sum = 0;
        for (int x = first; x < end; ++x) {
            weights.push_back(std::max(0.0, 1 - std::abs((x + 0.5 - centre) / reach)));
            sum += weights.back();
        }
        Blend blend{first, {}};
        for (const double weight : weights)
            blend.weights.push_back(static_cast<int>(weight / sum * (1 << 22) + 0.5));
        all.push_back(std::move(blend));
    }
    return all;
}

std::uint8_t blended(const Blend& blend, const std::uint8_t* pixels, std::size_t stride) {
    int sum = 1 << 21;
    for (std::size_t i = 0; i < blend.weights.size(); ++i)
        sum += blend.weights[i] * pixels[i * stride];
    return static_cast<std::uint8_t>(std::clamp(sum >> 22, 0, 255));
}

// Along the lines first, then along the columns, each rounded.
Image resized(const Image& image, int side) {
    const auto across = blends(image.width, side), down = blends(image.height, side);
    Image wide{side, image.height, 3, {}}, result{side, side, 3, {}};
    for (int y = 0; y < image.height; ++y)
        for (const auto& blend : across)
            for (int c = 0; c < 3; ++c)
                wide.pixels.push_back(blended(blend, image.at(blend.first, y) + c, 3));
    for (const auto& blend : down)
        for (int x = 0; x < side; ++x)
            for (int c = 0; c < 3; ++c)
                result.pixels.push_back(
                    blended(blend, wide.at(x, blend.first) + c, static_cast<std::size_t>(side) * 3));
    return result;
}

// A photo as SqueezeNet takes it: 256x256, of these the middle, BGR without its mean.
Tensors squeezenet_input(const Preparation& rest, const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
    auto photo = decode_image(bytes, file.string());
    REQUIRE_MESSAGE(photo, photo.error().message);
    const auto frame = rest(resized(widen_grey(*std::move(photo)), 256), true, file.string());
    REQUIRE_MESSAGE(frame, frame.error().message);
    const auto text = frame->text();
    Tensors pixels{std::vector<std::byte>(text.size())};
    std::memcpy(pixels[0].data(), text.data(), text.size());
    return pixels;
}

std::vector<std::filesystem::path> photos_in(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        if (entry.path().extension() == ".JPEG") files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

// The largest difference, as a part of the wanted score; what is as good as 0 differs by nothing.
double worst_difference(const std::vector<double>& scores, const std::vector<double>& wanted) {
    constexpr double nothing = 1e-5;
    REQUIRE(scores.size() == wanted.size());
    double worst = 0;
    for (std::size_t i = 0; i < scores.size(); ++i)
        worst = std::max(worst, std::abs(scores[i] - wanted[i]) / std::max(std::abs(wanted[i]), nothing));
    return worst;
}

}  // namespace

TEST_CASE("MobileNetV1 int8 (QDQ) becomes integers from end to end, and classifies photos") {
    const auto network = data_file("models/mobilenet_v1_1.0_224_int8_qdq.onnx");
    const auto images = data_file("imagenet/photos_224_nhwc_u8.npy");
    const auto classes = data_file("imagenet/photos_class_index.npy");
    const auto stored = data_file("models/mobilenet_v1_1.0_224_int8_qdq.tflite_logits_u8.npy");
    if (!network || !images || !classes || !stored) return;
    const auto model = load(*network);
    CHECK(count_of(model, Op::conv) == 28);
    CHECK(count_of(model, Op::requantize) == 29);
    CHECK(count_of(model, Op::dequantize) == 1);
    SoftNetwork soft(model, *soft::select_kernels());
    std::size_t same = 0, right = 0;
    for (std::size_t i = 0; i < photos; ++i) {
        const auto pixels = photo(*images, i);
        const auto outputs = soft.run(pixels);
        REQUIRE_MESSAGE(outputs, outputs.error().message);
        const auto expected = run_reference_wire(model.graph(), views(pixels));
        REQUIRE_MESSAGE(expected, expected.error().message);
        CHECK(*outputs == *expected);
        const auto best = index_of_largest(scores_of(model, *outputs));
        same += best == index_of_largest(npy_row(*stored, i));
        right += static_cast<double>(best) == npy_row(*classes, i)[0] + 1;  // 0 is "background"
    }
    MESSAGE(same, " of ", photos, " as stored, ", right, " right");
    CHECK(same + 1 >= photos);   // 39 of 40
    CHECK(right + 6 >= photos);  // 34 of 40
}

TEST_CASE("SqueezeNet v1.0 gives photos the stored scores") {
    const auto network = data_file("models/squeezenet_v1.0.onnx");
    const auto directory = data_file("imagenet");
    const auto classes = data_file("imagenet/photos_class_index.npy");
    const auto stored = data_file("models/squeezenet_v1.0.expected_scores.npy");
    if (!network || !directory || !classes || !stored) return;
    const auto model = load(*network);
    const auto files = photos_in(*directory);
    REQUIRE(files.size() == 40);
    AppFile::Input steps;
    steps.crop = {227, 227};
    steps.bgr = true;
    steps.mean = {104, 117, 123};
    const auto rest = Preparation::make(steps, model.inputs()[0]);
    REQUIRE_MESSAGE(rest, rest.error().message);
    SoftNetwork soft(model, *soft::select_kernels());
    std::size_t right = 0;
    double worst = 0;
    for (std::size_t i = 0; i < photos; ++i) {
        const auto pixels = squeezenet_input(*rest, files[i]);
        const auto wanted = npy_row(*stored, i);
        const auto outputs = soft.run(pixels);
        REQUIRE_MESSAGE(outputs, outputs.error().message);
        const auto scores = scores_of(model, *outputs);
        worst = std::max(worst, worst_difference(scores, wanted));
        right += static_cast<double>(index_of_largest(scores)) == npy_row(*classes, i)[0];
        if (i >= by_reference) continue;
        const auto expected = run_reference_wire(model.graph(), views(pixels));
        REQUIRE_MESSAGE(expected, expected.error().message);
        CHECK(worst_difference(scores_of(model, *expected), wanted) < 1e-3);
    }
    MESSAGE(right, " of ", photos, " right, scores within ", worst);
    if (photos == 40) CHECK(right == 28);
    CHECK(worst < 1e-3);
}
