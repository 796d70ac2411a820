// Networks computed as two graphs, the first of them channel by channel where one tensor crosses between them.
#pragma once

#include "model/layers/cuts.hpp"
#include "tests/overlays/soft_run.hpp"

namespace fard::test {

std::string shown(const std::vector<TensorDesc>& tensors);

// `chunk` and the result in wire form. The parts are written and read again first.
Result<Tensors> run_parts(const model::LayerView& view, const model::LegalCut& cut, const Tensors& chunk,
                          std::size_t parts);

// As two stages, each in FINN's form where it has one; empty where none has.
std::optional<Result<Tensors>> run_finn_forms(const model::LayerView& view, const model::LegalCut& cut,
                                              const Tensors& chunk);

// What thresholds_of says of the network's activations is what the reference interpreter computes, for some integers.
// Errors: failed, naming the layer.
Result<> check_thresholds(const model::LayerView& view);

}  // namespace fard::test
