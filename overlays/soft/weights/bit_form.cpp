#include "overlays/soft/weights/bit_form.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fard::soft {
namespace {

constexpr double packing = 128;  // products of bytes in the time of packing 64 codes

// 1: weights of -1 and 1; 2: with 0; 0: others.
std::size_t planes_of(const Weights& weights) {
    bool zeros = false;
    for (const auto weight : weights.all()) {
        if (weight < -1 || weight > 1) return 0;
        zeros |= weight == 0;
    }
    return zeros ? 2 : 1;
}

double cost_of(const BitForm& form, const LinearLayer& layer, double rate) {
    const auto& window = layer.window;
    const auto words = static_cast<double>((window.channels + 63) / 64);
    const auto taps = static_cast<double>(window.taps());
    const auto line = static_cast<std::size_t>(window.kernel.width) * window.channels;
    const auto bytes = static_cast<double>((line + 3) / 4 * 4) * static_cast<double>(window.kernel.height);
    const auto planes = static_cast<double>(form.planes);
    const double products = planes * static_cast<double>(form.weight_planes) * words * taps * 64 / rate;
    const auto sums = static_cast<double>(window.out_pixels() * layer.weights.channels);
    const double packs =
        planes * words * static_cast<double>(window.in_height * window.in_width) * packing / sums;
    return (products + packs) / bytes;
}

}  // namespace

std::string BitForm::name() const {
    return fmt::format("{} x {} bits", weight_planes, planes);
}

std::optional<BitForm> bit_form(const Kernels& kernels, const LinearLayer& layer) {
    const auto& window = layer.window;
    if (!kernels.bits || !kernels.bits->runs_here() || layer.in.kind != Storage::Kind::u8 ||
        layer.weights.groups != 1 || window.dilations != model::Extent2{} || layer.in.width > 3)
        return std::nullopt;
    BitForm form;
    form.weight_planes = planes_of(layer.weights);
    if (form.weight_planes == 0) return std::nullopt;
    if (layer.in_bipolar && layer.in.base == -1 && layer.in.width == 2) {
        if (window.pads != model::Pads{}) return std::nullopt;  // a zero has code 1, and no bit
        form.first_bit = 1;                                     // codes 0 and 2
    } else {
        form.planes = layer.in.width > 1 ? 2 : 1;
    }
    form.shift = static_cast<int>(form.first_bit) - static_cast<int>(form.weight_planes - 1);
    form.cost = cost_of(form, layer, kernels.bits->rate);
    return form;
}

}  // namespace fard::soft
