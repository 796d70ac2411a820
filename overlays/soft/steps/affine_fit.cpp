#include "overlays/soft/steps/affine_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fard::soft {
namespace {

// For a line of slope `factor`: the offsets with which it passes each threshold t (counted from 1) in time, that is
// reaches t - 1/2 at passing[t] but not at passing[t] - 1.
struct Offsets {
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();

    double room() const { return high - low; }
    double middle() const {
        if (!std::isfinite(low)) return std::isfinite(high) ? high - 1 : 0;
        return std::isfinite(high) ? (low + high) / 2 : low + 1;
    }
};

Offsets offsets_for(double factor, std::span<const std::int64_t> passing, model::Range sums) {
    Offsets offsets;
    for (std::size_t t = 0; t < passing.size(); ++t) {
        const double level = static_cast<double>(t) + 0.5, x = static_cast<double>(passing[t]);
        if (passing[t] <= sums.max) offsets.low = std::max(offsets.low, level - factor * x);
        if (passing[t] > sums.min) offsets.high = std::min(offsets.high, level - factor * (x - 1));
    }
    return offsets;
}

double real_at(AffineChannel channel, std::int64_t x) {
    return std::fma(static_cast<float>(x), channel.factor, channel.offset);
}

bool is_exact(AffineChannel channel, std::span<const std::int64_t> passing, model::Range sums) {
    constexpr double far = 0x1p30;  // round() must give 32 bits
    if (!(std::abs(real_at(channel, sums.min)) < far && std::abs(real_at(channel, sums.max)) < far))
        return false;
    const auto steps = static_cast<double>(passing.size());
    for (std::size_t t = 0; t < passing.size(); ++t) {
        const auto count = static_cast<double>(t);
        const auto at = [&](std::int64_t x) {
            return std::clamp(std::nearbyint(real_at(channel, x)), 0., steps);
        };
        if (passing[t] <= sums.max && !(at(passing[t]) >= count + 1)) return false;
        if (passing[t] > sums.min && !(at(passing[t] - 1) <= count)) return false;
    }
    return true;
}

std::optional<AffineChannel> exact_channel(double factor, std::span<const std::int64_t> passing,
                                           model::Range sums) {
    const AffineChannel channel{static_cast<float>(factor),
                                static_cast<float>(offsets_for(factor, passing, sums).middle())};
    return is_exact(channel, passing, sums) ? std::optional(channel) : std::nullopt;
}

// The slope from the first to the last threshold that some sums pass and others do not.
double secant(std::span<const std::int64_t> passing, model::Range sums) {
    std::size_t first = 0, last = passing.size();
    while (first < last && passing[first] <= sums.min)
        ++first;
    while (last > first && passing[last - 1] > sums.max)
        --last;
    if (last - first < 2 || passing[last - 1] == passing[first]) return 1;
    return static_cast<double>(last - 1 - first) / static_cast<double>(passing[last - 1] - passing[first]);
}

}  // namespace

// The room for the offset is a concave function of the slope: a ternary search finds where it is largest, and ends
// where there is some that will do.
std::optional<AffineChannel> fit_affine(std::span<const std::int64_t> passing, model::Range sums) {
    const double guess = secant(passing, sums);
    if (const auto channel = exact_channel(guess, passing, sums)) return channel;
    double low = 0, high = 4 * guess;
    for (int i = 0; i < 48; ++i) {
        const double left = low + (high - low) / 3, right = high - (high - low) / 3;
        const double left_room = offsets_for(left, passing, sums).room(),
                     right_room = offsets_for(right, passing, sums).room();
        const bool rises = left_room < right_room;
        if (std::max(left_room, right_room) > 0)
            if (const auto channel = exact_channel(rises ? right : left, passing, sums)) return channel;
        (rises ? low : high) = rises ? left : right;
    }
    return exact_channel((low + high) / 2, passing, sums);
}

}  // namespace fard::soft
