// Functions that turn integers into few integers, as thresholds in one canonical form.
#pragma once

#include <span>

#include "base/result.hpp"
#include "model/layers/layers.hpp"

namespace fard::model {

// result = lowest + step * |{t : sign * x >= t}| over the thresholds t of the channel, for every x within `range`.
// Equal functions on equal ranges have equal thresholds: those of a channel ascend, lie within sign * range or one
// beyond it (never reached), and all channels share one row where they are alike.
struct Thresholds {
    Range range;                        // of x
    std::int64_t lowest = 0, step = 1;  // step >= 0
    std::int64_t steps = 0;             // thresholds of each channel
    std::vector<int> signs;             // of each row; -1: a function that falls
    std::vector<std::int64_t> values;   // row by row

    std::size_t rows() const { return signs.size(); }
    std::span<const std::int64_t> row(std::size_t channel) const;
    std::int64_t apply(std::size_t channel, std::int64_t x) const;
    friend bool operator==(const Thresholds&, const Thresholds&) = default;
};

// The nodes of `chain`, each of which reads what the one before it makes, beside constants that depend on one dimension
// at most; the first one reads integers, the last one makes integers. Exact. Errors: unsupported (a node that does more
// than map elements, is not known to be monotone, or makes too many results).
Result<Thresholds> thresholds_of(const Graph& graph, std::span<const NodeId> chain);

// Of a layer's activation.
Result<Thresholds> thresholds_of(const Graph& graph, const Layer& layer);

// The same function behind a sum: result(x) = thresholds(x + bias of the channel), for x within `range`.
Thresholds behind_bias(const Thresholds& thresholds, std::span<const std::int64_t> bias, Range range);

}  // namespace fard::model
