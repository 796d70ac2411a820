// Finds steps for operators that work element by element: sums and differences of two tensors with what makes codes of them,
// requantized tensors, functions of codes, and the ways between fractions and integers.
#pragma once

#include "overlays/soft/steps/elementwise_steps.hpp"

namespace fard::soft {

// What the compiler knows, by TensorId.
struct Surroundings {
    const model::Graph& graph;
    const Kernels& kernels;
    const std::vector<Storage>& storages;
    const std::vector<BufferId>& buffers;
    const std::vector<const model::Node*>& sole_reader;  // nullptr where there are others, or it is an output
};

struct FoundElementwise {
    StepPtr step;
    model::TensorId output = 0;
    const model::Node* joined = nullptr;  // another node that the step stands for
};

// Nothing where `node` is another operator, or of a form that no step has. `out_buffer` is for the output.
std::optional<FoundElementwise> lower_elementwise(const Surroundings& around, const model::Node& node,
                                                  BufferId out_buffer);

}  // namespace fard::soft
