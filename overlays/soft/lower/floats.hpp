// Finds steps for operators over fractions: convolutions and matrix products with constant weights, pools, and operators that work
// element by element or row by row.
#pragma once

#include "overlays/soft/lower/elementwise.hpp"

namespace fard::soft {

// Nothing where `node` is another operator, or of a form that no step has. `out_buffer` is for the output.
// `place`: of a linear layer's results within wider pixels.
struct Place {
    std::size_t pitch = 0, first = 0;
};
std::optional<FoundElementwise> lower_floats(const Surroundings& around, const model::Node& node, BufferId out_buffer,
                                             Place place = {});

// What a linear layer makes, with the Relu that lower_floats() joins to it; nothing for other operators.
std::optional<model::TensorId> result_of_float_layer(const std::vector<Storage>& storages,
                                                     const std::vector<const model::Node*>& sole_reader,
                                                     const model::Node& node);

}  // namespace fard::soft
