// Fractions that are known as integers.
#pragma once

#include <optional>

#include "model/draft.hpp"

namespace fard::model {

struct Real {
    TensorId integers;
    Affine affine;

    bool whole_tensor() const { return affine.axis < 0; }
    double scale() const { return affine.scale[0]; }
    std::int32_t zero_point() const { return affine.zero_point[0]; }
};

// What a tensor stands for: integers are themselves; a constant is known by the integers that it is stored
// as; else it is made by a dequantize, or by a multiplication or division of such a tensor by a number above
// 0.
std::optional<Real> real_of(Rewriter& graph, TensorId id);

// Makes `output`, which stands for scale * integers; a dequantize, or nothing but a new name where the scale
// is 1.
void finish_real(Rewriter& graph, TensorId output, TensorId integers, std::vector<double> scale, int axis);

// The integers minus their zero points, one each or one for all.
std::optional<TensorId> without_zero_point(Rewriter& graph, const Real& real);

}  // namespace fard::model
