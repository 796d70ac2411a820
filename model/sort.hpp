// The order in which a file's nodes can run.
#pragma once

#include <vector>

#include "base/result.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

// Positions in raw.nodes of those that the outputs need, each after what it reads, otherwise in the file's
// order. Errors: corrupt (a cycle; a tensor that is made twice; one that is read and never made: names the
// reader).
Result<std::vector<std::size_t>> sorted_nodes(const RawGraph& raw);

}  // namespace fard::model
