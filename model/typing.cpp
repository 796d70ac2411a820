#include "model/typing.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "model/operators.hpp"

namespace fard::model {
namespace {

constexpr std::uint64_t max_elements = std::uint64_t{1} << 26;           // of one tensor
constexpr std::uint64_t max_constant_elements = std::uint64_t{1} << 31;  // as of one in a file

bool holds_more(const Shape& shape, std::uint64_t most) {
    std::uint64_t count = 1;
    for (const auto each : shape) {
        if (each < 0 || static_cast<std::uint64_t>(each) > most) return true;
        count *= static_cast<std::uint64_t>(each);
        if (count > most) return true;
    }
    return false;
}

// "['N', 'H', 'W', 'C']", as qonnx writes it, or "NHWC".
Layout parse_layout(const std::string& annotated) {
    std::string letters;
    std::ranges::copy_if(annotated, std::back_inserter(letters), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (letters == "NHWC") return Layout::nhwc;
    return letters == "NCHW" ? Layout::nchw : Layout::none;
}

// "-8:7", as a stage keeps the bounds of its whole network. Empty where it is not that.
std::optional<Range> parse_range(const std::string* annotated) {
    if (annotated == nullptr) return std::nullopt;
    const auto colon = annotated->find(':');
    if (colon == std::string::npos) return std::nullopt;
    Range range;
    const auto* begin = annotated->data();
    const auto* end = begin + annotated->size();
    const auto low = std::from_chars(begin, begin + colon, range.min);
    const auto high = std::from_chars(begin + colon + 1, end, range.max);
    const bool whole =
        low.ec == std::errc{} && high.ec == std::errc{} && low.ptr == begin + colon && high.ptr == end;
    if (!whole || range.min > range.max) return std::nullopt;
    return range;
}

// An input's annotation if it has one, else its element type.
Result<DataType> input_type(const RawGraph& raw, const RawValue& input) {
    const auto* annotated = raw.annotation(input.name, "finn_datatype");
    // Of 64 bits only those numbers that fit 32: indices do.
    const bool wide = input.declared == "INT64";
    const auto declared = DataType::parse(input.declared == "BOOL" ? "UINT1" : wide ? "INT32" : input.declared);
    if (!declared)
        return fail(Fault::unsupported,
                    "input '{}' has element type {}; fard takes FLOAT32, BOOL and integers of up to 32 bits: cast it where "
                    "the network is exported, and let the network cast it back where it needs that type",
                    input.name, input.declared.empty() ? "unknown" : input.declared);
    const auto known = annotated != nullptr ? DataType::parse(*annotated) : declared;
    const auto& type = known ? known : declared;  // SCALEDINT<8>, ...: nothing that fard could use
    if (*type == DataType::uint(32))
        return fail(Fault::unsupported, "input '{}' is UINT32; fard computes with signed 32 bits",
                    input.name);
    if (declared->is_integer() && (!type->is_integer() || !holds(range_of(*declared), range_of(*type))))
        return fail(Fault::invalid_input,
                    "input '{}' is annotated as {}, which does not fit its element type {}", input.name,
                    type->name(), input.declared);
    return *type;
}

}  // namespace

Result<> require_size(const std::string& tensor, const Shape& shape, bool constant) {
    if (!holds_more(shape, constant ? max_constant_elements : max_elements)) return {};
    return fail(Fault::unsupported, "tensor '{}' would be {}; fard runs tensors of up to 2^26 elements",
                tensor, shown(shape));
}

Layout layout_of(const RawGraph& raw, const Tensor& tensor, Layout otherwise) {
    const auto* annotated = raw.annotation(tensor.name, "tensor_layout");
    return annotated != nullptr && tensor.shape.size() == 4 ? parse_layout(*annotated) : otherwise;
}

bool reads_channels_last(const RawGraph& raw, const std::string& tensor) {
    constexpr std::string_view keeping[] = {
        "Add", "BipolarCodes", "Cast", "Clip",       "DequantCodes",   "DequantizeLinear",
        "Div", "Identity",     "Mul",  "QuantCodes", "QuantizeLinear", "Relu",
        "Sub"};
    const RawAttribute to_first = std::vector<std::int64_t>{0, 3, 1, 2};
    std::set<std::string> same{tensor};
    bool turned = false;
    for (const auto& node :
         raw.nodes) {  // in the file's order: one that reads what comes later is none of these
        const auto read =
            std::ranges::find_if(node.inputs, [&](const auto& name) { return same.contains(name); });
        if (read == node.inputs.end()) continue;
        const auto perm = node.attributes.find("perm");
        if (node.op == "ChannelsFirst" || (perm != node.attributes.end() && perm->second == to_first))
            turned = true;
        else if (std::ranges::find(keeping, node.op) != std::end(keeping))
            same.insert(node.outputs.begin(), node.outputs.end());
        else
            return false;
    }
    return turned &&
           std::ranges::none_of(raw.outputs, [&](const auto& each) { return same.contains(each.name); });
}

Result<Tensor> typed_input(const RawGraph& raw, const RawValue& input) {
    if (!input.shape) return fail(Fault::unsupported, "input '{}' has no shape", input.name);
    Tensor tensor;
    tensor.name = input.name;
    tensor.shape = *input.shape;
    tensor.declared = input.declared;
    if (!tensor.shape.empty() && tensor.shape[0] == -1) tensor.shape[0] = 1;  // an open batch: one image
    if (std::any_of(tensor.shape.begin(), tensor.shape.end(), [](auto extent) { return extent < 1; }))
        return fail(Fault::unsupported,
                    "input '{}' leaves more than its first dimension open ({}); say which with --shape {}=... "
                    "(`fard run`, `inspect` and `split`), or export it with fixed sizes",
                    input.name, shown(tensor.shape), input.name);
    if (auto done = require_size(input.name, tensor.shape); !done) return fail(done.error());
    tensor.layout = layout_of(raw, tensor, usual_layout(tensor.shape));
    const auto type = input_type(raw, input);
    if (!type) return fail(type.error());
    tensor.type = *type;
    if (tensor.type.is_integer()) {
        tensor.range = range_of(tensor.type);
        if (const auto known = parse_range(raw.annotation(input.name, "fard_range"));
            known && holds(*tensor.range, *known))
            tensor.range = known;
    }
    return tensor;
}

Result<> give_type(const RawGraph& raw, Tensor& output, const std::optional<Bounds>& bounds,
                   std::optional<DataType> wanted) {
    const auto* annotation = raw.annotation(output.name, "finn_datatype");
    DataType annotated = wanted.value_or(DataType());
    if (annotation != nullptr) {
        // Others (SCALEDINT<8>, FIXED<8,4>, ...) say nothing that fard could use.
        if (const auto parsed = DataType::parse(*annotation)) annotated = *parsed;
    }
    const auto declared = DataType::parse(output.declared);
    const bool declared_integer = declared && declared->is_integer();
    if (!bounds) {
        if (annotated.is_integer())
            return fail(Fault::invalid_input,
                        "tensor '{}' is annotated as {}, but what is computed for it are fractions",
                        output.name, *annotation);
        if (declared_integer)
            return fail(Fault::invalid_input,
                        "tensor '{}' has element type {}, but what is computed for it are fractions",
                        output.name, output.declared);
        return {};
    }
    output.range = bounds->range;
    output.type = annotated;
    if (!fits_32_bits(bounds->range)) {
        constexpr Range countable{-(std::int64_t{1} << 61), std::int64_t{1} << 61};
        const bool promised = annotated.is_integer() && fits_32_bits(range_of(annotated));
        if (!promised || !holds(countable, bounds->range))
            return fail(Fault::unsupported,
                        "tensor '{}' can hold {} to {}; fard computes with integers of 32 bits", output.name,
                        bounds->range.min, bounds->range.max);
        output.range = range_of(annotated);
    } else if (!carries(annotated, *bounds)) {
        output.type = narrowest(bounds->range);
    }
    if (declared_integer && !holds(range_of(*declared), *output.range))
        return fail(Fault::unsupported,
                    "tensor '{}' can hold {} to {}, which its element type {} wraps around", output.name,
                    output.range->min, output.range->max, output.declared);
    return {};
}

}  // namespace fard::model
