#include "model/layers/thresholds.hpp"

#include <algorithm>
#include <cmath>

#include "model/bounds.hpp"
#include "model/layers/chain_probe.hpp"

namespace fard::model {
namespace {

constexpr std::int64_t most_enumerated = 1 << 16;  // integers of a range that are tried one by one
constexpr std::size_t most_thresholds = 1 << 24;   // of all channels

struct Results {
    std::int64_t lowest = 0, step = 1, steps = 0;
};

Result<Results> whole_results(const Node& node, double bias, double scale, std::int64_t count) {
    const auto lowest = std::min(bias, bias + scale * static_cast<double>(count));
    const auto step = std::abs(scale);
    if (lowest != std::rint(lowest) || step != std::rint(step))
        return fail(Fault::unsupported, "node '{}' ({}): its results are no integers", node.name,
                    name_of(node));
    return Results{static_cast<std::int64_t>(lowest), static_cast<std::int64_t>(step), count};
}

// What the last node of a chain can make.
Result<Results> results_of(const Graph& graph, const Node& node) {
    if (const auto* threshold = std::get_if<MultiThresholdAttributes>(&node.attributes))
        return whole_results(node, threshold->bias, threshold->scale, graph[node.inputs[1]].shape[1]);
    auto range = *graph[node.outputs[0]].range;
    std::int64_t step = 1;
    if (const auto* quantize = std::get_if<QuantizeAttributes>(&node.attributes)) {
        range = quantize->range;
        if (quantize->rounding == Rounding::to_sign) step = range.max - range.min;
    }
    if (const auto* requantize = std::get_if<RequantizeAttributes>(&node.attributes))
        range = requantize->range;
    const auto width = range.max - range.min;
    return Results{range.min, step, step > 0 ? width / step : 0};
}

std::int64_t unreached(Range range, int sign) {
    return (sign > 0 ? range.max : -range.min) + 1;
}
std::int64_t always(Range range, int sign) {
    return sign > 0 ? range.min : -range.max;
}

void share_row(Thresholds& found) {
    const auto count = static_cast<std::size_t>(found.steps);
    for (std::size_t c = 1; c < found.rows(); ++c)
        if (found.signs[c] != found.signs[0] || !std::ranges::equal(found.row(c), found.row(0))) return;
    found.signs.resize(1);
    found.values.resize(count);
}

// Rows in order, within what x can reach.
void settle(Thresholds& found) {
    const auto count = static_cast<std::size_t>(found.steps);
    for (std::size_t c = 0; c < found.rows(); ++c) {
        const std::span row(found.values.data() + c * count, count);
        const auto sign = found.signs[c];
        for (auto& value : row)
            value = std::clamp(value, always(found.range, sign), unreached(found.range, sign));
        std::ranges::sort(row);
        const bool flat = std::ranges::all_of(row, [&](auto value) {
            return value == always(found.range, sign) || value == unreached(found.range, sign);
        });
        if (!flat || sign > 0) continue;
        found.signs[c] = 1;  // a constant neither rises nor falls
        for (auto& value : row)
            value = value == always(found.range, -1) ? always(found.range, 1) : unreached(found.range, 1);
    }
    share_row(found);
}

// x >= t is x >= ceil(t). With a scale below 0 the thresholds that are not reached count: -x >= 1 - t.
Result<Thresholds> of_multi_threshold(const Graph& graph, const Node& node) {
    const auto results = results_of(graph, node);
    if (!results) return fail(results.error());
    const auto& tensor = graph[node.inputs[1]];
    const bool falls = node.as<MultiThresholdAttributes>().scale < 0;
    Thresholds found{*graph[node.inputs[0]].range, results->lowest, results->step, results->steps, {}, {}};
    found.signs.assign(static_cast<std::size_t>(tensor.shape[0]), falls ? -1 : 1);
    const auto add = [&](double threshold) {
        constexpr double far = 0x1p62;
        const auto whole = static_cast<std::int64_t>(std::clamp(std::ceil(threshold), -far, far));
        found.values.push_back(falls ? 1 - whole : whole);
    };
    for (const auto value : tensor.constant->integers)
        add(value);
    for (const auto value : tensor.constant->floats)
        add(std::isnan(value) ? HUGE_VAL : value);  // which nothing reaches
    settle(found);
    return found;
}

// The first integers at which each result is reached, all channels and results side by side.
class Search {
  public:
    Search(const ChainProbe& probe, Results results) : probe_(probe), range_(probe.range()) {
        found_ = {range_, results.lowest, results.step, results.steps, {}, {}};
    }

    Result<Thresholds> run() {
        if (auto done = find_signs(); !done) return fail(done.error());
        const auto count = static_cast<std::size_t>(found_.steps), channels = probe_.channels();
        std::vector<std::int64_t> low(channels * count), high(low.size()), middle(low.size());
        for (std::size_t i = 0; i < low.size(); ++i) {
            const auto sign = found_.signs[i / count];
            low[i] = always(range_, sign), high[i] = unreached(range_, sign);
        }
        while (low != high) {
            for (std::size_t i = 0; i < low.size(); ++i)
                middle[i] =
                    std::min(low[i] + (high[i] - low[i]) / 2, unreached(range_, found_.signs[i / count]) - 1);
            const auto made = evaluated(middle);
            if (!made) return fail(made.error());
            for (std::size_t i = 0; i < low.size(); ++i) {
                if (low[i] == high[i]) continue;
                const auto wanted = found_.lowest + found_.step * static_cast<std::int64_t>(i % count + 1);
                (*made)[i] >= wanted ? high[i] = middle[i] : low[i] = middle[i] + 1;
            }
        }
        found_.values = std::move(low);
        settle(found_);
        return std::move(found_);
    }

  private:
    Result<> find_signs() {
        std::vector<std::int64_t> ends;
        for (std::size_t c = 0; c < probe_.channels(); ++c)
            ends.insert(ends.end(), {range_.min, range_.max});
        const auto made = probe_.run(ends);
        if (!made) return fail(made.error());
        for (std::size_t c = 0; c < probe_.channels(); ++c)
            found_.signs.push_back((*made)[2 * c] <= (*made)[2 * c + 1] ? 1 : -1);
        return {};
    }

    Result<std::vector<std::int64_t>> evaluated(std::vector<std::int64_t> x) const {
        const auto count = static_cast<std::size_t>(found_.steps);
        for (std::size_t i = 0; i < x.size(); ++i)
            x[i] *= found_.signs[i / count];
        return probe_.run(x);
    }

    const ChainProbe& probe_;
    Range range_;
    Thresholds found_;
};

// Whether what was found is the function for every integer of the range.
Result<> check_all(const ChainProbe& probe, const Thresholds& found, const Node& node) {
    const auto range = probe.range();
    if (range.max - range.min >= most_enumerated)
        return fail(Fault::unsupported, "node '{}' ({}): is not known to be monotone over {} .. {}",
                    node.name, name_of(node), range.min, range.max);
    for (auto x = range.min; x <= range.max; ++x) {
        const auto made = probe.run(std::vector(probe.channels(), x));
        if (!made) return fail(made.error());
        for (std::size_t c = 0; c < probe.channels(); ++c)
            if ((*made)[c] != found.apply(c, x))
                return fail(Fault::unsupported, "node '{}' ({}): is not monotone at {}", node.name,
                            name_of(node), x);
    }
    return {};
}

}  // namespace

std::span<const std::int64_t> Thresholds::row(std::size_t channel) const {
    const auto count = static_cast<std::size_t>(steps);
    return {values.data() + (rows() == 1 ? 0 : channel) * count, count};
}

std::int64_t Thresholds::apply(std::size_t channel, std::int64_t x) const {
    const auto thresholds = row(channel);
    const auto reached =
        std::ranges::upper_bound(thresholds, signs[rows() == 1 ? 0 : channel] * x) - thresholds.begin();
    return lowest + step * reached;
}

Result<Thresholds> thresholds_of(const Graph& graph, std::span<const NodeId> chain) {
    const auto& last = graph.nodes[chain.back()];
    if (chain.size() == 1 && last.op == Op::multi_threshold && graph[last.inputs[0]].range)
        return of_multi_threshold(graph, last);
    const auto probe = ChainProbe::of(graph, chain);
    if (!probe) return fail(probe.error());
    const auto results = results_of(graph, last);
    if (!results) return fail(results.error());
    if (results->steps < 0 ||
        static_cast<std::uint64_t>(results->steps) > most_thresholds / probe->channels())
        return fail(Fault::unsupported, "node '{}' ({}): has {} results, which are too many thresholds",
                    last.name, name_of(last), results->steps + 1);
    if (!fits_32_bits({-probe->range().max - 1, probe->range().max}))
        return fail(Fault::unsupported, "node '{}' ({}): reads integers of all 32 bits", last.name,
                    name_of(last));
    auto found = Search(*probe, *results).run();
    if (!found || probe->is_proven_monotone()) return found;
    if (auto done = check_all(*probe, *found, last); !done) return fail(done.error());
    return found;
}

Result<Thresholds> thresholds_of(const Graph& graph, const Layer& layer) {
    if (!layer.activation)
        return fail(Fault::unsupported, "layer '{}' ({}): has no thresholds", layer.name,
                    name_of(layer.kind));
    return thresholds_of(graph, layer.activation->nodes);
}

Thresholds behind_bias(const Thresholds& thresholds, std::span<const std::int64_t> bias, Range range) {
    auto moved = thresholds;
    const auto channels = std::max(bias.size(), thresholds.rows());
    moved.range = range;
    moved.signs.clear(), moved.values.clear();
    for (std::size_t c = 0; c < channels; ++c) {
        const auto sign = thresholds.signs[thresholds.rows() == 1 ? 0 : c];
        moved.signs.push_back(sign);
        for (const auto value : thresholds.row(c))
            moved.values.push_back(value - sign * bias[bias.size() == 1 ? 0 : c]);
    }
    settle(moved);
    return moved;
}

}  // namespace fard::model
