// Resize and Upsample: along one dimension after the other, as gathers (nearest) or weighted sums of neighbours.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "model/domains.hpp"
#include "model/lower.hpp"

namespace fard::model {
namespace {

struct How {
    std::string mode, coordinates, nearest;
    double cubic = -0.75, outside_value = 0;
    bool exclude_outside = false, antialias = false;
};

// One dimension: from `extent` to `outputs` elements. `width` is what the standard counts as length of the result, a
// fraction perhaps.
struct Dimension {
    std::int64_t extent, outputs;
    double scale, width, begin = 0, end = 1;
};

// Where element i of the result lies among the elements of x.
double original(const How& how, const Dimension& d, std::int64_t i) {
    const auto x = static_cast<double>(i), last = static_cast<double>(d.extent - 1);
    if (how.coordinates == "align_corners") return d.width == 1 ? 0 : x * last / (d.width - 1);
    if (how.coordinates == "asymmetric") return x / d.scale;
    if (how.coordinates == "tf_half_pixel_for_nn") return (x + 0.5) / d.scale;
    if (how.coordinates == "pytorch_half_pixel" && d.width == 1) return -0.5;
    if (how.coordinates == "half_pixel_symmetric") {
        const double center = static_cast<double>(d.extent) / 2;
        const double adjusted = static_cast<double>(d.outputs) / d.width;
        return center * (1 - adjusted) + (x + 0.5) / d.scale - 0.5;
    }
    if (how.coordinates == "tf_crop_and_resize")
        return d.begin * last +
               (d.width == 1 ? (d.end - d.begin) * last / 2 : x * (d.end - d.begin) * last / (d.width - 1));
    return (x + 0.5) / d.scale - 0.5;
}

std::int64_t nearest(const How& how, double x) {
    const double below = std::floor(x), rest = x - below;
    const bool up = how.nearest == "ceil"                 ? rest > 0
                    : how.nearest == "floor"              ? false
                    : how.nearest == "round_prefer_ceil" ? rest >= 0.5
                                                          : rest > 0.5;
    return static_cast<std::int64_t>(below) + up;
}

double cubic(double a, double x) {
    x = std::fabs(x);
    if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
}

double stretch_of(const How& how, const Dimension& d) {
    return how.antialias ? std::min(d.scale, 1.0) : 1;
}

// Elements that make one of the result.
double count_of_taps(const How& how, const Dimension& d) {
    return how.mode == "nearest" ? 1 : 2 * std::floor((how.mode == "cubic" ? 2 : 1) / stretch_of(how, d)) + 2;
}

// The weights of the elements around x, from `first` on.
struct Taps {
    std::int64_t first = 0;
    std::vector<double> weights;
};

Taps taps_at(const How& how, const Dimension& d, double x) {
    const double stretch = stretch_of(how, d);
    const double reach = how.mode == "cubic" ? 2 : 1;
    Taps taps;
    const auto below = static_cast<std::int64_t>(std::floor(x));
    const double ratio = x - std::floor(x);
    const auto start = static_cast<std::int64_t>(std::floor(-reach / stretch)) + 1;
    taps.first = below + start;
    for (auto i = start; i < 2 - start; ++i) {
        const double distance = (static_cast<double>(i) - ratio) * stretch;
        const bool excluded = how.exclude_outside && (below + i < 0 || below + i >= d.extent);
        taps.weights.push_back(excluded                ? 0
                               : how.mode == "cubic" ? cubic(how.cubic, distance)
                                                       : std::clamp(1 - std::fabs(distance), 0.0, 1.0));
    }
    if (how.exclude_outside || how.antialias) {
        double sum = 0;
        for (const double each : taps.weights)
            sum += each;
        for (auto& each : taps.weights)
            each /= sum;
    }
    return taps;
}

std::string resample(Lowering& to, const std::string& x, std::int64_t axis, const How& how, const Dimension& d) {
    std::vector<std::int64_t> indices;
    std::vector<double> weights;
    std::size_t count = 0;
    for (std::int64_t i = 0; i < d.outputs; ++i) {
        const auto taps = taps_at(how, d, original(how, d, i));
        count = taps.weights.size();
        for (std::size_t tap = 0; tap < count; ++tap)
            indices.push_back(std::clamp<std::int64_t>(taps.first + static_cast<std::int64_t>(tap), 0, d.extent - 1));
        weights.insert(weights.end(), taps.weights.begin(), taps.weights.end());
    }
    return to.put("Resample", {x},
                  {{"axis", axis}, {"taps", static_cast<std::int64_t>(count)}, {"indices", indices}, {"weights", weights}},
                  own_domain);
}

std::string pick(Lowering& to, const std::string& x, std::int64_t axis, const How& how, const Dimension& d) {
    std::vector<std::int64_t> indices;
    bool same = d.outputs == d.extent;
    for (std::int64_t i = 0; i < d.outputs; ++i) {
        indices.push_back(std::clamp<std::int64_t>(nearest(how, original(how, d, i)), 0, d.extent - 1));
        same = same && indices.back() == i;
    }
    return same ? x : to.put("Gather", {x, to.integers(indices)}, {{"axis", axis}});
}

// What lies outside of the region that is cropped gets a value of its own.
std::string fill_outside(Lowering& to, const std::string& x, std::size_t axis, std::size_t rank, const How& how,
                         const Dimension& d) {
    Shape shape(rank, 1);
    shape[axis] = d.outputs;
    RawTensor mask{"", "BOOL", shape, {}};
    bool any = false;
    for (std::int64_t i = 0; i < d.outputs; ++i) {
        const double at = original(how, d, i);
        const bool outside = at < 0 || at > static_cast<double>(d.extent - 1);
        mask.add(outside), any = any || outside;
    }
    return any ? to.put("Where", {to.constant(std::move(mask)), to.number_like(x, how.outside_value), x}) : x;
}

How read_how(Lowering& to) {
    How how;
    auto& attributes = to.attributes;
    const bool old = to.node().op == "Upsample" || to.opset() < 11;
    how.mode = attributes.text("mode", "nearest");
    how.coordinates = attributes.text("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
    how.nearest = attributes.text("nearest_mode", old ? "floor" : "round_prefer_floor");
    how.cubic = attributes.number("cubic_coeff_a", -0.75);
    how.outside_value = attributes.number("extrapolation_value", 0);
    how.exclude_outside = attributes.integer("exclude_outside", 0) != 0;
    how.antialias = attributes.integer("antialias", 0) != 0;
    if (how.mode == "bilinear") how.mode = "linear";
    constexpr std::string_view known[] = {"half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
                                          "align_corners", "asymmetric",           "tf_crop_and_resize",
                                          "tf_half_pixel_for_nn"};
    if (std::ranges::find(known, how.coordinates) == std::end(known))
        to.refuse(Fault::invalid_input, "attribute 'coordinate_transformation_mode' is '" + how.coordinates + "'");
    if (how.mode != "nearest" && how.mode != "linear" && how.mode != "cubic")
        to.refuse(Fault::invalid_input, "attribute 'mode' is '" + how.mode + "'");
    return how;
}

// The scales or sizes of all dimensions; what the attribute 'axes' does not name stays.
std::vector<Dimension> read_dimensions(Lowering& to, const Shape& shape) {
    const bool has_roi = to.node().op == "Resize" && to.opset() >= 11;
    const std::size_t scales_at = has_roi ? 2 : 1;
    const auto rank = shape.size();
    std::vector<std::size_t> axes;
    for (const auto each : to.attributes.integers("axes", {}))
        axes.push_back(to.axis(each, rank));
    if (!to.attributes.has("axes"))
        for (std::size_t i = 0; i < rank; ++i)
            axes.push_back(i);
    auto scales = to.has(scales_at) ? to.values(to.in(scales_at)) : to.attributes.numbers("scales");
    const auto sizes = has_roi && to.has(3) ? to.list(3, "sizes") : std::vector<std::int64_t>{};
    const auto roi = has_roi && to.has(1) ? to.values(to.in(1)) : std::vector<double>{};
    const auto policy = to.attributes.text("keep_aspect_ratio_policy", "stretch");
    std::vector<Dimension> dimensions;
    for (const auto extent : shape)
        dimensions.push_back({extent, extent, 1, static_cast<double>(extent)});
    if (to.failed()) return dimensions;
    const bool by_sizes = scales.empty();
    if ((by_sizes ? sizes.size() : scales.size()) != axes.size()) {
        to.refuse(Fault::unsupported, fmt::format("needs a constant scale or size for each of {} dimensions", axes.size()));
        return dimensions;
    }
    double all = policy == "not_larger" ? HUGE_VAL : 0;
    for (std::size_t i = 0; by_sizes && i < axes.size(); ++i) {
        const auto own = static_cast<double>(sizes[i]) / static_cast<double>(shape[axes[i]]);
        all = policy == "not_larger" ? std::min(all, own) : std::max(all, own);
    }
    for (std::size_t i = 0; i < axes.size(); ++i) {
        auto& d = dimensions[axes[i]];
        const auto extent = static_cast<double>(d.extent);
        double outputs = by_sizes ? static_cast<double>(sizes[i]) : std::floor(extent * scales[i]);
        if (by_sizes && policy != "stretch") outputs = std::floor(all * extent + 0.5);
        if (!(outputs >= 1 && outputs <= 1 << 26)) {
            to.refuse(Fault::invalid_input, fmt::format("makes {} elements along dimension {}", outputs, axes[i]));
            return dimensions;
        }
        d.outputs = static_cast<std::int64_t>(outputs);
        d.scale = by_sizes ? outputs / extent : scales[i];
        d.width = by_sizes ? outputs : extent * scales[i];
        if (roi.size() == 2 * axes.size()) d.begin = roi[i], d.end = roi[i + axes.size()];
    }
    return dimensions;
}

void lower_resize(Lowering& to) {
    auto x = to.in(0);
    const auto shape = to.shape(x);
    const auto how = read_how(to);
    const auto dimensions = read_dimensions(to, shape);
    if (to.failed()) return;
    if (how.mode != "nearest" && to.declared(x) != "FLOAT32")
        return to.refuse(Fault::unsupported,
                         fmt::format("interpolates between {}; fard does so with fractions alone: dequantize before it",
                                     to.declared(x)));
    const bool crops = how.coordinates == "tf_crop_and_resize";
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        const auto& d = dimensions[axis];
        if (d.outputs == d.extent && d.scale == 1 && !crops) continue;
        const auto along = static_cast<std::int64_t>(axis);
        const double made = static_cast<double>(d.outputs) * count_of_taps(how, d);
        if (!to.may_make(static_cast<std::int64_t>(std::min(made, 0x1p40)))) return;
        x = how.mode == "nearest" ? pick(to, x, along, how, d) : resample(to, x, along, how, d);
    }
    for (std::size_t axis = 0; crops && axis < shape.size(); ++axis)
        x = fill_outside(to, x, axis, shape.size(), how, dimensions[axis]);
    to.make("Identity", {x});
}

// Local response normalisation: each element by the squares of those in the channels around it.
void lower_lrn(Lowering& to) {
    const auto x = to.in(0);
    const auto shape = to.shape(x);
    const auto size = to.attributes.integer("size", 0);
    const double alpha = to.attributes.number("alpha", 1e-4F), beta = to.attributes.number("beta", 0.75),
                 bias = to.attributes.number("bias", 1);
    if (to.failed()) return;
    if (shape.size() < 2 || size < 1 || size > 1 << 12)
        return to.refuse(Fault::invalid_input, fmt::format("normalises {} over {} channels", shown(shape), size));
    if (!to.may_make(shape[1] * size)) return;
    std::vector<std::int64_t> indices;
    std::vector<double> weights;
    for (std::int64_t c = 0; c < shape[1]; ++c)
        for (auto i = c - (size - 1) / 2; i <= c + size / 2; ++i) {
            const bool inside = i >= 0 && i < shape[1];
            indices.push_back(inside ? i : 0);
            weights.push_back(inside ? alpha / static_cast<double>(size) : 0);
        }
    const auto sums = to.put("Resample", {to.put("Mul", {x, x})},
                             {{"axis", std::int64_t{1}}, {"taps", size}, {"indices", indices}, {"weights", weights}},
                             own_domain);
    const auto power = to.put("Pow", {to.put("Add", {sums, to.number(bias)}), to.number(beta)});
    to.make("Div", {x, power});
}

}  // namespace

const std::vector<LoweredRow>& lowered_resizes() {
    constexpr std::string_view attributes =
        "antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value "
        "keep_aspect_ratio_policy mode nearest_mode";
    static const std::vector<LoweredRow> rows{
        {"", "LRN", 1, 1, lower_lrn, "alpha beta bias size"},
        {"", "Resize", 1, 4, lower_resize, attributes},
        {"", "Upsample", 1, 2, lower_resize, "mode scales"},
    };
    return rows;
}

}  // namespace fard::model
