// Steps that work element by element.
#pragma once

#include <optional>
#include <vector>

#include "model/graph.hpp"
#include "overlays/soft/kernels/elementwise.hpp"
#include "overlays/soft/step.hpp"
#include "overlays/soft/storage.hpp"

namespace fard::soft {

struct Source {
    BufferId buffer = 0;
    Storage storage;  // of integers
};

// Codes from a tensor's elements, or from the sums or differences of two tensors', all of one shape; elements as they are stored.
struct SumMap {
    MapSums::Sum sum = MapSums::Sum::one;
    std::int32_t least = 0;
    std::vector<std::uint8_t> table;  // of every possible sum from `least` on
    // A line that may be the same: fma(s, factor, offset), rounded.
    float factor = 0, offset = 0;
};
StepPtr make_map_step(const Kernels& kernels, std::vector<Source> sources, SumMap map, BufferId out_buffer,
                      const Storage& out);

// The sums or differences themselves, of any integers.
StepPtr make_sum_step(const Source& a, const Source& b, bool minus, BufferId out_buffer, const Storage& out);

// Requantize of one or two operands, all of the output's shape. `axis` of the attributes must be the last dimension in memory, or
// -1; nothing otherwise, and where the output is not bytes. The attributes must outlive the step.
StepPtr make_merge_step(const Kernels& kernels, const model::RequantizeAttributes& attributes,
                        std::vector<Source> sources, const std::vector<model::Range>& bounds,
                        BufferId out_buffer, const Storage& out);

// Quantize of fractions by one scale. Nothing where the results are not bytes.
StepPtr make_quantize_step(const Kernels& kernels, const model::QuantizeAttributes& attributes,
                           BufferId in_buffer, BufferId out_buffer, const Storage& out);

// Dequantize; several scales lie along the last dimension in memory. The attributes must outlive the step.
StepPtr make_dequantize_step(const model::DequantizeAttributes& attributes, const Source& source,
                             BufferId out_buffer);

}  // namespace fard::soft
