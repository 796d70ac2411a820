// An ONNX file as plain data: what it says, before anybody asks whether it makes sense. No protobuf above
// this line.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/graph.hpp"

namespace fard::model {

struct RawTensor {
    std::string name;
    std::string declared;  // FLOAT32, INT8, ... as in Tensor::declared
    Shape shape;           // extents >= 0; its elements are as many as `values` holds
    Values values;         // floats for FLOAT32 and DOUBLE, integers for all others
    // The first value that does not fit 32 bits; it is kept as the nearest one that does.
    std::optional<std::int64_t> beyond;

    void add(std::int64_t value);  // an integer more
    friend bool operator==(const RawTensor&, const RawTensor&) = default;
};

// std::monostate: a kind of attribute that no operator here reads (graphs, sparse tensors, ...).
using RawAttribute = std::variant<std::monostate, std::int64_t, double, std::string,
                                  std::vector<std::int64_t>, std::vector<double>, RawTensor>;

struct RawNode {
    std::size_t index = 0;  // in the file
    std::string name;
    std::string domain;  // "" for ONNX's own
    std::string op;
    std::vector<std::string> inputs;  // "" for an optional one that is left out
    std::vector<std::string> outputs;
    std::map<std::string, RawAttribute> attributes;
    bool made_here = false;  // its output has a name that the file does not know
    std::string stands_for;  // the label of the file's node that it is a part of

    std::string label() const;  // for messages: "node 'Conv_0' (Conv)"
};

struct RawValue {  // a graph input or output
    std::string name;
    std::string declared;
    std::optional<Shape> shape;  // -1: an extent that the file leaves open; none: no shape given
};

struct RawGraph {
    std::string name;
    std::int64_t opset = 0;  // of ONNX's own domain
    std::vector<RawNode> nodes;
    std::vector<RawTensor> initializers;
    std::vector<RawValue> inputs;  // without those that are initializers
    std::vector<RawValue> outputs;
    bool exact_fractions = false;  // as in Graph, where the file is a stage of a network that says so
    // Quantization annotations: tensor name -> key ("finn_datatype", ...) -> value.
    std::map<std::string, std::map<std::string, std::string>> annotations;

    const std::string* annotation(const std::string& tensor, const std::string& key) const;
};

}  // namespace fard::model
