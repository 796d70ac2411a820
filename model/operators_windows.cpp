// Operators that slide a window over an image: Conv and the pools.
#include <algorithm>

#include "model/operators.hpp"

namespace fard::model {
namespace {

struct Window {
    Extent2 kernel, strides, dilations;
    Pads pads;
    bool ceil_mode = false;
    Extent2 output;
};

// Output extent and the padding before and after along one dimension.
struct Axis {
    std::int64_t output = 0, before = 0, after = 0;
};

constexpr std::int64_t largest = 1 << 20;  // kernel, stride, dilation, padding

Result<Extent2> pair_of(AttributeReader& attributes, const char* name, std::vector<std::int64_t> fallback) {
    const auto values = attributes.integers(name, std::move(fallback));
    if (values.size() != 2)
        return fail(Fault::unsupported, "attribute '{}' has {} entries; fard knows two spatial dimensions",
                    name, values.size());
    if (std::min(values[0], values[1]) < 1 || std::max(values[0], values[1]) > largest)
        return fail(Fault::invalid_input, "attribute '{}' is {}x{}", name, values[0], values[1]);
    return Extent2{values[0], values[1]};
}

Result<Axis> explicit_axis(std::int64_t input, std::int64_t reach, std::int64_t stride, Axis pads,
                           bool ceil_mode) {
    const auto padded = input + pads.before + pads.after;
    if (padded < reach)
        return fail(Fault::invalid_input, "a window of {} does not fit an image of {} with padding {}+{}",
                    reach, input, pads.before, pads.after);
    pads.output = (padded - reach) / stride + 1;
    // One window more where it would hang out at the end, if it still starts on the image or the padding
    // before it.
    const bool rest = (padded - reach) % stride != 0;
    if (ceil_mode && rest && pads.output * stride < input + pads.before) ++pads.output;
    return pads;
}

Axis same_axis(std::int64_t input, std::int64_t reach, std::int64_t stride, bool more_at_end) {
    const auto output = (input + stride - 1) / stride;
    const auto total = std::max<std::int64_t>(0, (output - 1) * stride + reach - input);
    const auto less = total / 2;
    return more_at_end ? Axis{output, less, total - less} : Axis{output, total - less, less};
}

// Reads what Conv and the pools have in common. `weights`: the kernel where the attribute is left out.
Result<Window> read_window(const OperatorInput& in, AttributeReader& attributes,
                           const std::vector<std::int64_t>& weights) {
    const auto& image = in[0].shape;
    Window window;
    auto kernel = pair_of(attributes, "kernel_shape", weights);
    if (!kernel) return fail(kernel.error());
    auto strides = pair_of(attributes, "strides", {1, 1});
    if (!strides) return fail(strides.error());
    auto dilations = pair_of(attributes, "dilations", {1, 1});
    if (!dilations) return fail(dilations.error());
    const auto pads = attributes.integers("pads", {0, 0, 0, 0});
    const auto auto_pad = attributes.text("auto_pad", "NOTSET");
    window.ceil_mode = attributes.integer("ceil_mode", 0) != 0;
    if (auto done = attributes.done(); !done) return fail(done.error());
    window.kernel = *kernel, window.strides = *strides, window.dilations = *dilations;
    if (pads.size() != 4)
        return fail(Fault::invalid_input, "attribute 'pads' has {} entries, not 4", pads.size());
    for (const auto pad : pads)
        if (pad < 0 || pad > largest) return fail(Fault::invalid_input, "attribute 'pads' holds {}", pad);

    const Extent2 reach{(kernel->height - 1) * dilations->height + 1,
                        (kernel->width - 1) * dilations->width + 1};
    Axis rows, columns;
    if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
        rows = same_axis(image[2], reach.height, strides->height, auto_pad == "SAME_UPPER");
        columns = same_axis(image[3], reach.width, strides->width, auto_pad == "SAME_UPPER");
    } else if (auto_pad == "NOTSET" || auto_pad == "VALID") {
        const bool padded = auto_pad == "NOTSET";
        const auto down = explicit_axis(image[2], reach.height, strides->height,
                                        padded ? Axis{0, pads[0], pads[2]} : Axis{}, window.ceil_mode);
        if (!down) return fail(down.error());
        const auto right = explicit_axis(image[3], reach.width, strides->width,
                                         padded ? Axis{0, pads[1], pads[3]} : Axis{}, window.ceil_mode);
        if (!right) return fail(right.error());
        rows = *down, columns = *right;
    } else {
        return fail(Fault::invalid_input, "attribute 'auto_pad' is '{}'", auto_pad);
    }
    window.pads = {rows.before, columns.before, rows.after, columns.after};
    window.output = {rows.output, columns.output};
    return window;
}

Result<> require_image(const Tensor& x) {
    if (x.shape.size() != 4)
        return fail(Fault::unsupported, "reads {}; fard runs it on images (NxCxHxW) alone", shown(x.shape));
    return {};
}

// Whether each window along one dimension has an element on the image.
bool all_touch(std::int64_t input, std::int64_t output, std::int64_t kernel, std::int64_t stride,
               std::int64_t dilation, std::int64_t before) {
    for (std::int64_t i = 0; i < output; ++i) {
        const auto start = i * stride - before;
        const auto first = start < 0 ? (-start + dilation - 1) / dilation : 0;
        if (first >= kernel || start + first * dilation >= input) return false;
    }
    return true;
}

Result<OperatorResult> read_pool(const OperatorInput& in, bool average) {
    if (auto done = require_image(in[0]); !done) return fail(done.error());
    AttributeReader attributes(in.node);
    if (!attributes.has("kernel_shape"))
        return fail(Fault::invalid_input, "attribute 'kernel_shape' is missing");
    const bool count_include_pad = average && attributes.integer("count_include_pad", 0) != 0;
    auto window = read_window(in, attributes, {});
    if (!window) return fail(window.error());
    const auto& pads = window->pads;
    const auto &kernel = window->kernel, &dilations = window->dilations;
    if (std::max(pads.top, pads.bottom) > (kernel.height - 1) * dilations.height ||
        std::max(pads.left, pads.right) > (kernel.width - 1) * dilations.width)
        return fail(Fault::invalid_input, "is padded by a whole window");
    const auto& image = in[0].shape;
    if (!all_touch(image[2], window->output.height, kernel.height, window->strides.height, dilations.height,
                   pads.top) ||
        !all_touch(image[3], window->output.width, kernel.width, window->strides.width, dilations.width,
                   pads.left))
        return fail(Fault::invalid_input, "has windows that lie beside the image");
    OperatorResult result;
    result.attributes = PoolAttributes{window->kernel, window->strides,   window->dilations,
                                       pads,           window->ceil_mode, count_include_pad};
    result.kept = {0};
    result.shape = {in[0].shape[0], in[0].shape[1], window->output.height, window->output.width};
    result.layout = Layout::nchw;
    result.declared = in[0].declared;
    return result;
}

}  // namespace

Result<OperatorResult> read_conv(const OperatorInput& in) {
    const auto& x = in[0];
    const auto& weights = in[1];
    if (auto done = require_image(x); !done) return fail(done.error());
    if (!weights.is_constant() || (in.has(2) && !in[2].is_constant()))
        return fail(Fault::unsupported, "has weights that are computed; fard needs constants");
    if (weights.shape.size() != 4)
        return fail(Fault::invalid_input, "weights '{}' are {}, not OxIxHxW", weights.name,
                    shown(weights.shape));
    AttributeReader attributes(in.node);
    const auto group = attributes.integer("group", 1);
    auto window = read_window(in, attributes, {weights.shape[2], weights.shape[3]});
    if (!window) return fail(window.error());
    if (window->kernel != Extent2{weights.shape[2], weights.shape[3]})
        return fail(Fault::invalid_input, "attribute 'kernel_shape' is {}x{}, weights '{}' are {}",
                    window->kernel.height, window->kernel.width, weights.name, shown(weights.shape));
    if (group < 1 || group > x.shape[1] || x.shape[1] % group != 0 || weights.shape[0] % group != 0 ||
        weights.shape[1] != x.shape[1] / group)
        return fail(Fault::invalid_input, "input {}, weights {} and group {} do not fit together",
                    shown(x.shape), shown(weights.shape), group);
    if (in.has(2) && in[2].shape != Shape{weights.shape[0]})
        return fail(Fault::invalid_input, "bias '{}' is {}, not {}", in[2].name, shown(in[2].shape),
                    weights.shape[0]);
    OperatorResult result;
    result.attributes =
        ConvAttributes{window->kernel, window->strides, window->dilations, window->pads, group};
    result.kept = in.has(2) ? std::vector<std::size_t>{0, 1, 2} : std::vector<std::size_t>{0, 1};
    result.shape = {x.shape[0], weights.shape[0], window->output.height, window->output.width};
    result.layout = Layout::nchw;
    result.declared = x.declared;
    return result;
}

// One window that is the whole image.
Result<OperatorResult> read_global_max_pool(const OperatorInput& in) {
    if (auto done = require_image(in[0]); !done) return fail(done.error());
    OperatorResult result;
    result.attributes = PoolAttributes{{in[0].shape[2], in[0].shape[3]}, {}, {}, {}};
    result.kept = {0};
    result.shape = {in[0].shape[0], in[0].shape[1], 1, 1};
    result.layout = Layout::nchw;
    result.declared = in[0].declared;
    return result;
}

Result<OperatorResult> read_max_pool(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    if (attributes.integer("storage_order", 0) != 0) return fail(Fault::unsupported, "has storage_order 1");
    return read_pool(in, false);
}

Result<OperatorResult> read_average_pool(const OperatorInput& in) {
    return read_pool(in, true);
}

Result<OperatorResult> read_global_average_pool(const OperatorInput& in) {
    if (auto done = require_image(in[0]); !done) return fail(done.error());
    OperatorResult result;
    result.kept = {0};
    result.shape = {in[0].shape[0], in[0].shape[1], 1, 1};
    result.layout = Layout::nchw;
    result.declared = in[0].declared;
    return result;
}

}  // namespace fard::model
