#include "tests/overlays/emulated_amx.hpp"

#include "overlays/soft/kernels/byte_kernels_plain.hpp"
#include "tests/overlays/emulated_finish.hpp"
#include "tests/overlays/emulated_tiles.hpp"

namespace fard::soft::test {
namespace {

// The sums' ends in plain C++.
struct PlainFinish {
    static void rows(const GemmBytes& job, std::size_t first, std::size_t count, const std::int32_t* sums) {
        for (std::size_t r = 0; r < count; ++r, sums += vectors_of(job.lanes) * vector_width)
            for (std::size_t n = 0; n < job.lanes; ++n)
                job.out[(first + r) * job.out_stride + n] = plain::finish(job.affine, n, sums[n]);
    }
    static void add_row_sums(const GemmBytes& job, std::size_t first, std::size_t count, std::int32_t* sums,
                             std::size_t stride, std::size_t apart) {
        for (std::size_t r = 0; r < count; ++r)
            for (std::size_t n = 0; n < vectors_of(job.lanes) * vector_width; ++n)
                sums[r * stride + n / vector_width * apart + n % vector_width] +=
                    job.row_sums[first + r].low * job.row_factors[n][0] +
                    job.row_sums[first + r].high * job.row_factors[n][1];
    }
    static void triples(const GemmTriples& job, std::size_t first, std::size_t count,
                        const std::int32_t* sums) {
        const auto width = vectors_of(job.lanes) * vector_width;
        for (auto row = first * triple_rows; count > 0;
             --count, row += triple_rows, sums += packed_rows * width)
            for (std::size_t n = 0; n < job.lanes; ++n) {
                const std::int32_t above_least = sums[n] - 64 * sums[width + n] - job.least[n];
                const std::int32_t b = -(above_least >> 12);
                const std::int32_t each[] = {(above_least & 4095) + job.least[n], b,
                                             sums[width + n] - 64 * b};
                for (std::size_t i = 0; i < triple_rows && row + i < job.row_count; ++i)
                    job.out[(row + i) * job.out_stride + n] = plain::finish(job.affine, n, each[i]);
            }
    }
};

template <typename Finish>
Kernels emulated(std::string_view name) {
    static const ByteKernels bytes{amx::gemm_with<EmulatedTiles, Finish>, plain::pack_triples,
                                   amx::gemm_triples_with<EmulatedTiles, Finish>, plain::depthwise3,
                                   plain::add_rows};
    Kernels row = kernel_table().back();
    row.name = name;
    row.bytes = &bytes;
    return row;
}

}  // namespace

const std::vector<Kernels>& emulated_amx_rows() {
    static const std::vector<Kernels> rows = [] {
        std::vector<Kernels> made{emulated<PlainFinish>("amx (emulated tiles)")};
        if (vector_finish_runs_here())
            made.push_back(emulated<VectorFinish>("amx (emulated tiles, AVX-512)"));
        return made;
    }();
    return rows;
}

}  // namespace fard::soft::test
