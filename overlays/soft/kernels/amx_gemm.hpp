// Matrix products over bytes by AMX's tiles, for byte_kernels_amx.cpp and, with tiles in plain C++, for the tests: the machines
// that fard was built on have none.
//
// A tile is a register of up to 16 rows of up to 64 bytes. TDPBUSD multiplies, for rows m and columns n,
//
//   sums[m][n] += a[m][4 k + i] * b[k][4 n + i]    for all k, and i of 0 .. 3 (a unsigned, b signed),
//
// so that a panel of weights, [groups of four k][16 * vectors][4], is a column of tiles for each of its vectors, and 16 rows of
// GemmBytes are a tile where they lie at equal distances; elsewhere they are copied together.
//
// `Tiles` has the instructions: static load_config(const TileConfig&), release(), zero<T>(), load<T>(from, stride),
// store<T>(to, stride), dpbusd<Sums, A, B>(). `Finish` has what becomes of sums [rows][16 * vectors]: static
// rows(const GemmBytes&, first row, rows, sums), add_row_sums(const GemmBytes&, first row, rows, sums, from row to row, from vector
// to vector) and triples(const GemmTriples&, first triple, triples, sums of packed rows).
#pragma once

#include <algorithm>
#include <cstring>

#include "overlays/soft/kernels/byte_kernels.hpp"

namespace fard::soft::amx {

// As LDTILECFG reads it.
struct alignas(64) TileConfig {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};

    void shape(std::size_t tile, std::size_t row_count, std::size_t bytes) {
        rows[tile] = static_cast<std::uint8_t>(row_count);
        row_bytes[tile] = static_cast<std::uint16_t>(bytes);
    }
};
static_assert(sizeof(TileConfig) == 64);

constexpr std::size_t tile_rows = 16, tile_bytes = 64, tile_groups = tile_bytes / 4;
// Tiles 0 to 3 are the sums of up to four vectors.
constexpr int rows_tile = 4, weights_tile = 5, last_rows_tile = 6, last_weights_tile = 7;

// Up to 16 rows.
class RowBlock {
  public:
    RowBlock(const std::uint8_t* const* rows, std::size_t count) : rows_(rows), count_(count) {
        if (count > 1) distance_ = rows[1] - rows[0];
        for (std::size_t r = 2; r < count; ++r)
            even_ = even_ && rows[r] - rows[r - 1] == distance_;
    }
    std::size_t count() const { return count_; }

    // `bytes` of each row, from `at` on.
    template <typename Tiles, int Tile>
    void load(std::size_t at, std::size_t bytes) {
        if (even_) return Tiles::template load<Tile>(rows_[0] + at, distance_);
        for (std::size_t r = 0; r < count_; ++r)
            std::memcpy(together_ + r * tile_bytes, rows_[r] + at, bytes);
        Tiles::template load<Tile>(together_, tile_bytes);
    }

  private:
    const std::uint8_t* const* rows_;
    std::size_t count_;
    std::ptrdiff_t distance_ = tile_bytes;
    bool even_ = true;
    alignas(64) std::uint8_t together_[tile_rows * tile_bytes];
};

template <typename Tiles, std::size_t Vectors, int Rows, int Weights>
void add_products(const std::int8_t* weights) {
    constexpr std::ptrdiff_t stride = Vectors * tile_bytes;
    const auto add = [&]<std::size_t V>() {
        if constexpr (V < Vectors) {
            Tiles::template load<Weights>(weights + V * tile_bytes, stride);
            Tiles::template dpbusd<static_cast<int>(V), Rows, Weights>();
        }
    };
    add.template operator()<0>();
    add.template operator()<1>();
    add.template operator()<2>();
    add.template operator()<3>();
}

// Leaves the products of up to 16 rows with a panel in the tiles of sums.
template <typename Tiles, std::size_t Vectors>
void multiply(const GemmBytes& job, RowBlock& rows) {
    Tiles::template zero<0>();
    if constexpr (Vectors > 1) Tiles::template zero<1>();
    if constexpr (Vectors > 2) Tiles::template zero<2>();
    if constexpr (Vectors > 3) Tiles::template zero<3>();
    constexpr std::size_t group_bytes = Vectors * tile_bytes;
    const std::int8_t* weights = job.panel;
    for (std::size_t run = 0; run < job.runs; ++run) {
        const std::size_t begin = run * job.run_stride;
        std::size_t group = 0;
        for (; group + tile_groups <= job.run_groups; group += tile_groups) {
            rows.load<Tiles, rows_tile>(begin + group * 4, tile_bytes);
            add_products<Tiles, Vectors, rows_tile, weights_tile>(weights);
            weights += tile_groups * group_bytes;
        }
        if (group == job.run_groups) continue;
        rows.load<Tiles, last_rows_tile>(begin + group * 4, (job.run_groups - group) * 4);
        add_products<Tiles, Vectors, last_rows_tile, last_weights_tile>(weights);
        weights += (job.run_groups - group) * group_bytes;
    }
}

// Each vector's tile to `to` + vector * apart, its rows `stride` elements apart.
template <typename Tiles, std::size_t Vectors>
void store(std::int32_t* to, std::size_t apart, std::size_t stride) {
    const auto bytes = static_cast<std::ptrdiff_t>(stride * sizeof(std::int32_t));
    Tiles::template store<0>(to, bytes);
    if constexpr (Vectors > 1) Tiles::template store<1>(to + apart, bytes);
    if constexpr (Vectors > 2) Tiles::template store<2>(to + 2 * apart, bytes);
    if constexpr (Vectors > 3) Tiles::template store<3>(to + 3 * apart, bytes);
}

// The tiles' shapes for blocks of `rows` rows.
template <typename Tiles>
void configure(std::size_t rows, std::size_t run_groups) {
    TileConfig config;
    for (std::size_t v = 0; v < 4; ++v)
        config.shape(v, rows, tile_bytes);
    config.shape(rows_tile, rows, tile_bytes);
    config.shape(weights_tile, tile_groups, tile_bytes);
    if (const auto rest = run_groups % tile_groups; rest != 0) {
        config.shape(last_rows_tile, rows, rest * 4);
        config.shape(last_weights_tile, rest, tile_bytes);
    }
    Tiles::load_config(config);
}

// Calls each(first row, rows) for blocks of at most 16 rows, the tiles configured for them.
template <typename Tiles, typename Each>
void for_each_block(std::size_t row_count, std::size_t run_groups, Each each) {
    for (std::size_t first = 0; first < row_count; first += tile_rows) {
        const auto rows = std::min(tile_rows, row_count - first);
        if (first == 0 || rows < tile_rows) configure<Tiles>(rows, run_groups);
        each(first, rows);
    }
    Tiles::release();
}

template <typename Tiles, typename Finish, std::size_t Vectors>
void gemm_of(const GemmBytes& job) {
    constexpr std::size_t width = Vectors * vector_width;
    alignas(64) std::int32_t sums[tile_rows * width];
    for_each_block<Tiles>(job.row_count, job.run_groups, [&](std::size_t first, std::size_t count) {
        RowBlock rows(job.rows + first, count);
        multiply<Tiles, Vectors>(job, rows);
        if (job.sums) {
            auto* to = job.sums + first * vector_width;
            store<Tiles, Vectors>(to, job.row_count * vector_width, vector_width);
            if (job.row_sums)
                Finish::add_row_sums(job, first, count, to, vector_width, job.row_count * vector_width);
            return;
        }
        store<Tiles, Vectors>(sums, vector_width, width);
        if (job.row_sums) Finish::add_row_sums(job, first, count, sums, width, vector_width);
        Finish::rows(job, first, count, sums);
    });
}

template <typename Tiles, typename Finish, std::size_t Vectors>
void gemm_triples_of(const GemmTriples& job) {
    constexpr std::size_t width = Vectors * vector_width;
    alignas(64) std::int32_t sums[tile_rows * width];
    const auto packed_count = (job.row_count + triple_rows - 1) / triple_rows * packed_rows;
    const GemmBytes shape{nullptr, 0, 1, job.groups, 0, job.panel, job.lanes, {}, nullptr, 0, nullptr};
    for_each_block<Tiles>(packed_count, job.groups, [&](std::size_t first, std::size_t count) {
        const std::uint8_t* pointers[tile_rows];
        for (std::size_t r = 0; r < count; ++r)
            pointers[r] = job.packed + (first + r) * job.groups * 4;
        RowBlock rows(pointers, count);
        multiply<Tiles, Vectors>(shape, rows);
        store<Tiles, Vectors>(sums, vector_width, width);
        Finish::triples(job, first / packed_rows, count / packed_rows, sums);
    });
}

template <typename Tiles, typename Finish>
void gemm_with(const GemmBytes& job) {
    constexpr void (*sizes[])(const GemmBytes&) = {gemm_of<Tiles, Finish, 1>, gemm_of<Tiles, Finish, 2>,
                                                   gemm_of<Tiles, Finish, 3>, gemm_of<Tiles, Finish, 4>};
    sizes[vectors_of(job.lanes) - 1](job);
}

template <typename Tiles, typename Finish>
void gemm_triples_with(const GemmTriples& job) {
    constexpr void (*sizes[])(const GemmTriples&) = {
        gemm_triples_of<Tiles, Finish, 1>, gemm_triples_of<Tiles, Finish, 2>,
        gemm_triples_of<Tiles, Finish, 3>, gemm_triples_of<Tiles, Finish, 4>};
    sizes[vectors_of(job.lanes) - 1](job);
}

}  // namespace fard::soft::amx
