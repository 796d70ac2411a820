// A graph while it is made: read from a file, then rewritten by passes.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "model/bounds.hpp"

namespace fard::model {

// The integers that a constant of fractions is stored as: those of another constant, or of none that the file has.
struct StoredCodes {
    std::optional<TensorId> tensor;
    std::vector<std::int32_t> integers;
    Affine affine;
    DataType type;  // of `integers`, as the file has it
};

struct Draft {
    Graph graph;
    std::vector<std::size_t> files_nodes;  // for each node of the graph, the file's node it comes from
    // Of constants of fractions. One that products alone read has no values until it is known that these do not take
    // the codes.
    std::unordered_map<TensorId, StoredCodes> codes;
    std::unordered_set<TensorId> named_here;  // tensors that the file has no name for
    bool altered = false;                     // some nodes are not the file's own
};

// Goes once over the nodes of a draft, in their order, and writes the new list of nodes. Tensors keep their
// ids; new ones are added behind.
class Rewriter {
  public:
    explicit Rewriter(Draft& draft);

    // Whether `rule` put other nodes in the place of this one (true), or it stays (false). What a rule emits
    // before it gives up is dropped later, because nothing reads it.
    using Rule = bool (*)(Rewriter&, const Node&);
    // For each node, the first rule that takes it.
    void run(const std::vector<Rule>& rules);

    // References and pointers hold until something new is made.
    const Tensor& operator[](TensorId id) const { return draft_.graph.tensors[id]; }
    const StoredCodes* codes(TensorId id) const;
    const Node* producer(TensorId id) const;  // among the new nodes; nullptr for inputs and constants
    std::size_t readers(TensorId id) const;   // in the old graph, outputs of the network counted too
    bool is_output(TensorId id) const;

    // A constant; integers where all values are whole, of the type `wanted` where that holds them.
    TensorId constant(const std::string& hint, Shape shape, Values values, DataType wanted = {});

    struct Result {  // of a new node
        Shape shape;
        Layout layout = Layout::none;
        bool inner = false;
        DataType type;  // an integer type is kept where it holds what there is
    };
    // A new node with a new tensor, or a new constant where all operands are constant. Empty where integers
    // would leave 32 bits.
    std::optional<TensorId> emit(Op op, Attributes attributes, std::vector<TensorId> inputs,
                                 const std::string& hint, Result result);
    // A new tensor, for emit_as().
    TensorId tensor(const std::string& hint, Result result);
    // A new node that makes a tensor that is there already, in its shape. False where integers would leave 32
    // bits.
    bool emit_as(TensorId output, Op op, Attributes attributes, std::vector<TensorId> inputs);
    // `output` is the same as `same` from here on.
    void replace(TensorId output, TensorId same);
    TensorId current(TensorId id) const;  // what it was replaced by, or itself

    // Whether a pass may make constants of so many elements more: together they stay in proportion to those that the
    // file has, whatever it says.
    bool may_make(std::size_t elements);

    // The integers minus their zero point; 0 gives them as they are.
    std::optional<TensorId> centred(TensorId integers, std::int32_t zero_point);

  private:
    std::optional<Bounds> bounds(Op op, const Attributes& attributes, const std::vector<TensorId>& inputs,
                                 const Shape& shape) const;
    void put(Node node, std::size_t files_node);
    void retype(const Node& node);
    std::optional<TensorId> centred_constant(const Tensor& integers, std::int32_t zero_point);
    std::string fresh(const std::string& hint);
    std::optional<Values> folded(Op op, const Attributes& attributes, const std::vector<TensorId>& inputs,
                                 const Tensor& output) const;

    Draft& draft_;
    std::vector<Node> old_;
    std::vector<std::size_t> old_files_nodes_;
    std::vector<std::size_t> readers_;
    std::vector<std::ptrdiff_t> producers_;  // by TensorId: position in the new nodes, or -1
    std::unordered_set<TensorId> outputs_;
    std::unordered_map<TensorId, TensorId> same_;
    std::unordered_map<std::string, TensorId> centred_;
    std::unordered_set<std::string> names_;
    std::unordered_map<std::string, int> numbers_;  // the last one that a name given twice has got
    std::string current_;  // the name of the node that is looked at
    std::size_t current_file_ = 0;
    std::size_t left_ = 0;  // elements of constants that may still be made
};

// Computes the values of a constant that has none yet.
void give_values(Draft& draft, TensorId id);

// Drops nodes that no output needs, and tensors that nothing reads; gives values to the constants that have none yet.
void drop_unneeded(Draft& draft);

}  // namespace fard::model
