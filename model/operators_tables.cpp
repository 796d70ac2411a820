// Operators that have a row in tables.hpp, and others of that kind.
#include <algorithm>
#include <cmath>

#include "model/domains.hpp"
#include "model/operators.hpp"
#include "model/tables.hpp"

namespace fard::model {
namespace {

OperatorResult like(const Tensor& x, Attributes attributes) {
    return {std::move(attributes), {0}, x.shape, x.layout, x.declared};
}

Result<OperatorResult> read_function(const OperatorInput& in) {
    const auto& row = *find_function(in.node.op);
    AttributeReader attributes(in.node);
    FunctionAttributes read{&row, row.alpha, row.beta};
    if (!row.first.empty()) read.alpha = attributes.number(std::string(row.first), row.alpha);
    if (!row.second.empty()) read.beta = attributes.number(std::string(row.second), row.beta);
    if (auto done = attributes.done(); !done) return fail(done.error());
    auto result = like(in[0], read);
    if (row.truth)
        result.declared = "BOOL";
    else if (row.integers == nullptr && in[0].declared != "FLOAT32")
        return fail(Fault::unsupported, "computes with {}; fard runs it on fractions alone", in[0].declared);
    return result;
}

Result<OperatorResult> read_pairwise(const OperatorInput& in) {
    const auto& row = *find_pairwise(in.node.op);
    AttributeReader attributes(in.node);
    const auto fmod = attributes.integer("fmod", 0);
    if (auto done = attributes.done(); !done) return fail(done.error());
    auto result = read_broadcast(in, 0);
    if (!result) return result;
    if (row.name == "PRelu" && result->shape != in[0].shape)
        return fail(Fault::invalid_input, "has slopes of {} for {}", shown(in[1].shape), shown(in[0].shape));
    const bool whole = in[0].declared != "FLOAT32";
    if (in[0].declared != in[1].declared)
        return fail(Fault::invalid_input, "computes {} with {}", in[0].declared, in[1].declared);
    result->attributes = PairwiseAttributes{fmod == 0 ? &row : find_pairwise(whole ? "FmodWhole" : "Fmod")};
    if (row.truth) result->declared = "BOOL";
    return result;
}

Result<OperatorResult> read_table_reduction(const OperatorInput& in) {
    const auto& row = *find_reduction(in.node.op);
    auto result = read_reduction(in);
    if (!result || result->op) return result;
    auto& read = std::get<ReduceAttributes>(result->attributes);
    if (row.integers == nullptr && in[0].declared != "FLOAT32")
        return fail(Fault::unsupported, "computes with {}; fard runs it on fractions alone", in[0].declared);
    result->attributes = ReductionAttributes{&row, std::move(read.axes), read.keep_dims};
    return result;
}

std::string_view attributes_of(const FunctionRow& row) {
    if (row.second.empty()) return row.first;
    return row.name == "IsInf" ? "detect_negative detect_positive" : row.name == "Selu" ? "alpha gamma" : "bias lambd";
}

std::vector<OperatorRow> make_rows() {
    std::vector<OperatorRow> rows;
    for (const auto& row : function_rows())
        for (const auto domain : {std::string_view(), own_domain})
            if (row.since < own_opset || !domain.empty())
                rows.push_back({domain, row.name, Op::function, 1, 1, read_function, attributes_of(row)});
    for (const auto& row : pairwise_rows())
        for (const auto domain : {std::string_view(), own_domain})
            if (row.since < own_opset || !domain.empty())
                rows.push_back({domain, row.name, Op::pairwise, 2, 2, read_pairwise, row.name == "Mod" ? "fmod" : ""});
    for (const auto& row : reduction_rows())
        rows.push_back({"", row.name, Op::reduce, 1, 2, read_table_reduction, "axes keepdims noop_with_empty_axes"});
    return rows;
}

}  // namespace

const std::vector<OperatorRow>& table_operators() {
    static const auto rows = make_rows();
    return rows;
}

Result<OperatorResult> read_where(const OperatorInput& in) {
    if (!in[0].type.is_integer())
        return fail(Fault::invalid_input, "has a condition '{}' that is not BOOL", in[0].name);
    auto result = read_broadcast(in, 1);
    if (!result) return result;
    if (in[1].declared != in[2].declared)
        return fail(Fault::invalid_input, "chooses between {} and {}", in[1].declared, in[2].declared);
    result->declared = in[1].declared;
    return result;
}

// Our own: what Resize and LRN are made of.
Result<OperatorResult> read_resample(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    ResampleAttributes read{static_cast<int>(attributes.integer("axis", 0)), 1, attributes.integers("indices", {}),
                            attributes.numbers("weights")};
    const auto taps = attributes.integer("taps", 1);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto& shape = in[0].shape;
    const auto count = static_cast<std::int64_t>(read.indices.size());
    if (read.axis < 0 || read.axis >= static_cast<int>(shape.size()))
        return fail(Fault::invalid_input, "axis {} of a tensor with {} dimensions", read.axis, shape.size());
    const auto extent = shape[static_cast<std::size_t>(read.axis)];
    const bool within = std::ranges::all_of(read.indices, [&](auto index) { return index >= 0 && index < extent; });
    if (taps < 1 || count == 0 || count % taps != 0 || read.weights.size() != read.indices.size() || !within)
        return fail(Fault::invalid_input, "has {} indices and {} weights for {} taps", count, read.weights.size(), taps);
    read.taps = static_cast<std::size_t>(taps);
    Shape result = shape;
    result[static_cast<std::size_t>(read.axis)] = count / taps;
    auto made = like(in[0], std::move(read));
    made.shape = std::move(result);
    made.declared = "FLOAT32";
    return made;
}

}  // namespace fard::model
