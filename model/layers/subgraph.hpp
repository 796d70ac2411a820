// Parts of a graph: some of its layers, or some channels of what they make. Each is a graph of its own, computed as any
// other and written by the same emitter.
#pragma once

#include "model/layers/layers.hpp"
#include "model/model.hpp"
#include "model/onnx_emit.hpp"

namespace fard::model {

// Layers first .. last of a view: what crosses before the first is what the part reads, what crosses behind the last one
// is what it makes; a tensor that is passed on is both.
EmittedPart part_of(const LayerView& view, std::size_t first, std::size_t last, std::string name);

// The part as a graph: tensors keep their names, types and bounds.
Graph subgraph(const Graph& graph, const EmittedPart& part);

struct ChannelRange {
    std::int64_t first = 0, count = 1;
};

// A graph of one output that makes these channels of it and no others. Products are computed for these channels alone,
// with the rows of their weights, biases and thresholds; where a function mixes channels, or the network's input is
// reached, channels are picked there. The output has the range in its name. Errors: invalid_input (several outputs, an
// output without channels, a range beyond them).
Result<Graph> with_channels(const Graph& graph, ChannelRange range);

// So many ranges of one size each, or of two sizes that differ by one, the larger ones first. Needs as many channels.
std::vector<ChannelRange> even_ranges(std::int64_t channels, std::size_t parts);

// A graph of one output as that many stages, each of which makes a range of its channels (even_ranges). Errors: those of
// with_channels; invalid_input (fewer channels than parts).
Result<std::vector<Stage>> channel_parts(const Graph& graph, std::size_t parts);

// The whole graph as a stage. Errors: failed (protobuf).
Result<Stage> stage_of(const Graph& graph);

}  // namespace fard::model
