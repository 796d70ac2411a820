#include "model/operators.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ranges>

#include "model/constant_operators.hpp"
#include "model/domains.hpp"
#include "model/expand.hpp"
#include "model/lower.hpp"

namespace fard::model {
namespace {

constexpr std::string_view onnx_domain = "";
constexpr std::size_t many = 1 << 16;

constexpr std::array rows{
    OperatorRow{onnx_domain, "Add", Op::add, 2, 2, read_add, ""},
    OperatorRow{onnx_domain, "ArgMax", Op::arg_max, 1, 1, read_arg_max, "axis keepdims select_last_index"},
    OperatorRow{onnx_domain, "ArgMin", Op::arg_max, 1, 1, read_arg_max, "axis keepdims select_last_index"},
    OperatorRow{onnx_domain, "AveragePool", Op::average_pool, 1, 1, read_average_pool,
                "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides"},
    OperatorRow{onnx_domain, "BatchNormalization", Op::batch_normalization, 5, 5, read_batch_normalization,
                "epsilon momentum spatial training_mode"},
    OperatorRow{onnx_domain, "Cast", Op::cast, 1, 1, read_cast, "saturate to"},
    OperatorRow{onnx_domain, "Clip", Op::clip, 1, 3, read_clip, "max min"},
    OperatorRow{onnx_domain, "Concat", Op::concat, 1, many, read_concat, "axis"},
    OperatorRow{onnx_domain, "Conv", Op::conv, 2, 3, read_conv,
                "auto_pad dilations group kernel_shape pads strides"},
    OperatorRow{onnx_domain, "DequantizeLinear", Op::dequantize, 2, 3, read_dequantize_linear,
                "axis block_size output_dtype"},
    OperatorRow{onnx_domain, "Div", Op::div, 2, 2, read_div, ""},
    OperatorRow{onnx_domain, "Dropout", Op::identity, 1, 3, read_dropout, "ratio seed"},
    OperatorRow{onnx_domain, "Flatten", Op::flatten, 1, 1, read_flatten, "axis"},
    OperatorRow{onnx_domain, "Gather", Op::gather, 2, 2, read_gather, "axis"},
    OperatorRow{onnx_domain, "Gemm", Op::gemm, 2, 3, read_gemm, "alpha beta transA transB"},
    OperatorRow{onnx_domain, "GlobalAveragePool", Op::global_average_pool, 1, 1, read_global_average_pool,
                ""},
    OperatorRow{onnx_domain, "GlobalMaxPool", Op::max_pool, 1, 1, read_global_max_pool, ""},
    OperatorRow{onnx_domain, "HardSigmoid", Op::hard_sigmoid, 1, 1, read_hard_sigmoid, "alpha beta"},
    OperatorRow{onnx_domain, "Identity", Op::identity, 1, 1, read_identity, ""},
    OperatorRow{onnx_domain, "LeakyRelu", Op::leaky_relu, 1, 1, read_leaky_relu, "alpha"},
    OperatorRow{onnx_domain, "MatMul", Op::matmul, 2, 2, read_matmul, ""},
    OperatorRow{onnx_domain, "MaxPool", Op::max_pool, 1, 1, read_max_pool,
                "auto_pad ceil_mode dilations kernel_shape pads storage_order strides"},
    OperatorRow{onnx_domain, "Mul", Op::mul, 2, 2, read_mul, ""},
    OperatorRow{onnx_domain, "Pad", Op::pad, 1, 4, read_pad, "mode pads value"},
    OperatorRow{onnx_domain, "Pow", Op::pow, 2, 2, read_pow, ""},
    OperatorRow{onnx_domain, "QuantizeLinear", Op::quantize, 2, 3, read_quantize_linear,
                "axis block_size output_dtype saturate"},
    OperatorRow{onnx_domain, "ReduceMean", Op::reduce_mean, 1, 2, read_reduce_mean,
                "axes keepdims noop_with_empty_axes"},
    OperatorRow{onnx_domain, "ReduceSum", Op::reduce_sum, 1, 2, read_reduce_sum,
                "axes keepdims noop_with_empty_axes"},
    OperatorRow{onnx_domain, "Relu", Op::relu, 1, 1, read_relu, ""},
    OperatorRow{onnx_domain, "Reshape", Op::reshape, 2, 2, read_reshape, "allowzero"},
    OperatorRow{onnx_domain, "Shape", Op::identity, 1, 1, read_identity,
                "end start"},  // a constant, made by the builder
    OperatorRow{onnx_domain, "Sigmoid", Op::sigmoid, 1, 1, read_sigmoid, ""},
    OperatorRow{onnx_domain, "Size", Op::identity, 1, 1, read_identity, ""},  // as Shape
    OperatorRow{onnx_domain, "Slice", Op::slice, 1, 5, read_slice, "axes ends starts"},
    OperatorRow{onnx_domain, "Softmax", Op::softmax, 1, 1, read_softmax, "axis"},
    OperatorRow{onnx_domain, "Sqrt", Op::sqrt, 1, 1, read_sqrt, ""},
    OperatorRow{onnx_domain, "Squeeze", Op::reshape, 1, 2, read_squeeze, "axes"},
    OperatorRow{onnx_domain, "Sub", Op::sub, 2, 2, read_sub, ""},
    OperatorRow{onnx_domain, "Tanh", Op::tanh, 1, 1, read_tanh, ""},
    OperatorRow{onnx_domain, "Transpose", Op::transpose, 1, 1, read_transpose, "perm"},
    OperatorRow{onnx_domain, "Unsqueeze", Op::reshape, 1, 2, read_unsqueeze, "axes"},
    OperatorRow{onnx_domain, "Where", Op::where, 3, 3, read_where, ""},
    OperatorRow{qonnx_domain, "MultiThreshold", Op::multi_threshold, 2, 2, read_multi_threshold,
                "data_layout out_bias out_dtype out_scale"},
    OperatorRow{own_domain, "BipolarCodes", Op::multi_threshold, 2, 2, read_bipolar_codes, ""},
    OperatorRow{own_domain, "ChannelsFirst", Op::transpose, 1, 1, read_channels_first, ""},
    OperatorRow{own_domain, "ChannelsLast", Op::transpose, 1, 1, read_channels_last, ""},
    OperatorRow{own_domain, "DequantCodes", Op::dequantize, 3, 3, read_dequant_codes, ""},
    OperatorRow{own_domain, "Dequantize", Op::dequantize, 1, 1, read_dequantize, "axis scale zero_point"},
    OperatorRow{own_domain, "MultiThreshold", Op::multi_threshold, 2, 2, read_multi_threshold,
                "channel_axis data_layout out_bias out_dtype out_scale"},
    OperatorRow{own_domain, "Quantize", Op::quantize, 1, 1, read_quantize,
                "add_then_round axis range rounding scale to zero_point"},
    OperatorRow{own_domain, "QuantCodes", Op::quantize, 4, 4, read_quant_codes,
                "narrow rounding_mode signed"},
    OperatorRow{own_domain, "Requantize", Op::requantize, 1, many, read_requantize,
                "axis counts multipliers offset range to zero_point zero_points"},
    OperatorRow{own_domain, "Resample", Op::resample, 1, 1, read_resample, "axis indices taps weights"},
    OperatorRow{own_domain, "TruncStep", Op::identity, 2, 2, read_identity,
                ""},  // a constant, made by the builder
    OperatorRow{own_domain, "TopKIndices", Op::top_k_indices, 1, 2, read_top_k_indices,
                "axis k largest sorted"},
    OperatorRow{own_domain, "TopKValues", Op::top_k_values, 1, 2, read_top_k_values, "axis k largest sorted"},
};

}  // namespace

const OperatorRow* find_operator(std::string_view domain, std::string_view name) {
    if (domain == finn_domain) domain = qonnx_domain;
    const auto fits = [&](const OperatorRow& each) { return each.domain == domain && each.name == name; };
    if (const auto row = std::ranges::find_if(rows, fits); row != rows.end()) return &*row;
    const auto row = std::ranges::find_if(table_operators(), fits);
    return row == table_operators().end() ? nullptr : &*row;
}

std::vector<std::string> supported_operators() {
    auto names = expanded_operators();
    const auto lowered = lowered_operators();
    names.insert(names.end(), lowered.begin(), lowered.end());
    const auto constant = constant_operators();
    names.insert(names.end(), constant.begin(), constant.end());
    names.emplace_back("Constant");
    const auto add = [&](const auto& list) {
        for (const auto& row : list)
            if (row.domain != own_domain) names.emplace_back(row.name);
    };
    add(rows), add(table_operators());
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

std::string operand_counts(std::size_t least, std::size_t most) {
    if (most == least) return std::to_string(least);
    if (most >= many) return fmt::format("{} or more", least);
    return fmt::format("{} {} {}", least, most == least + 1 ? "or" : "to", most);
}

Result<> check_attributes(const RawNode& node, std::string_view known) {
    for (const auto& [name, value] : node.attributes) {
        const bool listed = std::ranges::any_of(std::views::split(known, ' '), [&](auto word) {
            return std::string_view(word.begin(), word.end()) == name;
        });
        if (!listed)
            return fail(Fault::unsupported, "has an attribute '{}', which fard does not read ({})", name,
                        known.empty() ? "it reads none here" : fmt::format("it reads: {}", known));
    }
    return {};
}

template <typename T>
T AttributeReader::get(const std::string& name, T fallback, const char* kind) {
    const auto entry = node_.attributes.find(name);
    if (entry == node_.attributes.end()) return fallback;
    if (const T* value = std::get_if<T>(&entry->second)) return *value;
    if (!error_) error_ = Error{Fault::invalid_input, fmt::format("attribute '{}' must be {}", name, kind)};
    return fallback;
}

std::int64_t AttributeReader::integer(const std::string& name, std::int64_t fallback) {
    return get<std::int64_t>(name, fallback, "an integer");
}

double AttributeReader::number(const std::string& name, double fallback) {
    if (const auto entry = node_.attributes.find(name); entry != node_.attributes.end())
        if (const auto* value = std::get_if<std::int64_t>(&entry->second)) return static_cast<double>(*value);
    return get<double>(name, fallback, "a number");
}

std::string AttributeReader::text(const std::string& name, const std::string& fallback) {
    return get<std::string>(name, fallback, "a string");
}

std::vector<std::int64_t> AttributeReader::integers(const std::string& name,
                                                    std::vector<std::int64_t> fallback) {
    return get<std::vector<std::int64_t>>(name, std::move(fallback), "a list of integers");
}

std::vector<double> AttributeReader::numbers(const std::string& name) {
    return get<std::vector<double>>(name, {}, "a list of numbers");
}

Result<> AttributeReader::done() const {
    if (error_) return fail(*error_);
    return {};
}

std::optional<double> OperatorInput::constant_number(std::size_t i) const {
    const auto& tensor = *operands[i];
    if (!tensor.is_constant() || tensor.elements() != 1) return std::nullopt;
    return numbers_of(tensor)[0];
}

Result<std::vector<std::int64_t>> OperatorInput::constant_integers(std::size_t i, const char* name) const {
    const auto& tensor = *operands[i];
    const bool list = tensor.is_constant() && tensor.shape.size() <= 1;
    if (!list || (!tensor.type.is_integer() && tensor.elements() != 0))
        return fail(Fault::unsupported, "has {} '{}' that are not a constant list of integers", name,
                    tensor.name);
    return std::vector<std::int64_t>(tensor.constant->integers.begin(), tensor.constant->integers.end());
}

std::string_view declared_name(std::int64_t element_type) {
    constexpr std::pair<std::int64_t, std::string_view> names[] = {
        {1, "FLOAT32"}, {2, "UINT8"}, {3, "INT8"}, {4, "UINT16"}, {5, "INT16"}, {6, "INT32"}, {7, "INT64"}, {9, "BOOL"}};
    for (const auto& [type, name] : names)
        if (type == element_type) return name;
    return "";
}

std::string element_name(std::int64_t element_type) {
    constexpr std::string_view names[] = {
        "UNDEFINED", "FLOAT32", "UINT8",   "INT8",   "UINT16", "INT16",     "INT32",      "INT64",   "STRING",
        "BOOL",      "FLOAT16", "FLOAT64", "UINT32", "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16"};
    if (element_type >= 0 && element_type < static_cast<std::int64_t>(std::size(names)))
        return std::string(names[element_type]);
    return fmt::format("number {}", element_type);
}

std::vector<double> numbers_of(const Tensor& constant) {
    const auto& values = *constant.constant;
    if (!values.integers.empty()) return {values.integers.begin(), values.integers.end()};
    return {values.floats.begin(), values.floats.end()};
}

Layout usual_layout(const Shape& shape) {
    return shape.size() == 4 ? Layout::nchw : shape.size() == 2 ? Layout::nc : Layout::none;
}

std::string shown(const Shape& shape) {
    if (shape.empty()) return "a scalar";
    return fmt::format("{}", fmt::join(shape, "x"));
}

Result<int> checked_axis(std::int64_t axis, std::size_t rank, std::size_t limit) {
    const auto dimensions = static_cast<std::int64_t>(rank);
    const auto counted = axis < 0 ? axis + dimensions : axis;
    if (axis < -dimensions || counted >= static_cast<std::int64_t>(limit))
        return fail(Fault::invalid_input, "axis {} of a tensor with {} dimensions", axis, rank);
    return static_cast<int>(counted);
}

}  // namespace fard::model
