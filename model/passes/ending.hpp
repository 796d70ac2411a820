// What a quantizer is put in place of: integers, the ways from these to one sum, and the functions behind it.
#pragma once

#include <optional>
#include <vector>

#include "model/passes/chain.hpp"
#include "model/passes/real.hpp"

namespace fard::model {

class Ending {
  public:
    // Reads what lies before `id`. Empty where it does not start at integers alone.
    static std::optional<Ending> before(Rewriter& graph, TensorId id);

    const std::vector<Real>& terms() const { return terms_; }  // one where there is no sum
    const Chain& chain() const { return chain_; }              // behind the sum
    bool join_axis(int axis) { return chain_.join_axis(axis); }

    // Of one channel: sum = offset + factors[0] * (real value of terms()[0]) + ...
    struct Weighted {
        std::vector<double> factors;
        double offset = 0;
    };
    // Empty where one of the ways is no line.
    std::optional<Weighted> weighted(std::size_t channel) const;

  private:
    // From a sum's operand to that sum: sign * chain(operand). Its operand is a term, or a sum again.
    struct Way {
        std::optional<std::size_t> outer;  // the way on from that sum; none: it is the last one
        double sign;
        Chain chain;
        std::optional<std::size_t> term;
    };

    explicit Ending(Chain chain) : chain_(std::move(chain)) {}
    bool add_operands(Rewriter& graph, TensorId sum, std::optional<std::size_t> outer);
    bool add_way(Rewriter& graph, TensorId operand, double sign, std::optional<std::size_t> outer);

    std::vector<Real> terms_;
    std::vector<Way> ways_;  // each behind the one that it leads to
    Chain chain_;
};

}  // namespace fard::model
