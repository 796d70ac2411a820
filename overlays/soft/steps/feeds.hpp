// Operands and results of any kind of element and layout, read and written as blocks of doubles.
#pragma once

#include <string>
#include <vector>

#include "model/graph.hpp"
#include "overlays/soft/step.hpp"
#include "overlays/soft/storage.hpp"

namespace fard::soft {

// An operand: a tensor that is computed, a constant, or numbers.
struct Feed {
    BufferId buffer = 0;
    Storage storage;
    const model::Tensor* constant = nullptr;
    model::Shape shape;  // in the graph's order
    std::vector<double> numbers = {};

    bool computed() const { return constant == nullptr && numbers.empty(); }
};

struct Outcome {
    BufferId buffer = 0;
    Storage storage;
    const model::Tensor& tensor;
    const std::string& node;  // for messages
};

std::vector<BufferId> buffers_of(const std::vector<Feed>& feeds);

// Where each graph dimension's next element lies.
std::vector<std::size_t> strides_of(const Storage& storage);
// The graph's dimensions in the order of memory.
std::vector<std::size_t> axes_of(const Storage& storage);
model::Shape graph_shape(const Storage& storage);

// What a step reads and writes, ready for blocks. Places and strides are elements in memory order.
class Reader {
  public:
    explicit Reader(const Feed& feed);
    const Storage& storage() const { return storage_; }
    void read(const Memory& memory, std::size_t at, std::size_t stride, double* to, std::size_t count) const;
    // The elements themselves, where they are fractions that are computed; else nullptr.
    const float* fractions(const Memory& memory) const;

  private:
    BufferId buffer_;
    Storage storage_;
    std::vector<double> numbers_;  // of a constant
};

class Writer {
  public:
    explicit Writer(const Outcome& outcome);
    const Storage& storage() const { return storage_; }
    // Errors: failed (a number that the tensor's type or codes do not hold).
    Result<> write(std::byte* memory, std::size_t at, std::size_t stride, const double* from, std::size_t count) const;

  private:
    Storage storage_;
    double low_ = 0, high_ = 0;
    std::string name_, node_;
};

}  // namespace fard::soft
