// Networks computed as two graphs, the first of them channel by channel where one tensor crosses between them.
#pragma once

#include "model/layers/cuts.hpp"
#include "tests/overlays/soft_run.hpp"

namespace fard::test {

std::string shown(const std::vector<TensorDesc>& tensors);

// `chunk` and the result in wire form. The parts are written and read again first.
Result<Tensors> run_parts(const model::LayerView& view, const model::LegalCut& cut, const Tensors& chunk,
                          std::size_t parts);

}  // namespace fard::test
