// PackTriples by the vectors of one instruction set.
#pragma once

#include <algorithm>

#include "overlays/soft/kernels/byte_kernels.hpp"

namespace fard::soft {

// `pack_run(rows, bytes, x, y)` packs `bytes` of three rows.
template <auto pack_run>
void pack_triples_by_runs(const PackTriples& job) {
    const std::size_t run_bytes = job.run_groups * 4, row_bytes = job.runs * run_bytes;
    for (std::size_t first = 0; first < job.row_count; first += triple_rows) {
        std::uint8_t* x = job.packed + first / triple_rows * packed_rows * row_bytes;
        for (std::size_t run = 0; run < job.runs; ++run, x += run_bytes) {
            const std::uint8_t* rows[triple_rows];
            for (std::size_t i = 0; i < triple_rows; ++i)
                rows[i] = job.rows[std::min(first + i, job.row_count - 1)] + run * job.run_stride;
            pack_run(rows, run_bytes, x, x + row_bytes);
        }
    }
}

}  // namespace fard::soft
