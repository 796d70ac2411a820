// Einsum where it is a matrix product, and quantization whose scales come from the data.
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "model/domains.hpp"
#include "model/lower.hpp"

namespace fard::model {
namespace {

using List = std::vector<std::int64_t>;

// An operand with a letter for each dimension.
struct Labelled {
    std::string name, letters;
    Shape shape;
};

Shape extents(const Labelled& x, const std::string& letters) {
    Shape shape;
    for (const char letter : letters)
        shape.push_back(x.shape[x.letters.find(letter)]);
    return shape;
}

Labelled in_order(Lowering& to, const Labelled& x, const std::string& letters) {
    List order;
    for (const char letter : letters)
        order.push_back(static_cast<std::int64_t>(x.letters.find(letter)));
    if (std::ranges::is_sorted(order)) return x;
    return {to.put("Transpose", {x.name}, {{"perm", order}}), letters, extents(x, letters)};
}

// The sum over those dimensions that nothing else has.
Labelled without(Lowering& to, const Labelled& x, const std::string& needed) {
    List axes;
    std::string kept;
    for (std::size_t i = 0; i < x.letters.size(); ++i)
        needed.find(x.letters[i]) == std::string::npos ? axes.push_back(static_cast<std::int64_t>(i))
                                                       : kept.push_back(x.letters[i]);
    if (axes.empty()) return x;
    const auto sum = to.put("ReduceSum", {x.name, to.integers(axes)}, {{"keepdims", std::int64_t{0}}});
    return {sum, kept, extents(x, kept)};
}

std::string those_of(const std::string& letters, auto fits) {
    std::string chosen;
    std::ranges::copy_if(letters, std::back_inserter(chosen), fits);
    return chosen;
}

std::int64_t product(const Shape& shape) { return static_cast<std::int64_t>(elements(shape)); }

Labelled multiplied(Lowering& to, const Labelled& a, const Labelled& b, const std::string& wanted) {
    const auto in = [](const std::string& letters) {
        return [&letters](char letter) { return letters.find(letter) != std::string::npos; };
    };
    const auto shared = those_of(a.letters, in(b.letters));
    const auto batch = those_of(shared, in(wanted)), inner = those_of(shared, [&](char c) { return !in(wanted)(c); });
    const auto rows = those_of(a.letters, [&](char c) { return !in(b.letters)(c); }),
               columns = those_of(b.letters, [&](char c) { return !in(a.letters)(c); });
    for (const char letter : shared)
        if (extents(a, {letter}) != extents(b, {letter}))
            to.refuse(Fault::unsupported, fmt::format("has two extents for '{}'", letter));
    const auto as_matrices = [&](const Labelled& x, const std::string& first, const std::string& second) {
        auto shape = extents(x, batch);
        shape.push_back(product(extents(x, first)));
        shape.push_back(product(extents(x, second)));
        return to.reshaped(in_order(to, x, batch + first + second).name, shape);
    };
    const auto result = to.put("MatMul", {as_matrices(a, rows, inner), as_matrices(b, inner, columns)});
    auto shape = extents(a, batch + rows);
    const auto right = extents(b, columns);
    shape.insert(shape.end(), right.begin(), right.end());
    return {to.reshaped(result, shape), batch + rows + columns, shape};
}

// "bij,bjk->bik" with one letter for each dimension: capital ones from the end of the alphabet for "...".
struct Equation {
    std::vector<std::string> operands;
    std::string result;
};

std::optional<Equation> parsed(Lowering& to, std::string text) {
    std::erase(text, ' ');
    Equation equation;
    const auto arrow = text.find("->");
    std::string left = text.substr(0, arrow);
    std::size_t dots = 0;
    for (std::size_t i = 0, at = 0; i < to.operands(); ++i) {
        const auto comma = left.find(',', at);
        auto letters = left.substr(at, comma == std::string::npos ? comma : comma - at);
        at = comma == std::string::npos ? left.size() : comma + 1;
        if (const auto ellipsis = letters.find("..."); ellipsis != std::string::npos) {
            const auto count = to.shape(to.in(i)).size() + 3 - letters.size();
            if (count > 8 || (dots != 0 && dots != count)) return std::nullopt;
            dots = count;
            letters.replace(ellipsis, 3, std::string("STUVWXYZ").substr(8 - count));
        }
        const std::set<char> different(letters.begin(), letters.end());
        if (letters.size() != to.shape(to.in(i)).size() || different.size() != letters.size()) return std::nullopt;
        equation.operands.push_back(letters);
    }
    const auto all = std::string("STUVWXYZ").substr(8 - dots);
    if (arrow != std::string::npos) {
        equation.result = text.substr(arrow + 2);
        if (const auto ellipsis = equation.result.find("..."); ellipsis != std::string::npos)
            equation.result.replace(ellipsis, 3, all);
        return equation;
    }
    std::map<char, int> counts;
    for (const auto& letters : equation.operands)
        for (const char letter : letters)
            ++counts[letter];
    equation.result = all;
    for (const auto& [letter, count] : counts)
        if (count == 1 && all.find(letter) == std::string::npos) equation.result.push_back(letter);
    return equation;
}

void lower_einsum(Lowering& to) {
    const auto text = to.attributes.text("equation", "");
    const auto equation = parsed(to, text);
    if (to.failed()) return;
    if (!equation || to.operands() > 2)
        return to.refuse(Fault::unsupported,
                         fmt::format("has the equation '{}'; fard runs products of two operands and sums, without diagonals", text));
    std::vector<Labelled> operands;
    for (std::size_t i = 0; i < to.operands(); ++i) {
        const auto needed = equation->result + (to.operands() == 2 ? equation->operands[1 - i] : "");
        operands.push_back(without(to, {to.in(i), equation->operands[i], to.shape(to.in(i))}, needed));
    }
    const auto result = operands.size() == 2 ? multiplied(to, operands[0], operands[1], equation->result) : operands[0];
    if (to.failed()) return;
    if (result.letters.size() != equation->result.size())
        return to.refuse(Fault::unsupported, fmt::format("has the equation '{}', whose result names other dimensions", text));
    to.make("Identity", {in_order(to, result, equation->result).name});
}

// ---- scales from the data

struct Dynamic {
    std::string codes, scale, zero;
};

Dynamic quantized(Lowering& to, const std::string& x) {
    const Lowering::Attributes all{{"keepdims", std::int64_t{0}}};
    const auto zero = to.number(0), most = to.number(255);
    const auto low = to.put("Min", {to.put("ReduceMin", {x}, all), zero}),
               high = to.put("Max", {to.put("ReduceMax", {x}, all), zero});
    const auto scale = to.put("Div", {to.put("Sub", {high, low}), most});
    const auto start = to.put("Sub", {zero, to.put("Div", {low, scale})});
    const auto point = to.put("Round", {to.put("Clip", {start, zero, most})});
    const auto codes = to.put("Add", {to.put("Round", {to.put("Div", {x, scale})}), point});
    constexpr std::int64_t uint8_element = 2;
    return {to.cast(to.put("Clip", {codes, zero, most}), uint8_element), scale, to.cast(point, uint8_element)};
}

void lower_dynamic_quantize_linear(Lowering& to) {
    const auto made = quantized(to, to.in(0));
    to.make("Identity", {made.codes}, {}, "", 0);
    to.make("Identity", {made.scale}, {}, "", 1);
    to.make("Identity", {made.zero}, {}, "", 2);
}

std::string centred(Lowering& to, const std::string& x, const std::string& zero) {
    constexpr std::int64_t int32_element = 6;
    const auto wide = to.cast(x, int32_element);
    return zero.empty() ? wide : to.put("Sub", {wide, to.cast(zero, int32_element)});
}

void integer_product(Lowering& to, const std::string& a, const std::string& b, const std::string& scale,
                     const std::string& bias) {
    const auto product = to.cast(to.put("MatMul", {a, b}), 1);
    const auto scaled = to.put("Mul", {product, scale});
    bias.empty() ? to.make("Identity", {scaled}) : to.make("Add", {scaled, bias});
}

void lower_dynamic_quantize_matmul(Lowering& to) {  // a, b, scale of b, zero point of b, bias
    const auto a = quantized(to, to.in(0));
    integer_product(to, centred(to, a.codes, a.zero), centred(to, to.in(1), to.in(3)), to.put("Mul", {a.scale, to.in(2)}),
                    to.in(4));
}

void lower_matmul_integer_to_float(Lowering& to) {  // a, b, scales, zero points, bias
    integer_product(to, centred(to, to.in(0), to.in(4)), centred(to, to.in(1), to.in(5)), to.put("Mul", {to.in(2), to.in(3)}),
                    to.in(6));
}

}  // namespace

const std::vector<LoweredRow>& lowered_products() {
    static const std::vector<LoweredRow> rows{
        {"", "DynamicQuantizeLinear", 1, 1, lower_dynamic_quantize_linear},
        {"", "Einsum", 1, 2, lower_einsum, "equation"},
        {microsoft_domain, "DynamicQuantizeMatMul", 3, 5, lower_dynamic_quantize_matmul},
        {microsoft_domain, "MatMulIntegerToFloat", 4, 7, lower_matmul_integer_to_float},
    };
    return rows;
}

}  // namespace fard::model
