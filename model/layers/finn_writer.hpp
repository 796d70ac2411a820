// The fence around protobuf for networks in FINN's form: FLOAT tensors of fixed shapes, integers by their annotations.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/graph.hpp"

namespace fard::model {

// A tensor of the form that is written.
struct FinnTensor {
    std::string name;
    Shape shape;
    DataType type;  // FLOAT32: none is annotated, FINN infers it
};

class FinnWriter {
  public:
    explicit FinnWriter(const std::string& name);
    ~FinnWriter();

    void input(const FinnTensor& tensor);
    void output(const FinnTensor& tensor, bool indices = false);  // INT64
    // Under `hint` or a name like it.
    std::string constant(const std::string& hint, const Shape& shape, std::span<const std::int64_t> values,
                         DataType type);

    // A node that makes `result`. Its attributes follow, until the next node.
    void node(const std::string& op, const std::vector<std::string>& inputs, const FinnTensor& result,
              bool custom = false);
    // The places of the `count` largest elements along the last dimension.
    void top_k(const std::string& x, std::int64_t count, const FinnTensor& result);
    void attribute(const std::string& name, std::int64_t value);
    void attribute(const std::string& name, double value);
    void attribute(const std::string& name, const std::string& value);
    void attribute(const std::string& name, const std::vector<std::int64_t>& values);

    std::string fresh(const std::string& hint);
    std::string bytes() const;

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace fard::model
