// The operators that fard runs: from a node as the file has it to its typed form, with the shape and the
// bounds of its result. One row per operator in operators.cpp; each family of them in a file of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/bounds.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

// Reads a node's attributes; remembers the first that is of the wrong kind.
class AttributeReader {
  public:
    explicit AttributeReader(const RawNode& node) : node_(node) {}

    std::int64_t integer(const std::string& name, std::int64_t fallback);
    double number(const std::string& name, double fallback);
    std::string text(const std::string& name, const std::string& fallback);
    std::vector<std::int64_t> integers(const std::string& name, std::vector<std::int64_t> fallback);
    std::vector<double> numbers(const std::string& name);  // empty where it is left out
    bool has(const std::string& name) const { return node_.attributes.contains(name); }

    // Errors: invalid_input, naming the attribute.
    Result<> done() const;

  private:
    template <typename T>
    T get(const std::string& name, T fallback, const char* kind);

    const RawNode& node_;
    std::optional<Error> error_;
};

// A node and the tensors that it reads. Every operand has at least one element, but lists may be empty.
struct OperatorInput {
    const RawNode& node;
    std::int64_t opset;
    std::vector<const Tensor*> operands;  // nullptr: an optional one that is left out

    const Tensor& operator[](std::size_t i) const { return *operands[i]; }
    bool has(std::size_t i) const { return i < operands.size() && operands[i] != nullptr; }

    // A constant operand of one element; none if it is not that.
    std::optional<double> constant_number(std::size_t i) const;
    // A constant operand that is a list of integers, or one. Errors: unsupported, naming it `name`.
    Result<std::vector<std::int64_t>> constant_integers(std::size_t i, const char* name) const;
};

// What becomes of it: a node and its one output. The bounds of integers follow from both (model/infer.hpp).
struct OperatorResult {
    Attributes attributes;
    std::vector<std::size_t> kept;  // operands of the typed node
    Shape shape;
    Layout layout = Layout::none;
    std::string declared = "FLOAT32";
    std::optional<Op> op;          // where it is not the row's
    std::optional<DataType> type;  // where it is not the narrowest that holds the result
};

struct OperatorRow {
    std::string_view domain;
    std::string_view name;
    Op op;
    std::size_t min_operands;
    std::size_t max_operands;
    // Errors: invalid_input (attributes, ranks or shapes that do not fit), unsupported. Without the node's
    // name.
    Result<OperatorResult> (*read)(const OperatorInput&);
    std::string_view attributes;  // that are read, or say nothing about the result; with blanks between them
};

const OperatorRow* find_operator(std::string_view domain, std::string_view name);  // nullptr: not run by fard
std::vector<std::string> supported_operators();                                    // sorted
std::string operand_counts(std::size_t least, std::size_t most);                   // "2", "2 or 3", "1 to 5"
// Errors: unsupported, where the node has an attribute that is not `known` (as OperatorRow has them).
Result<> check_attributes(const RawNode& node, std::string_view known);

// The layout that a shape has when nothing says otherwise.
Layout usual_layout(const Shape& shape);
std::string shown(const Shape& shape);  // "1x3x32x32"
// The name of an ONNX element type that tensors may be declared as: 1 is "FLOAT32". Empty for all others.
std::string_view declared_name(std::int64_t element_type);
std::string element_name(
    std::int64_t element_type);  // of any: "FLOAT16", or "number 40" for one that is not known
// A constant's elements, whichever kind they are.
std::vector<double> numbers_of(const Tensor& constant);
// Negative axes count from the end. Errors: invalid_input unless 0 <= axis < limit afterwards.
Result<int> checked_axis(std::int64_t axis, std::size_t rank, std::size_t limit);

// Those with a row in tables.hpp.
const std::vector<OperatorRow>& table_operators();

// What operators of a kind have in common: operands from `first` on that are broadcast, sums over dimensions.
Result<OperatorResult> read_broadcast(const OperatorInput& in, std::size_t first);
Result<OperatorResult> read_reduction(const OperatorInput& in);

// Families.
Result<OperatorResult> read_add(const OperatorInput& in);
Result<OperatorResult> read_sub(const OperatorInput& in);
Result<OperatorResult> read_mul(const OperatorInput& in);
Result<OperatorResult> read_div(const OperatorInput& in);
Result<OperatorResult> read_relu(const OperatorInput& in);
Result<OperatorResult> read_dropout(const OperatorInput& in);
Result<OperatorResult> read_identity(const OperatorInput& in);
Result<OperatorResult> read_cast(const OperatorInput& in);
Result<OperatorResult> read_softmax(const OperatorInput& in);
Result<OperatorResult> read_batch_normalization(const OperatorInput& in);
Result<OperatorResult> read_multi_threshold(const OperatorInput& in);
Result<OperatorResult> read_conv(const OperatorInput& in);
Result<OperatorResult> read_max_pool(const OperatorInput& in);
Result<OperatorResult> read_average_pool(const OperatorInput& in);
Result<OperatorResult> read_global_average_pool(const OperatorInput& in);
Result<OperatorResult> read_matmul(const OperatorInput& in);
Result<OperatorResult> read_gemm(const OperatorInput& in);
Result<OperatorResult> read_flatten(const OperatorInput& in);
Result<OperatorResult> read_reshape(const OperatorInput& in);
Result<OperatorResult> read_transpose(const OperatorInput& in);
Result<OperatorResult> read_channels_first(const OperatorInput& in);
Result<OperatorResult> read_channels_last(const OperatorInput& in);
Result<OperatorResult> read_concat(const OperatorInput& in);
Result<OperatorResult> read_reduce_sum(const OperatorInput& in);
Result<OperatorResult> read_reduce_mean(const OperatorInput& in);
Result<OperatorResult> read_squeeze(const OperatorInput& in);
Result<OperatorResult> read_unsqueeze(const OperatorInput& in);
Result<OperatorResult> read_sigmoid(const OperatorInput& in);
Result<OperatorResult> read_tanh(const OperatorInput& in);
Result<OperatorResult> read_sqrt(const OperatorInput& in);
Result<OperatorResult> read_leaky_relu(const OperatorInput& in);
Result<OperatorResult> read_hard_sigmoid(const OperatorInput& in);
Result<OperatorResult> read_clip(const OperatorInput& in);
Result<OperatorResult> read_pow(const OperatorInput& in);
Result<OperatorResult> read_arg_max(const OperatorInput& in);
Result<OperatorResult> read_top_k_values(const OperatorInput& in);
Result<OperatorResult> read_top_k_indices(const OperatorInput& in);
Result<OperatorResult> read_gather(const OperatorInput& in);
Result<OperatorResult> read_slice(const OperatorInput& in);
Result<OperatorResult> read_pad(const OperatorInput& in);
Result<OperatorResult> read_quantize(const OperatorInput& in);
Result<OperatorResult> read_dequantize(const OperatorInput& in);
Result<OperatorResult> read_requantize(const OperatorInput& in);
Result<OperatorResult> read_quantize_linear(const OperatorInput& in);
Result<OperatorResult> read_dequantize_linear(const OperatorInput& in);
Result<OperatorResult> read_quant_codes(const OperatorInput& in);
Result<OperatorResult> read_bipolar_codes(const OperatorInput& in);
Result<OperatorResult> read_dequant_codes(const OperatorInput& in);
Result<OperatorResult> read_global_max_pool(const OperatorInput& in);
Result<OperatorResult> read_where(const OperatorInput& in);
Result<OperatorResult> read_resample(const OperatorInput& in);

}  // namespace fard::model
