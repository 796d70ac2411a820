// Windows of one and three dimensions as those of two, and ConvTranspose as one convolution for each place in its stride.
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "model/lower.hpp"

namespace fard::model {
namespace {

using List = std::vector<std::int64_t>;
constexpr std::int64_t largest = 1 << 20;  // kernel, stride, dilation, padding
constexpr std::int64_t unlimited = -(std::int64_t{1} << 31);

bool other_rank(const RawNode&, const std::vector<const Tensor*>& operands, std::int64_t) {
    const auto rank = operands.empty() || operands[0] == nullptr ? 4 : operands[0]->shape.size();
    return rank == 3 || rank == 5;
}

// The attributes of a window of one dimension for one of two, of height 1.
Lowering::Attributes flat_window(const RawNode& node) {
    auto attributes = node.attributes;
    for (auto& [name, value] : attributes) {
        auto* list = std::get_if<List>(&value);
        if (list == nullptr) continue;
        if (name == "pads" && list->size() == 2)
            *list = {0, (*list)[0], 0, (*list)[1]};
        else if (name == "output_padding" && list->size() == 1)
            *list = {0, list->front()};
        else if (list->size() == 1)
            *list = {1, list->front()};
    }
    return attributes;
}

// What a window of three dimensions says of each.
struct Window {
    List kernel, strides, dilations, before, after, counts;
};

Window read_window(Lowering& to, const Shape& image, const List& weights) {
    auto& attributes = to.attributes;
    Window window{attributes.integers("kernel_shape", weights), attributes.integers("strides", List(3, 1)),
                  attributes.integers("dilations", List(3, 1)), {}, {}, {}};
    const auto pads = attributes.integers("pads", List(6, 0));
    const auto automatic = attributes.text("auto_pad", "NOTSET");
    const bool ceil = attributes.integer("ceil_mode", 0) != 0;
    if (to.failed()) return window;
    for (const auto* list : {&window.kernel, &window.strides, &window.dilations})
        if (list->size() != 3 || *std::ranges::min_element(*list) < 1 || *std::ranges::max_element(*list) > largest) {
            to.refuse(Fault::invalid_input, fmt::format("has a window of {}", fmt::join(*list, "x")));
            return window;
        }
    if (pads.size() != 6 || *std::ranges::min_element(pads) < 0 || *std::ranges::max_element(pads) > largest) {
        to.refuse(Fault::invalid_input, fmt::format("attribute 'pads' is {}", fmt::join(pads, ", ")));
        return window;
    }
    for (std::size_t i = 0; i < 3; ++i) {
        const auto extent = image[i + 2], stride = window.strides[i], reach = (window.kernel[i] - 1) * window.dilations[i] + 1;
        auto before = pads[i], after = pads[i + 3];
        std::int64_t count = 0;
        if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
            count = (extent + stride - 1) / stride;
            const auto total = std::max<std::int64_t>(0, (count - 1) * stride + reach - extent);
            before = automatic == "SAME_UPPER" ? total / 2 : total - total / 2, after = total - before;
        } else {
            if (automatic == "VALID") before = after = 0;
            const auto rest = extent + before + after - reach;
            if (rest < 0) {
                to.refuse(Fault::invalid_input, fmt::format("a window of {} does not fit an image of {}", reach, extent));
                return window;
            }
            count = rest / stride + 1;
            if (ceil && rest % stride != 0 && count * stride < extent + before) ++count;
        }
        window.before.push_back(before), window.after.push_back(after), window.counts.push_back(count);
    }
    return window;
}

Lowering::Attributes plane_window(const Window& window, std::size_t first, std::size_t second) {
    return {{"kernel_shape", List{window.kernel[first], window.kernel[second]}},
            {"strides", List{window.strides[first], window.strides[second]}},
            {"dilations", List{window.dilations[first], window.dilations[second]}},
            {"pads", List{window.before[first], window.before[second], window.after[first], window.after[second]}}};
}

// The images that lie under one another in the window become channels of one.
void lower_conv_3d(Lowering& to) {
    const auto x = to.shape(to.in(0)), w = to.shape(to.in(1));
    if (to.failed()) return;
    if (w.size() != 5) return to.refuse(Fault::invalid_input, "has weights of " + shown(w) + " for " + shown(x));
    const auto group = to.attributes.integer("group", 1);
    const auto window = read_window(to, x, {w[2], w[3], w[4]});
    if (to.failed()) return;
    if (window.kernel != List{w[2], w[3], w[4]} || w[2] > 1 << 10)
        return to.refuse(Fault::invalid_input, fmt::format("has a kernel of {} and weights of {}",
                                                           fmt::join(window.kernel, "x"), shown(w)));
    auto padded = to.in(0);
    const auto last = (window.counts[0] - 1) * window.strides[0] + (w[2] - 1) * window.dilations[0] + 1;
    const auto behind = std::max<std::int64_t>(0, last - window.before[0] - x[2]);
    if (window.before[0] + behind > 0)
        padded = to.put("Pad", {padded, to.integers({0, 0, window.before[0], 0, 0, 0, 0, behind, 0, 0})});
    std::vector<std::string> places;
    for (std::int64_t k = 0; k < w[2]; ++k) {
        const auto begin = k * window.dilations[0], end = begin + (window.counts[0] - 1) * window.strides[0] + 1;
        const auto place = to.put("Slice", {padded, to.integers({begin}), to.integers({end}), to.integers({2}),
                                            to.integers({window.strides[0]})});
        const auto turned = to.put("Transpose", {place}, {{"perm", List{0, 2, 1, 3, 4}}});
        places.push_back(to.put("Unsqueeze", {turned, to.integers({3})}));
    }
    const auto joined = places.size() == 1 ? places[0] : to.put("Concat", places, {{"axis", std::int64_t{3}}});
    const auto images = to.reshaped(joined, {x[0] * window.counts[0], x[1] * w[2], x[3], x[4]});
    auto attributes = plane_window(window, 1, 2);
    attributes["group"] = group;
    const auto planes = to.put("Conv", {images, to.reshaped(to.in(1), {w[0], w[1] * w[2], w[3], w[4]}), to.in(2)},
                               std::move(attributes));
    const auto apart = to.reshaped(planes, {x[0], window.counts[0], w[0], window.counts[1], window.counts[2]});
    to.make("Transpose", {apart}, {{"perm", List{0, 2, 1, 3, 4}}});
}

void lower_conv(Lowering& to) {
    const auto x = to.shape(to.in(0));
    if (x.size() == 5) return lower_conv_3d(to);
    if (!to.failed() && to.shape(to.in(1)).size() != 3)
        return to.refuse(Fault::invalid_input, "has weights of " + shown(to.shape(to.in(1))) + " for " + shown(x));
    const auto axis = to.integers({2});
    const auto result = to.put("Conv", {to.put("Unsqueeze", {to.in(0), axis}), to.put("Unsqueeze", {to.in(1), axis}), to.in(2)},
                               flat_window(to.node()));
    to.make("Squeeze", {result, axis});
}

// Over the planes, then across them: largest elements and means alike, as each divisor is a product.
void lower_pool(Lowering& to) {
    const auto x = to.shape(to.in(0));
    const auto& op = to.node().op;
    if (x.size() == 3) {
        const auto axis = to.integers({2});
        return to.make("Squeeze", {to.put(op, {to.put("Unsqueeze", {to.in(0), axis})}, flat_window(to.node())), axis});
    }
    if (to.attributes.integer("storage_order", 0) != 0) return to.refuse(Fault::unsupported, "has storage_order 1");
    const auto counts_padding = to.attributes.integer("count_include_pad", 0);
    const auto ceil = to.attributes.integer("ceil_mode", 0);
    const auto window = read_window(to, x, {});
    if (to.failed()) return;
    const auto pool = [&](const std::string& image, Lowering::Attributes attributes) {
        attributes["ceil_mode"] = ceil;
        if (op == "AveragePool") attributes["count_include_pad"] = counts_padding;
        return to.put(op, {image}, std::move(attributes));
    };
    const auto& n = window.counts;
    const auto planes = pool(to.reshaped(to.in(0), {x[0], x[1] * x[2], x[3], x[4]}), plane_window(window, 1, 2));
    const auto lines = to.reshaped(planes, {x[0], x[1], x[2], n[1] * n[2]});
    const Lowering::Attributes across{{"kernel_shape", List{window.kernel[0], 1}},
                                      {"strides", List{window.strides[0], 1}},
                                      {"dilations", List{window.dilations[0], 1}},
                                      {"pads", List{window.before[0], 0, window.after[0], 0}}};
    to.make("Reshape", {pool(lines, across), to.integers({x[0], x[1], n[0], n[1], n[2]})});
}

void lower_global_pool(Lowering& to) {
    List axes;
    for (std::size_t i = 2; i < to.shape(to.in(0)).size(); ++i)
        axes.push_back(static_cast<std::int64_t>(i));
    to.make(to.node().op == "GlobalMaxPool" ? "ReduceMax" : "ReduceMean", {to.in(0)}, {{"axes", axes}});
}

// ---- ConvTranspose
//
// Element i of x goes to i * stride + k * dilation for each place k of the kernel. Those outputs that have the same rest by the
// stride are a convolution of their own, with those places of the kernel that lead there, in reverse.

struct Line {  // one dimension
    std::int64_t extent, kernel, stride, dilation, outputs, cut;  // `cut`: of the full result, before its first
    std::int64_t rows;                                            // of each part
};

struct Part {  // the places first, first + step, ... of the kernel
    std::int64_t first = 0, step = 1, count = 0, dilation = 1, shift = 0;
};

Part part_of(const Line& line, std::int64_t rest) {
    const auto common = std::gcd(line.stride, line.dilation);
    Part part;
    part.first = -1;
    part.step = line.stride / common, part.dilation = line.dilation / common;
    for (std::int64_t k = 0; k < std::min(line.kernel, line.stride) && part.first < 0; ++k)
        if (k * line.dilation % line.stride == rest) part.first = k;
    if (part.first < 0) return {0, 1, 0, 1, 0};  // no place leads there
    part.count = (line.kernel - 1 - part.first) / part.step + 1;
    part.shift = (part.first * line.dilation - rest) / line.stride;
    return part;
}

std::optional<std::vector<Line>> read_lines(Lowering& to, const Shape& x, const Shape& w) {
    auto& attributes = to.attributes;
    const auto kernel = attributes.integers("kernel_shape", {w[2], w[3]}), strides = attributes.integers("strides", {1, 1}),
               dilations = attributes.integers("dilations", {1, 1}), pads = attributes.integers("pads", {0, 0, 0, 0}),
               more = attributes.integers("output_padding", {0, 0}), wanted = attributes.integers("output_shape", {});
    const auto automatic = attributes.text("auto_pad", "NOTSET");
    if (to.failed()) return std::nullopt;
    const auto within = [](const List& list, std::size_t size, std::int64_t least) {
        return list.size() == size && *std::ranges::min_element(list) >= least && *std::ranges::max_element(list) <= largest;
    };
    if (kernel != List{w[2], w[3]} || !within(strides, 2, 1) || !within(dilations, 2, 1) || !within(pads, 4, 0) ||
        !within(more, 2, 0) || (!wanted.empty() && wanted.size() < 2)) {
        to.refuse(Fault::invalid_input, "has kernel, strides, dilations, pads or output shape that do not fit");
        return std::nullopt;
    }
    std::vector<Line> lines;
    for (std::size_t i = 0; i < 2; ++i) {
        Line line{x[i + 2], w[i + 2], strides[i], dilations[i], 0, pads[i], 0};
        const auto full = (line.extent - 1) * line.stride + (line.kernel - 1) * line.dilation + 1 + more[i];
        line.outputs = full - pads[i] - pads[i + 2];
        const bool same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
        if (automatic == "VALID") line.outputs = full, line.cut = 0;
        if (same || !wanted.empty()) {
            line.outputs = wanted.empty() ? line.extent * line.stride : wanted[wanted.size() - 2 + i];
            const auto total = std::max<std::int64_t>(0, full - line.outputs);
            line.cut = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
        }
        if (line.outputs < 1 || line.outputs > largest) {
            to.refuse(Fault::invalid_input, fmt::format("makes {} elements along dimension {}", line.outputs, i + 2));
            return std::nullopt;
        }
        line.rows = (line.cut + line.outputs + line.stride - 1) / line.stride;
        lines.push_back(line);
    }
    return lines;
}

// One part as a convolution, of line.rows elements each way.
std::string part_conv(Lowering& to, const std::string& x, const std::string& weights, std::int64_t outputs,
                      const std::vector<Line>& lines, const Part& down, const Part& right, std::int64_t group) {
    const Part* const parts[] = {&down, &right};
    List starts, ends, steps, dilations, pads(4);
    const bool nothing = down.count == 0 || right.count == 0;  // but the bias
    bool cuts = false;
    for (std::size_t i = 0; i < 2; ++i) {
        const auto part = nothing ? Part{0, 1, 1, 1, 0} : *parts[i];
        const auto& line = lines[i];
        const auto last = part.first + (part.count - 1) * part.step;
        starts.push_back(last), ends.push_back(part.first - part.step < 0 ? unlimited : part.first - part.step);
        steps.push_back(-part.step);
        dilations.push_back(part.dilation);
        pads[i] = (part.count - 1) * part.dilation + part.shift;
        pads[i + 2] = std::max<std::int64_t>(0, line.rows - part.shift - line.extent);
        cuts = cuts || line.extent + part.shift + pads[i + 2] > line.rows;
    }
    const auto axes = to.integers({2, 3});
    std::string own;
    if (const auto shape = to.shape(weights); nothing && !to.failed()) {
        if (!to.may_make(outputs * shape[1])) return x;
        own = to.numbers(std::vector<double>(static_cast<std::size_t>(outputs * shape[1])), {outputs, shape[1], 1, 1});
    } else {
        own = to.put("Slice", {weights, to.integers(starts), to.integers(ends), axes, to.integers(steps)});
    }
    auto result = to.put("Conv", {x, own, to.in(2)}, {{"dilations", dilations}, {"pads", pads}, {"group", group}});
    if (cuts)
        result = to.put("Slice", {result, to.integers({0, 0}), to.integers({lines[0].rows, lines[1].rows}), axes});
    return result;
}

void lower_conv_transpose(Lowering& to) {
    auto x = to.in(0), weights = to.in(1);
    auto shape = to.shape(x), w = to.shape(weights);
    if (to.failed()) return;
    if (shape.size() == 3 && w.size() == 3) {
        const auto axis = to.integers({2});
        const auto result = to.put("ConvTranspose", {to.put("Unsqueeze", {x, axis}), to.put("Unsqueeze", {weights, axis}), to.in(2)},
                                   flat_window(to.node()));
        return to.make("Squeeze", {result, axis});
    }
    const auto group = to.attributes.integer("group", 1);
    if (shape.size() != 4 || w.size() != 4)
        return to.refuse(Fault::unsupported,
                         fmt::format("reads {}; fard runs it with one or two spatial dimensions", shown(shape)));
    if (group < 1 || w[0] != shape[1] || w[0] % group != 0)
        return to.refuse(Fault::invalid_input, fmt::format("input {}, weights {} and group {} do not fit together",
                                                           shown(shape), shown(w), group));
    const auto lines = read_lines(to, shape, w);
    if (!lines) return;
    const auto& [down, right] = std::pair((*lines)[0], (*lines)[1]);
    const auto outputs = w[1] * group;
    if (group > 1) weights = to.reshaped(weights, {group, w[0] / group, w[1], w[2], w[3]});
    weights = to.put("Transpose", {weights}, {{"perm", group > 1 ? List{0, 2, 1, 3, 4} : List{1, 0, 2, 3}}});
    if (group > 1) weights = to.reshaped(weights, {outputs, w[0] / group, w[2], w[3]});
    if (down.stride * right.stride > 1 << 10) return to.refuse(Fault::unsupported, "has strides of more than 1024 places");
    std::vector<std::string> parts;
    for (std::int64_t i = 0; i < down.stride; ++i)
        for (std::int64_t j = 0; j < right.stride; ++j)
            parts.push_back(part_conv(to, x, weights, outputs, *lines, part_of(down, i), part_of(right, j), group));
    auto result = parts[0];
    if (parts.size() > 1) {
        const auto joined = to.put("Concat", parts, {{"axis", std::int64_t{1}}});
        const auto apart = to.reshaped(joined, {shape[0], down.stride, right.stride, outputs, down.rows, right.rows});
        result = to.reshaped(to.put("Transpose", {apart}, {{"perm", List{0, 3, 4, 1, 5, 2}}}),
                             {shape[0], outputs, down.rows * down.stride, right.rows * right.stride});
    }
    to.make("Slice", {result, to.integers({down.cut, right.cut}),
                      to.integers({down.cut + down.outputs, right.cut + right.outputs}), to.integers({2, 3})});
}

}  // namespace

const std::vector<LoweredRow>& lowered_windows() {
    constexpr std::string_view conv = "auto_pad dilations group kernel_shape pads strides",
                               transposed = "auto_pad dilations group kernel_shape output_padding output_shape pads strides",
                               pool = "auto_pad ceil_mode count_include_pad dilations kernel_shape pads storage_order strides";
    static const std::vector<LoweredRow> rows{
        {"", "AveragePool", 1, 1, lower_pool, pool, other_rank},
        {"", "Conv", 2, 3, lower_conv, conv, other_rank},
        {"", "ConvTranspose", 2, 3, lower_conv_transpose, transposed},
        {"", "GlobalAveragePool", 1, 1, lower_global_pool, "", other_rank},
        {"", "GlobalMaxPool", 1, 1, lower_global_pool, "", other_rank},
        {"", "MaxPool", 1, 1, lower_pool, pool, other_rank},
    };
    return rows;
}

}  // namespace fard::model
