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

// What an element stands for: real = scale * (element - zero_point). Both lists have one entry, or both have
// one per index of `axis`. Scales are finite and above 0.
struct Affine {
    std::vector<double> scale;
    std::vector<std::int32_t> zero_point;
    int axis = -1;  // -1: one entry for the whole tensor
    friend bool operator==(const Affine&, const Affine&) = default;
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
    bool inner = false;  // within a group of nodes that stands for one operator of the model: never a cut

    std::size_t elements() const;
    bool is_constant() const { return constant.has_value(); }
};

// Every node has one output. Unless a line says otherwise, an operator takes integers and fractions, and its
// output has an integer type exactly if all its operands have one.
enum class Op : std::uint8_t {
    add,  // (a, b): broadcast as in ONNX, as for the next four
    sub,
    mul,
    div,                  // to fractions
    pow,                  // to fractions
    arg_max,              // (x): ArgMaxAttributes; to integers, the index along the dimension
    average_pool,         // (x NCHW): PoolAttributes; to fractions
    batch_normalization,  // (x, scale, bias, mean, variance): BatchNormalizationAttributes; to fractions
    cast,        // (x): CastAttributes; the element type changes; fractions that become integers are cut towards zero
    clip,        // (x): ClipAttributes
    concat,      // (x...): AxisAttributes
    conv,        // (x NCHW, weights OIHW constant, bias O constant if present): ConvAttributes
    dequantize,  // (x integer): DequantizeAttributes; to fractions
    flatten,     // (x): AxisAttributes, 0..rank
    function,    // (x): FunctionAttributes, one row of tables.hpp: Abs, Exp, ...
    gather,      // (x): GatherAttributes
    gemm,        // (a, b, c if present): GemmAttributes
    global_average_pool,  // (x NCHW); to fractions
    hard_sigmoid,         // (x): HardSigmoidAttributes; to fractions
    identity,             // (x)
    leaky_relu,           // (x): LeakyReluAttributes; to fractions
    lookup,               // (x, indices): AxisAttributes; a gather whose indices are computed
    matmul,               // (a, b): as in ONNX, ranks from 1
    max_pool,             // (x NCHW): PoolAttributes
    multi_threshold,      // (x, thresholds [C or 1][T] constant): MultiThresholdAttributes; to integers where
                          // scale and bias are whole
    pad,                  // (x): PadAttributes
    pairwise,             // (a, b): PairwiseAttributes, one row of tables.hpp: Max, Less, ...; broadcast
    quantize,             // (x): QuantizeAttributes; to integers
    reduce,               // (x): ReductionAttributes, one row of tables.hpp: ReduceMax, ...
    reduce_mean,          // (x): ReduceAttributes; to fractions
    reduce_sum,           // (x): ReduceAttributes
    relu,                 // (x)
    requantize,           // (x... integer, all of one shape): RequantizeAttributes; to integers
    resample,             // (x): ResampleAttributes; to fractions
    reshape,              // (x): to the shape of the output tensor; also ONNX's Squeeze and Unsqueeze
    sigmoid,              // (x); to fractions
    slice,                // (x): SliceAttributes
    softmax,              // (x): SoftmaxAttributes; to fractions
    sqrt,                 // (x); to fractions
    tanh,                 // (x); to fractions
    top_k_indices,  // (x): TopKAttributes; to integers. ONNX's TopK becomes this node and the next, each
    top_k_values,   // where its result is read
    transpose,      // (x): TransposeAttributes
    where,          // (condition, a, b): a where the condition is not 0, else b; broadcast
};

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
    int channel_axis = 1;  // of x; means nothing where all channels have the same thresholds
};

struct FunctionRow;   // tables.hpp, as the next two
struct PairwiseRow;
struct ReductionRow;

struct FunctionAttributes {
    const FunctionRow* row = nullptr;
    double alpha = 0, beta = 0;  // what the row says of them
};

struct PairwiseAttributes {
    const PairwiseRow* row = nullptr;
};

struct ReductionAttributes {
    const ReductionRow* row = nullptr;
    std::vector<int> axes;  // as ReduceAttributes
    bool keep_dims = true;
};

// Along one dimension: element i of the output is the sum of `taps` elements of x, those at indices[i * taps ...] times
// weights[i * taps ...], added in double and in this order.
struct ResampleAttributes {
    int axis = 0;
    std::size_t taps = 1;
    std::vector<std::int64_t> indices;  // 0 .. extent - 1
    std::vector<double> weights;
};

struct CastAttributes {
    std::optional<Range> range;  // of the integers that fractions become; what lies beyond becomes the nearest
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

// How a fraction becomes a whole number. QONNX: ROUND, CEIL, FLOOR, UP, DOWN, HALF_UP, HALF_DOWN.
enum class Rounding : std::uint8_t {
    half_even,
    ceil,
    floor,
    away_from_zero,
    to_zero,
    half_away_from_zero,
    half_to_zero,
    to_sign,  // -1 below 0, +1 from it on: QONNX's Quant of one signed bit
};

// Fractions to integers:
//   q = clamp(round(x / scale) + zero_point, range)                       (ONNX's QuantizeLinear), or
//   q = clamp(round(x / scale + zero_point), range)   if add_then_round   (QONNX's Quant).
// x / scale is one division and "+" one addition: in float32 where the elements of x are fractions, as the
// standards have it, in double where they are integers. NaN counts as x = 0.
struct QuantizeAttributes {
    Affine affine;
    Rounding rounding = Rounding::half_even;
    bool add_then_round = false;
    Range range;  // within the output's type
};

// Integers to fractions: x - zero_point (exact), times scale (in double), to float.
struct DequantizeAttributes {
    Affine affine;
};

// Integers to integers of other scales. With c the index along dimension `axis` of the output:
//   t = double(x[0] - zero_point[0]) * multiplier[0][c]
//   t = t + double(x[i] - zero_point[i]) * multiplier[i][c]         for i = 1, 2, ... in this order
//   t = t + offset[c]                                               if there is an offset
//   out = clamp(round_half_even(t) + zero_point, range)
// The subtractions are exact; every product and every sum is rounded to double by itself (no fused
// multiply-add). Multipliers are finite and may be negative.
//
// It ends a group of nodes that stands for one operator of the model on quantized tensors:
//   Conv, Gemm, MatMul   sub (of the input's zero point, where it is not 0) -> conv, gemm or matmul of integers
//                        -> requantize. Weights have their zero point subtracted already, so weights that a
//                        model stores as UINT8 may take 9 bits. Padding stands for the real 0, which after
//                        the subtraction is the integer 0. The bias is the integer bias of the conv or gemm
//                        where the model has it as integers of scale sx * sw; else it is the offset (bias /
//                        sy). multiplier = sx * sw / sy, one entry, or one per output channel.
//   Add, Sub             requantize of both operands, multiplier = s_i / sy (Sub: the second one negated)
//   Concat               requantize of each operand whose scale or zero point is not the output's, then concat
//   Mul                  mul of both operands without their zero points -> requantize, s0 * s1 / sy
//   GlobalAveragePool,   reduce_sum (of x minus its zero point) -> requantize, multiplier = sx / (count * sy)
//   ReduceMean
//   AveragePool          conv in as many groups as channels with weights of 1 -> requantize, where every window
//                        has the same divisor; else it stays an operator on fractions
//   MaxPool, Reshape, Transpose, ...: on the integers as they are, then requantize where the scale changes
// A Relu or Clip behind any of them narrows `range`, which is equal because rounding is monotone; other
// monotone functions make a multi_threshold of the requantize.
struct RequantizeAttributes {
    struct Operand {
        std::vector<double> multiplier;  // one entry, or one per index of `axis`
        std::int32_t zero_point = 0;
    };
    std::vector<Operand> operands;  // of each input
    std::vector<double> offset;     // none, one entry, or one per index of `axis`
    std::int32_t zero_point = 0;
    Range range;    // within the output's type
    int axis = -1;  // -1: every list has one entry
};

struct ClipAttributes {  // to infinity where there is no bound; min > max gives max
    double min = 0;
    double max = 0;
};

struct LeakyReluAttributes {  // alpha * x below 0
    double alpha = 0.01;
};

struct HardSigmoidAttributes {  // alpha * x + beta, between 0 and 1
    double alpha = 0.2;
    double beta = 0.5;
};

struct ArgMaxAttributes {
    int axis = 0;
    bool keep_dims = true;
    bool last = false;      // of equal elements the last one, not the first
    bool smallest = false;  // ArgMin
};

struct TopKAttributes {  // ordered, of equal elements the one with the lower index first; k is in the
                         // output's shape
    int axis = 0;
    bool largest = true;
};

struct GatherAttributes {  // slices of x along `axis`, one per index
    int axis = 0;
    std::vector<std::int64_t>
        indices;  // 0 .. extent - 1, row-major in the shape that they have in the output
};

struct SliceAttributes {  // element i of the output along each dimension is element start + i * step
    std::vector<std::int64_t> starts;
    std::vector<std::int64_t> steps;  // not 0
};

struct PadAttributes {
    enum class Mode : std::uint8_t { constant, edge, reflect };
    std::vector<std::int64_t> before;  // of each dimension; negative: elements that are cut off
    std::vector<std::int64_t> after;
    Mode mode = Mode::constant;
    double value = 0;  // of the padding
};

using Attributes =
    std::variant<std::monostate, ConvAttributes, PoolAttributes, MultiThresholdAttributes, ReduceAttributes,
                 AxisAttributes, SoftmaxAttributes, TransposeAttributes, GemmAttributes,
                 BatchNormalizationAttributes, QuantizeAttributes, DequantizeAttributes, RequantizeAttributes,
                 ClipAttributes, LeakyReluAttributes, HardSigmoidAttributes, ArgMaxAttributes, TopKAttributes,
                 GatherAttributes, SliceAttributes, PadAttributes, FunctionAttributes, PairwiseAttributes,
                 ReductionAttributes, ResampleAttributes, CastAttributes>;

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

std::string_view name_of(const Node& node);  // its operator, as ONNX spells it: "Conv"

struct Graph {
    std::string name;
    std::vector<Tensor> tensors;
    std::vector<Node> nodes;  // topologically sorted
    std::vector<TensorId> inputs;
    std::vector<TensorId> outputs;
    // Sums of fractions are the reference's to the last bit, because integers follow from them, here or in another stage; else
    // they are within ONNX's tolerance of these.
    bool exact_fractions = false;

    const Tensor& operator[](TensorId id) const { return tensors[id]; }
};

// The tensor in wire form: NHWC where the graph has NCHW, its element type packed densely.
TensorDesc wire_desc(const Tensor& tensor);

// Extent of dimension `axis` of a shape, 1 beyond its rank.
std::int64_t extent(const Shape& shape, std::size_t axis);
std::size_t elements(const Shape& shape);

}  // namespace fard::model
