#include "model/expand.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "model/domains.hpp"

namespace fard::model {
namespace {

constexpr std::int64_t int32_element = 6;  // ONNX's number of the element type

class Expander {
  public:
    explicit Expander(RawGraph& raw) : raw_(raw) {
        for (const auto& input : raw.inputs)
            names_.insert(input.name);
        for (const auto& stored : raw.initializers)
            names_.insert(stored.name);
        for (const auto& output : raw.outputs)
            read_.insert(output.name);
        for (const auto& node : raw.nodes) {
            names_.insert(node.outputs.begin(), node.outputs.end());
            read_.insert(node.inputs.begin(), node.inputs.end());
        }
    }

    Result<bool> run();

    // The node that is being replaced.
    const RawNode& node() const { return *node_; }
    const std::string& in(std::size_t i) const {
        static const std::string none;
        return i < node_->inputs.size() ? node_->inputs[i] : none;
    }
    bool is_read(std::size_t output) const {
        return output < node_->outputs.size() && !node_->outputs[output].empty() &&
               read_.contains(node_->outputs[output]);
    }

    std::string fresh(const std::string& hint) {
        auto name = fmt::format("{}_{}", node_->outputs[0], hint);
        while (!names_.insert(name).second)
            name += "_";
        return name;
    }

    // A new node that makes `output`.
    std::string put(std::string_view op, std::vector<std::string> inputs, const std::string& output,
                    std::map<std::string, RawAttribute> attributes = {}, std::string_view domain = "") {
        while (!inputs.empty() && inputs.back().empty())
            inputs.pop_back();
        const bool files_own = std::ranges::find(node_->outputs, output) != node_->outputs.end();
        const auto& own = node_->name.empty() ? node_->outputs[0] : node_->name;
        nodes_.push_back({node_->index,
                          files_own || domain == own_domain ? own : output,
                          std::string(domain),
                          std::string(op),
                          std::move(inputs),
                          {output},
                          std::move(attributes),
                          !files_own,
                          node_->label()});
        return output;
    }

    std::string constant(const std::string& hint, RawTensor tensor) {
        tensor.name = fresh(hint);
        raw_.initializers.push_back(tensor);
        return raw_.initializers.back().name;
    }

    std::string dequantize(const std::string& hint, const std::string& x, const std::string& scale,
                           const std::string& zero, std::int64_t axis = 0) {
        return put("DequantizeLinear", {x, scale, zero}, fresh(hint), {{"axis", axis}});
    }
    void quantize(const std::string& x, const std::string& scale, const std::string& zero) {
        put("QuantizeLinear", {x, scale, zero}, node_->outputs[0], {{"axis", std::int64_t{0}}});
    }
    // An operand with its zero point subtracted, in 32 bits.
    std::string centred(const std::string& hint, const std::string& x, const std::string& zero) {
        const auto cast = [&](const std::string& name, const char* which) {
            return put("Cast", {name}, fresh(hint + which), {{"to", int32_element}});
        };
        const auto wide = cast(x, "_int32");
        return zero.empty() ? wide : put("Sub", {wide, cast(zero, "_zero")}, fresh(hint));
    }

  private:
    RawGraph& raw_;
    std::unordered_set<std::string> names_, read_;
    std::vector<RawNode> nodes_;
    const RawNode* node_ = nullptr;
};

// Weights and biases that have one scale for each output channel: the dimension of it.
std::int64_t channel_axis(bool first) {
    return first ? 0 : 1;
}

// The scale of an integer bias.
std::string bias_scale(Expander& to, const std::string& x_scale, const std::string& w_scale) {
    return to.put("Mul", {x_scale, w_scale}, to.fresh("bias_scale"));
}

void expand_qlinear_conv(
    Expander& to) {  // x, its scale and zero point, w ..., y's scale and zero point, bias
    std::vector<std::string> inputs{to.dequantize("x", to.in(0), to.in(1), to.in(2)),
                                    to.dequantize("w", to.in(3), to.in(4), to.in(5))};
    if (!to.in(8).empty())
        inputs.push_back(to.dequantize("bias", to.in(8), bias_scale(to, to.in(1), to.in(4)), ""));
    to.quantize(to.put("Conv", inputs, to.fresh("real"), to.node().attributes), to.in(6), to.in(7));
}

void expand_qlinear_matmul(Expander& to) {  // a ..., b ..., y's scale and zero point
    const auto a = to.dequantize("a", to.in(0), to.in(1), to.in(2), channel_axis(true));
    const auto b = to.dequantize("b", to.in(3), to.in(4), to.in(5), channel_axis(false));
    to.quantize(to.put("MatMul", {a, b}, to.fresh("real")), to.in(6), to.in(7));
}

void expand_qgemm(
    Expander& to) {  // a ..., b ..., c, y's scale and zero point; without these it yields fractions
    const auto& attributes = to.node().attributes;
    const auto transposed = attributes.find("transB");
    const bool rows = transposed != attributes.end() &&
                      std::holds_alternative<std::int64_t>(transposed->second) &&
                      std::get<std::int64_t>(transposed->second) != 0;
    std::vector<std::string> inputs{to.dequantize("a", to.in(0), to.in(1), to.in(2)),
                                    to.dequantize("b", to.in(3), to.in(4), to.in(5), channel_axis(rows))};
    if (!to.in(6).empty())
        inputs.push_back(to.dequantize("bias", to.in(6), bias_scale(to, to.in(1), to.in(4)), ""));
    const bool quantizes = !to.in(7).empty();
    const auto real = to.put("Gemm", inputs, quantizes ? to.fresh("real") : to.node().outputs[0], attributes);
    if (quantizes) to.quantize(real, to.in(7), to.in(8));
}

// Two operands, each with its scale and zero point, then those of the result.
void expand_qlinear_binary(Expander& to) {
    const auto a = to.dequantize("a", to.in(0), to.in(1), to.in(2)),
               b = to.dequantize("b", to.in(3), to.in(4), to.in(5));
    to.quantize(to.put(to.node().op.substr(7), {a, b}, to.fresh("real")), to.in(6), to.in(7));
}

// One operand with its scale and zero point, then those of the result.
void expand_qlinear_unary(Expander& to) {
    const auto x = to.dequantize("x", to.in(0), to.in(1), to.in(2));
    to.quantize(to.put(to.node().op.substr(7), {x}, to.fresh("real"), to.node().attributes), to.in(3),
                to.in(4));
}

void expand_qlinear_concat(Expander& to) {  // y's scale and zero point, then each operand with its own
    std::vector<std::string> inputs;
    for (std::size_t i = 2; i + 2 < to.node().inputs.size(); i += 3)
        inputs.push_back(to.dequantize(fmt::format("x{}", i / 3), to.in(i), to.in(i + 1), to.in(i + 2)));
    to.quantize(to.put("Concat", inputs, to.fresh("real"), to.node().attributes), to.in(0), to.in(1));
}

void expand_conv_integer(Expander& to) {
    to.put("Conv", {to.centred("x", to.in(0), to.in(2)), to.centred("w", to.in(1), to.in(3))},
           to.node().outputs[0], to.node().attributes);
}

void expand_matmul_integer(Expander& to) {
    to.put("MatMul", {to.centred("a", to.in(0), to.in(2)), to.centred("b", to.in(1), to.in(3))},
           to.node().outputs[0]);
}

void expand_quant(Expander& to) {  // x, scale, zero point, bit width
    const auto codes = to.put("QuantCodes", {to.in(0), to.in(1), to.in(2), to.in(3)}, to.fresh("codes"),
                              to.node().attributes, own_domain);
    to.put("DequantCodes", {codes, to.in(1), to.in(2)}, to.node().outputs[0], {}, own_domain);
}

// -1 below 0, +1 from it on.
void expand_bipolar_quant(Expander& to) {  // x, scale
    const auto zero = to.constant("zero", {"", "FLOAT32", {}, {{0}, {}}});
    const auto codes =
        to.put("BipolarCodes", {to.in(0), to.constant("threshold", {"", "FLOAT32", {1, 1}, {{0}, {}}})},
               to.fresh("codes"), {}, own_domain);
    to.put("DequantCodes", {codes, to.in(1), zero}, to.node().outputs[0], {}, own_domain);
}

// The integers lose their lowest bits: codes, divided by a power of two and rounded again.
void expand_trunc(Expander& to) {  // x, scale, zero point, bits before, bits after
    auto attributes = to.node().attributes;
    attributes.try_emplace("rounding_mode", std::string("FLOOR"));
    const auto zero = to.constant("zero", {"", "FLOAT32", {}, {{0}, {}}});
    const auto two = to.constant("two", {"", "FLOAT32", {}, {{2}, {}}});
    const auto one = to.constant("one", {"", "FLOAT32", {}, {{1}, {}}});
    const auto most = to.constant("bits", {"", "FLOAT32", {}, {{31}, {}}});
    const auto codes =
        to.put("QuantCodes", {to.in(0), to.in(1), to.in(2), most}, to.fresh("codes"), {}, own_domain);
    const auto whole = to.put("DequantCodes", {codes, one, zero}, to.fresh("whole"), {}, own_domain);
    const auto dropped = to.put("Sub", {to.in(3), to.in(4)}, to.fresh("dropped"));
    const auto step = to.put("Pow", {two, dropped}, to.fresh("step"));
    const auto less =
        to.put("QuantCodes", {whole, step, zero, most}, to.fresh("less"), attributes, own_domain);
    to.put("DequantCodes", {less, to.in(1), to.in(2)}, to.node().outputs[0], {}, own_domain);
}

void expand_top_k(Expander& to) {
    const auto result = [&](std::size_t output, std::string_view op) {
        if (to.is_read(output))
            to.put(op, to.node().inputs, to.node().outputs[output], to.node().attributes, own_domain);
    };
    result(0, "TopKValues");
    result(1, "TopKIndices");
}

constexpr std::string_view onnx = "", microsoft = microsoft_domain;
constexpr std::array quantizer_domains{onnx, brevitas_domain, qonnx_domain, finn_domain};

struct Row {
    std::string_view domain;  // "quantizer": any of quantizer_domains
    std::string_view op;
    std::size_t min_operands, max_operands;
    void (*expand)(Expander&);
};

constexpr std::string_view quantizer = "quantizer";
constexpr std::size_t many = 1 << 16;

constexpr std::array rows{
    Row{onnx, "ConvInteger", 2, 4, expand_conv_integer},
    Row{onnx, "MatMulInteger", 2, 4, expand_matmul_integer},
    Row{onnx, "QLinearConv", 8, 9, expand_qlinear_conv},
    Row{onnx, "QLinearMatMul", 8, 8, expand_qlinear_matmul},
    Row{onnx, "TopK", 1, 2, expand_top_k},
    Row{microsoft, "QGemm", 6, 9, expand_qgemm},
    Row{microsoft, "QLinearAdd", 7, 8, expand_qlinear_binary},
    Row{microsoft, "QLinearAveragePool", 4, 5, expand_qlinear_unary},
    Row{microsoft, "QLinearConcat", 5, many, expand_qlinear_concat},
    Row{microsoft, "QLinearGlobalAveragePool", 4, 5, expand_qlinear_unary},
    Row{microsoft, "QLinearLeakyRelu", 4, 5, expand_qlinear_unary},
    Row{microsoft, "QLinearMul", 7, 8, expand_qlinear_binary},
    Row{microsoft, "QLinearSigmoid", 4, 5, expand_qlinear_unary},
    Row{quantizer, "BipolarQuant", 2, 2, expand_bipolar_quant},
    Row{quantizer, "Quant", 4, 4, expand_quant},
    Row{quantizer, "Trunc", 5, 5, expand_trunc},
};

const Row* find_row(const RawNode& node) {
    const auto row = std::ranges::find_if(rows, [&](const Row& each) {
        const bool domain = each.domain == quantizer
                                ? std::ranges::find(quantizer_domains, node.domain) != quantizer_domains.end()
                                : each.domain == node.domain;
        return domain && each.op == node.op;
    });
    return row == rows.end() ? nullptr : &*row;
}

Result<bool> Expander::run() {
    bool replaced = false;
    auto old = std::move(raw_.nodes);
    for (auto& node : old) {
        const auto* row = find_row(node);
        if (row == nullptr || node.outputs.empty()) {
            nodes_.push_back(std::move(node));
            auto& outputs = nodes_.back().outputs;
            while (outputs.size() > 1 && !read_.contains(outputs.back()))
                outputs.pop_back();
            continue;
        }
        node_ = &node;
        if (node.inputs.size() < row->min_operands || node.inputs.size() > row->max_operands)
            return fail(Fault::invalid_input, "{}: has {} operands", node.label(), node.inputs.size());
        if (const auto last = node.attributes.find("channels_last");
            last != node.attributes.end() && last->second != RawAttribute{std::int64_t{0}})
            return fail(Fault::unsupported, "{}: has channels_last; fard knows NCHW alone", node.label());
        row->expand(*this);
        replaced = true;
    }
    raw_.nodes = std::move(nodes_);
    return replaced;
}

}  // namespace

std::string expanded_operators() {
    std::vector<std::string_view> names;
    for (const auto& row : rows)
        names.push_back(row.op);
    std::ranges::sort(names);
    return fmt::format("{}", fmt::join(names, ", "));
}

Result<bool> expand_operators(RawGraph& raw) {
    return Expander(raw).run();
}

}  // namespace fard::model
