// A network as fard sees it: imported once, typed, cut where asked.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/tensor_desc.hpp"
#include "model/graph.hpp"

namespace fard::model {

// Shapes of inputs whose extents a file leaves open, by their names.
using InputShapes = std::map<std::string, Shape>;

// An imported model: the typed graph, and the ONNX it came from (for cutting). Immutable, cheap to copy.
class Model {
  public:
    // Errors name the node, its operator, and what is missing or wrong, and the file. Weights may lie in other files
    // of the model's directory; parse() refuses these.
    // `shapes` must agree with what the file says. Errors of theirs: invalid_input.
    static Result<Model> load(const std::filesystem::path& file, const InputShapes& shapes = {});
    static Result<Model> parse(std::string_view onnx, const std::string& where);

    const Graph& graph() const;
    std::vector<TensorDesc> inputs() const;  // wire form of the network's inputs
    std::vector<TensorDesc> outputs() const;
    std::vector<std::string> cut_tensors()
        const;  // tensors at which one tensor alone separates before from after

    struct Implementation;  // model/implementation.hpp

  private:
    explicit Model(std::shared_ptr<const Implementation> implementation);
    std::shared_ptr<const Implementation> implementation_;
};

// One sub-model: valid ONNX with the types of the whole network at its borders.
struct Stage {
    std::string onnx;
    std::vector<TensorDesc> inputs;  // what crosses the cut before it, wire form
    std::vector<TensorDesc> outputs;
    std::vector<std::string> layers;  // names of its nodes
};

// Cuts at named tensors, in order along the network; each cut is the set of tensors that cross it. A tensor
// that a later stage needs is passed on by the stages between. n cuts give n + 1 stages; none gives the whole
// network. Errors: invalid_input (no such tensor: the nearest name; not a cut: what else crosses it; out of
// order).
Result<std::vector<Stage>> cut(const Model& model, const std::vector<std::vector<std::string>>& cuts);

}  // namespace fard::model
