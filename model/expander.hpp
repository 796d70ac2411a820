// What the replacements of operators are written with (model/expand.hpp). Included by the expand*.cpp alone.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.hpp"
#include "model/domains.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

class Expander {
  public:
    explicit Expander(RawGraph& raw);

    // Whether any node was replaced.
    Result<bool> run();

    // The node that is being replaced.
    const RawNode& node() const { return *node_; }
    const std::string& in(std::size_t i) const;  // its operand, "" for one that is left out
    bool is_read(std::size_t output) const;
    std::string attribute(const std::string& name, const std::string& otherwise) const;
    std::int64_t attribute(const std::string& name, std::int64_t otherwise) const;
    std::vector<std::int64_t> attribute(const std::string& name, std::vector<std::int64_t> otherwise) const;
    double attribute(const std::string& name, double otherwise) const;
    // Of a tensor that is a constant of the file; none where it is computed, or made by a node.
    const Shape* stored_shape(const std::string& tensor) const;

    std::string fresh(const std::string& hint);
    // A new node that makes `output`.
    std::string put(std::string_view op, std::vector<std::string> inputs, const std::string& output,
                    std::map<std::string, RawAttribute> attributes = {}, std::string_view domain = "");
    std::string constant(const std::string& hint, RawTensor tensor);
    std::string number(const std::string& hint, float value);                            // a scalar
    std::string list(const std::string& hint, const std::vector<std::int32_t>& values);  // of INT64

    std::string dequantize(const std::string& hint, const std::string& x, const std::string& scale,
                           const std::string& zero, std::int64_t axis = 0);
    void quantize(const std::string& x, const std::string& scale, const std::string& zero);

  private:
    Result<> replace(const RawNode& node);
    void keep(RawNode node);

    RawGraph& raw_;
    std::unordered_set<std::string> names_, read_;
    std::unordered_map<std::string, Shape> stored_;
    std::vector<RawNode> nodes_;
    const RawNode* node_ = nullptr;
};

struct Expansion {
    std::string_view domain;  // quantizer_domain: any of those that quantizers come from
    std::string_view op;
    std::size_t min_operands, max_operands;
    void (*expand)(Expander&);  // nullptr: fard cannot run it, for the reason that stands in `attributes`
    std::string_view attributes = "";  // as OperatorRow has them
};

constexpr std::string_view quantizer_domain = "quantizer";
constexpr std::size_t many_operands = 1 << 16;

// One table for each family.
const std::vector<Expansion>&
qlinear_expansions();                              // ONNX's and ONNX Runtime's operators on quantized tensors
const std::vector<Expansion>& qonnx_expansions();  // QONNX's quantizers
const std::vector<Expansion>&
lowered_expansions();  // what qonnx and FINN make of networks: NHWC, windows as rows

}  // namespace fard::model
