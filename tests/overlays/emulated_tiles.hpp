// AMX's tiles in plain C++, for tests of kernels that are written for them. What a processor would refuse throws.
#pragma once

#include <cstring>
#include <stdexcept>

#include "overlays/soft/kernels/amx_gemm.hpp"

namespace fard::soft::test {

struct EmulatedTile {
    std::size_t rows = 0, row_bytes = 0;
    alignas(64) std::uint8_t bytes[16][64] = {};
};

struct EmulatedTiles {
    using Tile = EmulatedTile;
    static inline thread_local Tile tiles[8];

    static void refuse(const char* what) { throw std::logic_error(what); }

    static void load_config(const amx::TileConfig& config) {
        if (config.palette != 1 || config.start_row != 0) refuse("an unknown palette");
        for (const auto byte : config.reserved)
            if (byte != 0) refuse("a reserved byte that is not 0");
        for (std::size_t t = 0; t < 16; ++t) {
            const std::size_t rows = config.rows[t], row_bytes = config.row_bytes[t];
            if (rows > 16 || row_bytes > 64 || (rows == 0) != (row_bytes == 0))
                refuse("a shape that no tile has");
            if (t >= 8 && rows != 0) refuse("a ninth tile");
            if (t < 8) tiles[t] = Tile{rows, row_bytes};
        }
    }
    static void release() {
        for (auto& tile : tiles)
            tile = Tile{};
    }
    static Tile& shaped(int number) {
        if (tiles[number].rows == 0) refuse("a tile without a shape");
        return tiles[number];
    }

    template <int Number>
    static void zero() {
        std::memset(shaped(Number).bytes, 0, sizeof(Tile::bytes));
    }
    template <int Number>
    static void load(const void* from, std::ptrdiff_t stride) {
        auto& tile = shaped(Number);
        std::memset(tile.bytes, 0, sizeof tile.bytes);
        for (std::size_t r = 0; r < tile.rows; ++r)
            std::memcpy(tile.bytes[r],
                        static_cast<const std::uint8_t*>(from) + static_cast<std::ptrdiff_t>(r) * stride,
                        tile.row_bytes);
    }
    template <int Number>
    static void store(void* to, std::ptrdiff_t stride) {
        const auto& tile = shaped(Number);
        for (std::size_t r = 0; r < tile.rows; ++r)
            std::memcpy(static_cast<std::uint8_t*>(to) + static_cast<std::ptrdiff_t>(r) * stride,
                        tile.bytes[r], tile.row_bytes);
    }
    template <int Sums, int A, int B>
    static void dpbusd() {
        auto& sums = shaped(Sums);
        const auto &a = shaped(A), &b = shaped(B);
        if (sums.rows != a.rows || sums.row_bytes != b.row_bytes || a.row_bytes != b.rows * 4)
            refuse("tiles that do not fit together");
        for (std::size_t m = 0; m < sums.rows; ++m)
            for (std::size_t n = 0; n < sums.row_bytes / 4; ++n) {
                std::int32_t sum;
                std::memcpy(&sum, sums.bytes[m] + n * 4, sizeof sum);
                for (std::size_t k = 0; k < b.rows * 4; ++k)
                    sum += a.bytes[m][k] * static_cast<std::int8_t>(b.bytes[k / 4][n * 4 + k % 4]);
                std::memcpy(sums.bytes[m] + n * 4, &sum, sizeof sum);
            }
    }
};

}  // namespace fard::soft::test
