// A graph compiled for this processor: steps over buffers whose places are fixed beforehand.
#pragma once

#include <atomic>
#include <memory>
#include <span>

#include "model/graph.hpp"
#include "overlays/soft/step.hpp"
#include "overlays/soft/storage.hpp"
#include "overlays/soft/team.hpp"

namespace fard::soft {

// What the compiler found.
struct Recipe {
    struct Port {  // an input or output of the graph
        BufferId buffer = 0;
        Storage storage;
        DataType type;
    };
    std::shared_ptr<const model::Graph> graph;  // steps refer to it
    std::vector<Port> inputs, outputs;
    std::vector<std::size_t> buffer_bytes;  // by BufferId
    std::vector<StepPtr> steps;             // in this order
    std::vector<std::string> names;         // of the steps: the first node of each
};

// Compiles any graph; what has no fast step gets a general one.
Recipe compile(std::shared_ptr<const model::Graph> graph, const Kernels& kernels);

// Places for buffers that live at different times may overlap. Offsets are multiples of 64 bytes.
struct Layout {
    std::vector<std::size_t> offsets;  // by BufferId
    std::size_t bytes = 0;
};
Layout lay_out(const Recipe& recipe);

// A recipe with its memory; runs one chunk at a time, with any number of threads of its own besides the caller's. The
// result does not depend on their number. Not thread-safe.
class Plan {
  public:
    explicit Plan(Recipe recipe, std::size_t threads = 1);
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;

    // Both in wire form, one span per graph input or output. Errors: corrupt (an input), failed (an
    // accumulator left 32 bits).
    Result<> load(std::span<const std::span<const std::byte>> inputs);
    Result<> run();  // allocates nothing unless a step is interpreted
    Result<> store(std::span<const std::span<std::byte>> outputs) const;

    // For those who time single steps, once a chunk is loaded: the step of that number.
    Result<> run_step(std::size_t step) { return recipe_.steps[step]->run(memories_[0], {}); }
    const Recipe& recipe() const { return recipe_; }
    std::size_t memory_bytes() const { return memory_bytes_; }  // beyond the weights

  private:
    struct Free {
        void operator()(std::byte* bytes) const;
    };
    void work(std::size_t member);

    Recipe recipe_;
    std::vector<std::byte*> buffers_;
    std::vector<Memory> memories_;  // the same buffers, a scratch for each thread
    std::size_t memory_bytes_ = 0;
    std::unique_ptr<std::byte, Free> arena_;
    std::vector<Result<>> outcomes_;  // of each thread in this run
    std::atomic<bool> failed_ = false;
    Team team_;  // the last: its threads use the others
};

}  // namespace fard::soft
