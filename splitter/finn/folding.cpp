#include "splitter/finn/folding.hpp"

#include <algorithm>

namespace fard::finn {
namespace {

class Folder {
  public:
    Folder(std::vector<FoldingNode>& nodes, const FoldingTarget& target) : nodes_(nodes), target_(target) {}

    std::int64_t fold() {
        for (auto& node : nodes_)
            std::visit([&](auto& unit) { fold(unit, node); }, node.unit);
        std::int64_t slowest = 0;
        for (const auto& node : nodes_)
            slowest = std::max(slowest, cycles(node.unit));
        return slowest;
    }

  private:
    std::int64_t cycles(const Unit& unit) const { return estimate(unit, target_.version).cycles; }

    // The smallest divisor of `most` that makes the unit fast enough, else `most`.
    template <typename Kind>
    void raise(const Kind& unit, std::int64_t& factor, std::int64_t most) const {
        for (const auto divisor : divisors(most)) {
            factor = divisor;
            if (cycles(unit) < target_.cycles) return;
        }
    }

    void fold(MatrixUnit& unit, const FoldingNode& node) const {
        auto& pe = unit.multipliers.pe;
        auto& simd = unit.multipliers.simd;
        pe = simd = 1;
        for (const auto divisor : divisors(unit.columns)) {
            const auto before = simd;
            simd = divisor;
            if (cycles(unit) < target_.cycles) break;
            if (node.annotated_weights.bits() * divisor > target_.widest_weight_word) {
                simd = before;
                break;
            }
        }
        raise(unit, pe, unit.rows);
    }

    void fold(DepthwiseUnit& unit, const FoldingNode& node) const {
        auto& m = unit.multipliers;
        m.simd = 1;
        raise(unit, m.pe, unit.channels);
        if (m.pe == unit.channels && cycles(unit) > target_.cycles)
            raise(unit, m.simd, unit.kernel[0] * unit.kernel[1]);
        give_window(node, m.pe);
    }
    void fold(PoolUnit& unit, const FoldingNode& node) const {
        raise(unit, unit.pe, unit.channels);
        give_window(node, unit.pe);
    }
    void give_window(const FoldingNode& node, std::int64_t pe) const {
        if (!node.producer) return;
        if (auto* window = std::get_if<WindowUnit>(&nodes_[*node.producer].unit)) window->simd = pe;
    }

    void fold(WindowUnit& unit, const FoldingNode&) const {
        if (!unit.depthwise) raise(unit, unit.simd, unit.channels);
    }
    void fold(ThresholdUnit& unit, const FoldingNode&) const { raise(unit, unit.pe, unit.channels); }
    void fold(GlobalPoolUnit& unit, const FoldingNode&) const { raise(unit, unit.pe, unit.channels); }
    void fold(MaxPoolUnit& unit, const FoldingNode&) const {
        const bool one_line = unit.input[0] == 1 || unit.input[1] == 1;
        if (one_line) raise(unit, unit.pe, unit.channels);  // the other kind has no folding
    }
    void fold(StreamUnit& unit, const FoldingNode&) const {
        if (unit.foldable) raise(unit, unit.pe, unit.elements);
    }
    void fold(PaddingUnit& unit, const FoldingNode&) const {
        if (target_.version == Version::main)
            unit.simd = unit.channels;  // which leaves it as it was made: whole
        else
            raise(unit, unit.simd, unit.channels);
    }
    void fold(FifoUnit&, const FoldingNode&) const {}
    void fold(WidthUnit&, const FoldingNode&) const {}

    std::vector<FoldingNode>& nodes_;
    FoldingTarget target_;
};

}  // namespace

std::vector<std::int64_t> divisors(std::int64_t number) {
    std::vector<std::int64_t> small, large;
    for (std::int64_t d = 1; d * d <= number; ++d) {
        if (number % d != 0) continue;
        small.push_back(d);
        if (d != number / d) large.push_back(number / d);
    }
    small.insert(small.end(), large.rbegin(), large.rend());
    return small;
}

std::int64_t set_folding(std::vector<FoldingNode>& nodes, const FoldingTarget& target) {
    const auto slowest = Folder(nodes, target).fold();
    if (slowest <= target.cycles) return slowest;
    auto reached = target;
    reached.cycles = slowest;
    return Folder(nodes, reached).fold();
}

}  // namespace fard::finn
