// Operators that are made of others once the shapes of their operands are known: Split, Resize, LayerNormalization, a Conv of
// one dimension. (What needs no shapes is expanded before: expand.hpp.)
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/operators.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

// Where the parts of a lowered operator go: the graph that is being built.
class Parts {
  public:
    virtual ~Parts() = default;
    virtual Result<> add_part(RawNode node) = 0;
    virtual Result<> add_part(RawTensor constant) = 0;
    virtual std::string fresh_name(const std::string& hint) = 0;
    virtual const Tensor& tensor(const std::string& name) const = 0;
    virtual std::int64_t opset() const = 0;
    // Whether so many elements more may be made for constants and lists of places.
    virtual bool may_make(std::uint64_t elements) = 0;
};

// One node while it is lowered. What goes wrong is kept, and everything behind it does nothing: ask done() at the end.
class Lowering {
  public:
    Lowering(const RawNode& node, Parts& parts) : attributes(node), node_(node), parts_(parts) {}

    const RawNode& node() const { return node_; }
    std::int64_t opset() const { return parts_.opset(); }
    std::size_t operands() const { return node_.inputs.size(); }
    bool has(std::size_t i) const { return i < node_.inputs.size() && !node_.inputs[i].empty(); }
    const std::string& in(std::size_t i) const;  // "" for one that is left out
    bool reads_output(std::size_t i) const { return i < node_.outputs.size() && !node_.outputs[i].empty(); }

    // Of any tensor that is there already.
    Shape shape(const std::string& name) const;
    std::string declared(const std::string& name) const;
    bool is_constant(const std::string& name) const;
    std::vector<double> values(const std::string& name) const;  // of a constant

    // A constant operand as a list; the attribute of that name where there is no such operand; empty where there is neither.
    std::vector<std::int64_t> list(std::size_t operand, const std::string& name);
    std::size_t axis(std::int64_t given, std::size_t rank);  // checked, and counted from the front

    using Attributes = std::map<std::string, RawAttribute>;
    // A new node; the name of what it makes.
    std::string put(std::string_view op, std::vector<std::string> inputs, Attributes said = {},
                    std::string_view domain = "");
    // The node that makes one of the operator's own outputs.
    void make(std::string_view op, std::vector<std::string> inputs, Attributes said = {},
              std::string_view domain = "", std::size_t output = 0);
    std::string constant(RawTensor tensor);
    std::string number(double value);                                        // a scalar of FLOAT32
    std::string numbers(const std::vector<double>& values, const Shape& shape);
    std::string integers(const std::vector<std::int64_t>& values);           // a list of INT64
    // A number of the element type of `like`.
    std::string number_like(const std::string& like, double value);
    std::string reshaped(const std::string& x, const Shape& shape);
    std::string cast(const std::string& x, std::int64_t element_type);

    bool may_make(std::int64_t elements);  // else it is refused
    void refuse(Fault fault, std::string reason);
    bool failed() const { return error_.has_value() || !attributes.done(); }
    Result<> done() const;

    AttributeReader attributes;

  private:
    std::string add(std::string_view op, std::vector<std::string> inputs, const std::string& output,
                    Attributes said, std::string_view domain, bool own);

    const RawNode& node_;
    Parts& parts_;
    std::optional<Error> error_;
};

struct LoweredRow {
    std::string_view domain, op;
    std::size_t min_operands, max_operands;
    void (*lower)(Lowering&);
    std::string_view attributes = "";  // as OperatorRow has them
    // Where the operator has a form that is read as it is: whether this node is another one.
    bool (*applies)(const RawNode& node, const std::vector<const Tensor*>& operands, std::int64_t opset) = nullptr;
};

// nullptr: the node is none of these.
const LoweredRow* find_lowered(const RawNode& node, const std::vector<const Tensor*>& operands, std::int64_t opset);
std::vector<std::string> lowered_operators();  // their names

// One table for each family.
const std::vector<LoweredRow>& lowered_moves();
const std::vector<LoweredRow>& lowered_resizes();
const std::vector<LoweredRow>& lowered_norms();
const std::vector<LoweredRow>& lowered_windows();
const std::vector<LoweredRow>& lowered_products();

}  // namespace fard::model
