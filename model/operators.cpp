#include "model/operators.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace fard::model {
namespace {

constexpr std::string_view onnx_domain = "";
constexpr std::string_view qonnx_domain = "qonnx.custom_op.general";
constexpr std::string_view finn_domain = "finn.custom_op.general";  // its name before qonnx
constexpr std::size_t many = 1 << 16;

constexpr std::array rows{
    OperatorRow{onnx_domain, "Add", Op::add, 2, 2, read_add},
    OperatorRow{onnx_domain, "AveragePool", Op::average_pool, 1, 1, read_average_pool},
    OperatorRow{onnx_domain, "BatchNormalization", Op::batch_normalization, 5, 5, read_batch_normalization},
    OperatorRow{onnx_domain, "Cast", Op::cast, 1, 1, read_cast},
    OperatorRow{onnx_domain, "Concat", Op::concat, 1, many, read_concat},
    OperatorRow{onnx_domain, "Conv", Op::conv, 2, 3, read_conv},
    OperatorRow{onnx_domain, "Div", Op::div, 2, 2, read_div},
    OperatorRow{onnx_domain, "Flatten", Op::flatten, 1, 1, read_flatten},
    OperatorRow{onnx_domain, "Gemm", Op::gemm, 2, 3, read_gemm},
    OperatorRow{onnx_domain, "GlobalAveragePool", Op::global_average_pool, 1, 1, read_global_average_pool},
    OperatorRow{onnx_domain, "Identity", Op::identity, 1, 1, read_identity},
    OperatorRow{onnx_domain, "MatMul", Op::matmul, 2, 2, read_matmul},
    OperatorRow{onnx_domain, "MaxPool", Op::max_pool, 1, 1, read_max_pool},
    OperatorRow{onnx_domain, "Mul", Op::mul, 2, 2, read_mul},
    OperatorRow{onnx_domain, "ReduceSum", Op::reduce_sum, 1, 2, read_reduce_sum},
    OperatorRow{onnx_domain, "Relu", Op::relu, 1, 1, read_relu},
    OperatorRow{onnx_domain, "Reshape", Op::reshape, 2, 2, read_reshape},
    OperatorRow{onnx_domain, "Softmax", Op::softmax, 1, 1, read_softmax},
    OperatorRow{onnx_domain, "Sub", Op::sub, 2, 2, read_sub},
    OperatorRow{onnx_domain, "Transpose", Op::transpose, 1, 1, read_transpose},
    OperatorRow{qonnx_domain, "MultiThreshold", Op::multi_threshold, 2, 2, read_multi_threshold},
};

}  // namespace

const OperatorRow* find_operator(std::string_view domain, std::string_view name) {
    if (domain == finn_domain) domain = qonnx_domain;
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const OperatorRow& each) {
        return each.domain == domain && each.name == name;
    });
    return row == rows.end() ? nullptr : &*row;
}

std::string supported_operators() {
    std::string list;
    for (const auto& row : rows)
        list.append(list.empty() ? "" : ", ").append(row.name);
    return list;
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

Result<> AttributeReader::done() const {
    if (error_) return fail(*error_);
    return {};
}

bool OperatorInput::all_integer() const {
    return std::all_of(operands.begin(), operands.end(),
                       [](const Tensor* each) { return each == nullptr || each->type.is_integer(); });
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
