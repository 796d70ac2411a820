// MatMul and Gemm.
#include <algorithm>
#include <cmath>

#include "model/operators.hpp"

namespace fard::model {
namespace {

struct Matrix {
    std::int64_t rows, columns;
};

Matrix matrix_of(const Shape& shape, bool transposed) {
    if (transposed) return {shape[1], shape[0]};
    return {shape[0], shape[1]};
}

// The leading dimensions of a MatMul, broadcast.
Result<Shape> batch_shape(const Shape& a, const Shape& b) {
    Shape result;
    const auto rank = std::max(a.size(), b.size());
    for (std::size_t i = 0; i + 2 < rank; ++i) {
        const auto at = [&](const Shape& shape) {
            const auto missing = rank - shape.size();
            return i < missing ? 1 : shape[i - missing];
        };
        if (at(a) != at(b) && at(a) != 1 && at(b) != 1)
            return fail(Fault::invalid_input, "multiplies {} by {}", shown(a), shown(b));
        result.push_back(std::max(at(a), at(b)));
    }
    return result;
}

}  // namespace

Result<OperatorResult> read_matmul(const OperatorInput& in) {
    Shape a = in[0].shape, b = in[1].shape;
    if (a.empty() || b.empty()) return fail(Fault::invalid_input, "multiplies {} by {}", shown(a), shown(b));
    const bool vector_a = a.size() == 1, vector_b = b.size() == 1;
    if (vector_a) a.insert(a.begin(), 1);
    if (vector_b) b.push_back(1);
    const auto inner = a.back();
    if (b[b.size() - 2] != inner)
        return fail(Fault::invalid_input, "multiplies {} by {}", shown(in[0].shape), shown(in[1].shape));
    auto shape = batch_shape(a, b);
    if (!shape) return fail(shape.error());
    if (!vector_a) shape->push_back(a[a.size() - 2]);
    if (!vector_b) shape->push_back(b.back());
    OperatorResult result;
    result.kept = {0, 1};
    result.layout = shape->size() == in[0].shape.size() ? in[0].layout : usual_layout(*shape);
    result.shape = *std::move(shape);
    result.declared = in[0].declared;
    return result;
}

Result<OperatorResult> read_gemm(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const GemmAttributes read{attributes.number("alpha", 1), attributes.number("beta", 1),
                              attributes.integer("transA", 0) != 0, attributes.integer("transB", 0) != 0};
    if (auto done = attributes.done(); !done) return fail(done.error());
    if (in[0].shape.size() != 2 || in[1].shape.size() != 2)
        return fail(Fault::invalid_input, "multiplies {} by {}", shown(in[0].shape), shown(in[1].shape));
    const auto a = matrix_of(in[0].shape, read.transpose_a), b = matrix_of(in[1].shape, read.transpose_b);
    if (a.columns != b.rows)
        return fail(Fault::invalid_input, "multiplies {}x{} by {}x{}", a.rows, a.columns, b.rows, b.columns);
    if (in.has(2)) {
        const auto& c = in[2].shape;
        const auto fits = [&](std::size_t from_end, std::int64_t wanted) {
            return c.size() < from_end || c[c.size() - from_end] == 1 || c[c.size() - from_end] == wanted;
        };
        if (c.size() > 2 || !fits(1, b.columns) || !fits(2, a.rows))
            return fail(Fault::invalid_input, "adds {} to {}x{}", shown(c), a.rows, b.columns);
    }
    OperatorResult result;
    result.attributes = read;
    result.kept = in.has(2) ? std::vector<std::size_t>{0, 1, 2} : std::vector<std::size_t>{0, 1};
    result.shape = {a.rows, b.columns};
    result.layout = Layout::nc;
    result.declared = in[0].declared;
    return result;
}

}  // namespace fard::model
