// The typed graph: a network as fard computes it. Built once by the importer for the whole network, then
// read-only.
//
// Shapes are ONNX's (images NCHW, weights OIHW). The importer has checked every node: operand counts, ranks,
// shapes and attributes fit together, so whoever walks the graph need not check them again. Nodes with
// constant operands only (Cast of stored weights, ...) are folded away; nodes that no output needs are
// dropped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/tensor_desc.hpp"

namespace fard::model {

using Shape = std::vector<std::int64_t>;  // every extent >= 1; a scalar has none
using TensorId = std::uint32_t;           // index into Graph::tensors
using NodeId = std::uint32_t;             // index into Graph::nodes

// What the dimensions of a tensor mean, in the order in which the model has them.
enum class Layout : std::uint8_t { none, nc, nchw, nhwc };

// The elements of one tensor, row-major in its shape: `integers` for an integer type, `floats` for FLOAT32;
// the other one is empty. Every integer that the graph knows fits 32 bits, signed.
struct Values {
    std::vector<std::int32_t> integers;
    std::vector<float> floats;
    friend bool operator==(const Values&, const Values&) = default;
};

// Bounds that every element keeps, both inclusive.
struct Range {
    std::int64_t min = 0;
    std::int64_t max = 0;
    friend bool operator==(const Range&, const Range&) = default;
};

// What an element stands for: real = scale * (element - zero_point); one entry, or one per index of `axis`.
struct Affine {
    std::vector<double> scale;
    std::vector<std::int32_t> zero_point;
    int axis = -1;  // -1: one entry for the whole tensor
};

struct Tensor {
    std::string name;
    Shape shape;
    Layout layout = Layout::none;
    DataType type;  // of the elements; an integer type even where the model carries them as floats
    std::optional<Range>
        range;  // integer types: bounds that follow from weights and inputs, within the type's
    std::string declared = "FLOAT32";  // the model's own element type: FLOAT32, UINT8, INT8, INT32, ...
    std::optional<Affine> affine;      // none: an element is its own value
    std::optional<Values> constant;    // weights, thresholds, ...

    std::size_t elements() const;
    bool is_constant() const { return constant.has_value(); }
};

enum class Op : std::uint8_t {
    add,  // (a, b): broadcast as in ONNX, as for the next three
    sub,
    mul,
    div,
    average_pool,         // (x NCHW): PoolAttributes
    batch_normalization,  // (x, scale, bias, mean, variance): BatchNormalizationAttributes
    cast,                 // (x): the element type changes, the values do not
    concat,               // (x...): AxisAttributes
    conv,                 // (x NCHW, weights OIHW constant, bias O constant if present): ConvAttributes
    flatten,              // (x): AxisAttributes, 0..rank
    gemm,                 // (a, b, c if present): GemmAttributes
    global_average_pool,  // (x NCHW)
    identity,             // (x)
    matmul,               // (a, b): as in ONNX, ranks from 1
    max_pool,             // (x NCHW): PoolAttributes
    multi_threshold,      // (x, thresholds [C or 1][T] constant): MultiThresholdAttributes
    reduce_sum,           // (x): ReduceAttributes
    relu,                 // (x)
    reshape,              // (x): to the shape of the output tensor
    softmax,              // (x): SoftmaxAttributes
    transpose,            // (x): TransposeAttributes
};

std::string_view name_of(Op op);  // as ONNX spells it: "Conv"

// Two spatial dimensions, height and width.
struct Pads {
    std::int64_t top = 0, left = 0, bottom = 0, right = 0;
    friend bool operator==(const Pads&, const Pads&) = default;
};

struct Extent2 {
    std::int64_t height = 1, width = 1;
    friend bool operator==(const Extent2&, const Extent2&) = default;
};

struct ConvAttributes {
    Extent2 kernel;
    Extent2 strides;
    Extent2 dilations;
    Pads pads;  // explicit: auto_pad is resolved at import; padded with zeros
    std::int64_t group = 1;
};

struct PoolAttributes {  // padding never wins a maximum
    Extent2 kernel;
    Extent2 strides;
    Extent2 dilations;
    Pads pads;
    bool ceil_mode = false;          // a last window may start inside and end outside
    bool count_include_pad = false;  // AveragePool: padding counts in the divisor
};

// out = bias + scale * |{t : x >= thresholds[channel][t]}|. Thresholds need not be sorted, and may be
// fractions (a FLOAT32 constant) where x is an integer.
struct MultiThresholdAttributes {
    double scale = 1;
    double bias = 0;
    int channel_axis = 1;  // of x
};

struct ReduceAttributes {
    std::vector<int> axes;  // ascending, 0..rank-1, at least one
    bool keep_dims = true;
};

struct AxisAttributes {
    int axis = 0;
};

struct SoftmaxAttributes {
    int axis = 0;
    bool flattened = false;  // opsets before 13: over all dimensions from `axis` on, not over `axis` alone
};

struct TransposeAttributes {
    std::vector<int> permutation;  // output dimension i is input dimension permutation[i]
};

struct GemmAttributes {  // alpha * A' * B' + beta * C
    double alpha = 1;
    double beta = 1;
    bool transpose_a = false;
    bool transpose_b = false;
};

struct BatchNormalizationAttributes {
    double epsilon = 1e-5;
};

using Attributes = std::variant<std::monostate, ConvAttributes, PoolAttributes, MultiThresholdAttributes,
                                ReduceAttributes, AxisAttributes, SoftmaxAttributes, TransposeAttributes,
                                GemmAttributes, BatchNormalizationAttributes>;

struct Node {
    std::string name;  // the model's, or its first output's where the model gives none
    Op op = Op::identity;
    std::vector<TensorId>
        inputs;  // data operands only; what ONNX passes as operand but means as attribute (the shape of
                 // a Reshape, the axes of a ReduceSum) is in the attributes or the output's shape
    std::vector<TensorId> outputs;
    Attributes attributes;

    template <typename T>
    const T& as() const {
        return std::get<T>(attributes);
    }
};

struct Graph {
    std::string name;
    std::vector<Tensor> tensors;
    std::vector<Node> nodes;  // topologically sorted
    std::vector<TensorId> inputs;
    std::vector<TensorId> outputs;

    const Tensor& operator[](TensorId id) const { return tensors[id]; }
};

// The tensor in wire form: NHWC where the graph has NCHW, its element type packed densely.
TensorDesc wire_desc(const Tensor& tensor);

// Extent of dimension `axis` of a shape, 1 beyond its rank.
std::int64_t extent(const Shape& shape, std::size_t axis);
std::size_t elements(const Shape& shape);

}  // namespace fard::model
