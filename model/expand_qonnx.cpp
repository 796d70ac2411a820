// QONNX's quantizers: one node that makes integers, and one that says what they stand for.
#include "model/expander.hpp"

namespace fard::model {
namespace {

constexpr std::string_view attributes_of_quant = "narrow rounding_mode signed";

std::string codes(Expander& to, const std::string& hint, const std::vector<std::string>& operands,
                  std::map<std::string, RawAttribute> attributes = {}) {
    return to.put("QuantCodes", operands, to.fresh(hint), std::move(attributes), own_domain);
}

std::string meaning(Expander& to, const std::string& codes, const std::string& scale, const std::string& zero,
                    const std::string& output) {
    return to.put("DequantCodes", {codes, scale, zero}, output, {}, own_domain);
}

void expand_quant(Expander& to) {  // x, scale, zero point, bit width
    const auto made = codes(to, "codes", {to.in(0), to.in(1), to.in(2), to.in(3)}, to.node().attributes);
    meaning(to, made, to.in(1), to.in(2), to.node().outputs[0]);
}

// -1 below 0, +1 from it on.
void expand_bipolar_quant(Expander& to) {  // x, scale
    const auto threshold = to.constant("threshold", {"", "FLOAT32", {1, 1}, {{0}, {}}});
    const auto made = to.put("BipolarCodes", {to.in(0), threshold}, to.fresh("codes"), {}, own_domain);
    meaning(to, made, to.in(1), to.number("zero", 0), to.node().outputs[0]);
}

// The integers of x, as fractions.
std::string whole_codes(Expander& to, const std::string& one, const std::string& zero) {
    const auto most = to.number("bits", 32);
    return meaning(to, codes(to, "codes", {to.in(0), to.in(1), to.in(2), most}), one, zero,
                   to.fresh("whole"));
}

// The integers lose their lowest bits: codes, divided by a power of two and rounded again.
void expand_trunc(Expander& to) {  // x, scale, zero point, bits before, bits after
    auto attributes = to.node().attributes;
    attributes.try_emplace("rounding_mode", std::string("FLOOR"));
    const auto zero = to.number("zero", 0), one = to.number("one", 1);
    const auto whole = whole_codes(to, one, zero);
    const auto dropped = to.put("Sub", {to.in(3), to.in(4)}, to.fresh("dropped"));
    const auto step = to.put("Pow", {to.number("two", 2), dropped}, to.fresh("step"));
    const auto less = codes(to, "less", {whole, step, zero, to.number("most", 32)}, attributes);
    meaning(to, less, to.in(1), to.in(2), to.node().outputs[0]);
}

// Since version 2 of the domain: the scale behind it says how many bits are lost, and its bits clamp the result.
void expand_scaled_trunc(Expander& to) {  // x, scale, zero point, bits before, scale after, bits after
    auto attributes = to.node().attributes;
    attributes.try_emplace("rounding_mode", std::string("FLOOR"));
    const auto zero = to.number("zero", 0), one = to.number("one", 1);
    const auto whole = whole_codes(to, one, zero);
    const auto step = to.put("TruncStep", {to.in(4), to.in(1)}, to.fresh("step"), {}, own_domain);
    const auto less = codes(to, "less", {whole, step, zero, to.in(5)}, attributes);
    const auto moved = to.put("Div", {to.in(2), step}, to.fresh("moved"));
    meaning(to, less, to.in(4), moved, to.node().outputs[0]);
}

void expand_any_trunc(Expander& to) {
    to.node().inputs.size() == 5 ? expand_trunc(to) : expand_scaled_trunc(to);
}

}  // namespace

const std::vector<Expansion>& qonnx_expansions() {
    constexpr std::string_view domain = quantizer_domain;
    static const std::vector<Expansion> rows{
        {domain, "BipolarQuant", 2, 2, expand_bipolar_quant},
        {domain, "FloatQuant", 0, many_operands, nullptr,
         "quantizes to small floating-point numbers; fard computes with integers and FLOAT32, so export the "
         "network "
         "with integer quantizers"},
        {domain, "IntQuant", 4, 4, expand_quant, attributes_of_quant},
        {domain, "Quant", 4, 4, expand_quant, attributes_of_quant},
        {domain, "Trunc", 5, 6, expand_any_trunc, attributes_of_quant},
    };
    return rows;
}

}  // namespace fard::model
