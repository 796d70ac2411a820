// Runs each kernel of each row that runs here once between two marks, which tools/cross/instructions counts the instructions between.
// A mark is a system call that nothing else here makes. A line for each: row, kernel, how much work it was, and of what.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <random>

#include "overlays/soft/aligned_vector.hpp"
#include "overlays/soft/kernels/elementwise.hpp"
#include "overlays/soft/kernels/float_kernels.hpp"
#include "overlays/soft/kernels/kernels.hpp"
#include "overlays/soft/weights/byte_weights.hpp"
#include "overlays/soft/weights/weights.hpp"
#include "tests/overlays/draw.hpp"

using namespace fard;
using namespace fard::soft;

namespace {

constexpr std::size_t rows = 24, taps = 9, channels = 64, depth = taps * channels, steps = 15;  // a layer of 3x3, 64 to 64 channels

void mark() {
    ::syscall(SYS_getppid);
}

template <typename Run>
void measure(const Kernels& row, const char* kernel, std::size_t work, const char* unit, Run run) {
    run();  // the first call of a function also binds it
    mark();
    run();
    mark();
    std::printf("%.*s %s %zu %s\n", static_cast<int>(row.name.size()), row.name.data(), kernel, work, unit);
}

// Constants that keep the sums of random operands among the codes and mostly off the middles between two, in the exact form and the fast one.
struct Constants {
    std::vector<double> adds, factors, offsets;
    std::vector<float> float_factors, float_offsets;

    Constants(std::size_t lanes, double factor)
        : adds(lanes), factors(lanes, factor), offsets(lanes, 128.31), float_factors(lanes, static_cast<float>(factor)), float_offsets(lanes, 128.31F) {}

    Affine affine() const {
        return {float_factors.data(), float_offsets.data(), 0, 0, 255, adds.data(), factors.data(), offsets.data(), 0.499F};
    }
};

// `width` pixels of an image, `taps` of them under a window.
template <typename T>
std::vector<const T*> pointers(const T* data, std::size_t count, std::size_t distance) {
    std::vector<const T*> made;
    for (std::size_t i = 0; i < count; ++i)
        made.push_back(data + i * distance);
    return made;
}

void matrices_of_bytes(const Kernels& row) {
    if (!row.bytes) return;
    struct Form {
        const char* name;
        int largest_code, least_weight, largest_weight, zero_point;
    };
    for (const auto& [name, code, least, largest, zero] : {Form{"bytes", 255, -128, 127, 0}, Form{"bytes-zero-points", 255, -128, 127, 100},
                                                           Form{"bytes-4-bit", 15, -8, 7, 0}}) {
        std::mt19937 random(1);
        constexpr std::size_t runs = 3, run = depth / runs;
        const auto image = draw<std::uint8_t>(random, rows * channels + runs * run * 2 + 64, 0, code);
        const auto windows = pointers(image.data(), rows, channels);
        const Weights weights{draw<std::int32_t>(random, channels * depth, least - zero, largest - zero), channels, depth, 1};
        const auto panels = pack_byte_panels(weights, runs).value();
        const Constants constants(byte_panel_width, 1.0037e-4);
        std::vector<std::uint8_t> out(rows * channels);
        std::vector<RowSum> row_sums(rows);
        GemmBytes job{windows.data(), rows, runs, run / 4, run, panels.panel(0, 0), channels, constants.affine(), out.data(), channels, nullptr};
        job.narrow_groups = static_cast<std::size_t>(32767 / (2 * code * -least));
        if (zero != 0) {
            const AddRows add{windows.data(), rows, runs, run, run, panels.low_bits, row_sums.data()};
            measure(row, "add-rows", rows * depth, "byte", [&] { row.bytes->add_rows(add); });
            job.row_sums = row_sums.data(), job.row_factors = panels.factors(0, 0);
        }
        measure(row, name, rows * channels * depth, "MAC", [&] { row.bytes->gemm(job); });
    }
}

void triples(const Kernels& row) {
    if (!row.bytes) return;
    std::mt19937 random(2);
    const auto image = draw<std::uint8_t>(random, rows * channels + depth + 64, 0, 3);
    const auto windows = pointers(image.data(), rows, channels);
    const Weights weights{draw<std::int32_t>(random, channels * depth, -2, 1), channels, depth, 1};
    const auto panels = pack_byte_panels(weights, 1).value();
    std::vector<std::int32_t> least;
    for (const auto& bounds : sum_bounds(weights, {0, 3}))
        least.push_back(static_cast<std::int32_t>(bounds.min));
    const Constants constants(byte_panel_width, 0.05037);
    std::vector<std::uint8_t> packed(rows / triple_rows * packed_rows * depth), out(rows * channels);
    const PackTriples pack{windows.data(), rows, 1, depth / 4, 0, packed.data()};
    measure(row, "pack-triples", rows * depth, "byte", [&] { row.bytes->pack_triples(pack); });
    const GemmTriples job{packed.data(),        rows,       depth / 4, panels.panel(0, 0), least.data(), channels, constants.affine(), out.data(),
                          channels, 32767 / (2 * 195 * 2)};
    measure(row, "bytes-2-bit-triples", rows * channels * depth, "MAC", [&] { row.bytes->gemm_triples(job); });
}

void bits(const Kernels& row) {
    if (!row.bits || !row.bits->runs_here()) return;
    std::mt19937 random(3);
    const auto image = draw<std::uint8_t>(random, rows * depth, 0, 1);
    constexpr std::size_t words = depth / 64;
    std::vector<std::uint64_t> codes(rows * words), panel(words * bit_panel_width);
    const PackBits pack{image.data(), rows, depth, 0, 1, codes.data(), codes.size()};
    measure(row, "pack-bits", rows * depth, "code", [&] { row.bits->pack(pack); });
    for (auto& word : panel)
        word = std::uint64_t{random()} << 32 | random();
    const auto windows = pointers<std::uint64_t>(codes.data(), rows, words);
    const std::vector<std::int32_t> totals(bit_panel_width, static_cast<std::int32_t>(depth / 2));
    const Constants constants(bit_panel_width, 0.5037);
    std::vector<std::uint8_t> out(rows * bit_panel_width);
    const GemmBits job{windows.data(), rows,          1, words, 0, 1, codes.size(), panel.data(), 1, bit_panel_width, totals.data(), 0, constants.affine(),
                       out.data(),     bit_panel_width, nullptr};
    measure(row, "bits", rows * bit_panel_width * depth, "MAC", [&] { row.bits->gemm(job); });
}

void matrices_of_16_lanes(const Kernels& row) {
    std::mt19937 random(4);
    std::vector<std::int32_t> sums(rows * panel_width);
    const Weights small{draw<std::int32_t>(random, panel_width * depth, -8, 7), panel_width, depth, 1};
    const auto bytes = pack_weights(small, {0, 15}).value();
    const auto codes = draw<std::uint8_t>(random, rows * depth, 0, 15);
    const GemmU8 u8{codes.data(), depth, rows, bytes.u8_panels.data(), bytes.segment_ends.data(), bytes.segment_ends.size(), sums.data()};
    measure(row, "gemm-u8", rows * panel_width * depth, "MAC", [&] { row.gemm_u8(u8); });

    const Weights wide{draw<std::int32_t>(random, panel_width * depth, -3000, 3000), panel_width, depth, 1};
    const auto words = pack_weights(wide, {-300, 300}).value();
    const auto values = draw<std::int16_t>(random, rows * depth, -300, 300);
    const GemmI16 i16{values.data(), depth, rows, words.i16_panels.data(), depth / 2, sums.data()};
    measure(row, "gemm-i16", rows * panel_width * depth, "MAC", [&] { row.gemm_i16(i16); });
}

void depthwise(const Kernels& row) {
    std::mt19937 random(5);
    constexpr std::ptrdiff_t width = 14, signed_channels = channels;
    const auto image = draw<std::uint8_t>(random, 4 * width * channels + 64, 0, 15);
    const std::vector<std::uint8_t> outside(channels + 64);
    const Weights weights{draw<std::int32_t>(random, channels * taps, -8, 7), channels, taps, channels};
    std::vector<std::uint8_t> out(width * channels);
    if (row.bytes) {
        const auto packed = pack_depthwise3(weights).value();
        const auto lines = pointers(image.data(), 4, width * channels);
        const Constants constants(channels, 0.2037);
        Depthwise3 job{lines.data(), outside.data(), width, signed_channels, -1, 1, width, packed.weights.data(), constants.affine(), out.data(), true};
        measure(row, "depthwise3", width * channels * taps, "MAC", [&] { row.bytes->depthwise3(job); });
    }
    const auto packed = pack_depthwise(weights).value();
    const auto window = pointers(image.data(), taps, channels);
    std::vector<std::int16_t> limits;
    for (std::size_t i = 0; i < channels * steps; ++i)
        limits.push_back(static_cast<std::int16_t>(static_cast<int>(i / panel_width % steps) * 50 - 350));
    const Depthwise16 narrow{window.data(), taps, packed.data(), channels, limits.data(), steps, 0, out.data()};
    measure(row, "depthwise16", channels * taps, "MAC", [&] { row.depthwise16(narrow); });
    std::vector<std::int32_t> sums(channels);
    const Depthwise32 wide{window.data(), taps, packed.data(), channels, sums.data()};
    measure(row, "depthwise32", channels * taps, "MAC", [&] { row.depthwise32(wide); });
}

void fractions_of(const Kernels& row) {
    std::mt19937 random(6);
    const auto data = fractions(random, rows * depth + 16), weights = fractions(random, depth * single_panel_width);
    const auto start = fractions(random, channels + 16);
    const auto windows = pointers(data.data(), taps * rows, channels);
    std::vector<float> out(rows * single_panel_width + 16);
    const GemmSingles singles{windows.data(), rows, taps, 0, channels, weights.data(), start.data(), out.data(), single_panel_width, single_panel_width, true};
    measure(row, "float", rows * single_panel_width * depth, "MAC", [&] { row.floats->gemm_singles(singles); });
    const DepthwiseSingles pixel{windows.data(), taps, channels, weights.data(), start.data(), out.data(), true};
    measure(row, "float-depthwise", channels * taps, "MAC", [&] { row.floats->depthwise_singles(pixel); });

    const AlignedVector<double> doubles(data.begin(), data.end()), panel(weights.begin(), weights.end()), first(start.begin(), start.end());
    const GemmFloats in_double{doubles.data(), rows, taps, channels, panel.data(), first.data(), nullptr, out.data(), float_panel_width, float_panel_width, true};
    measure(row, "double", rows * float_panel_width * depth, "MAC", [&] { row.floats->gemm(in_double); });
    const DepthwiseFloats exact{windows.data(), taps, channels, panel.data(), first.data(), out.data(), true};
    measure(row, "double-depthwise", channels * taps, "MAC", [&] { row.floats->depthwise(exact); });

    measure(row, "float-max", channels * taps, "element", [&] { row.floats->max({windows.data(), taps, channels, out.data()}); });
    std::vector<double> sums(channels);
    measure(row, "float-add", channels, "element", [&] { row.floats->add({sums.data(), data.data(), channels}); });
}

void ends_of_layers(const Kernels& row) {
    std::mt19937 random(7);
    const auto sums = draw<std::int32_t>(random, rows * panel_width, -400, 400);
    std::vector<std::int32_t> limits;
    for (std::size_t i = 0; i < steps * panel_width; ++i)
        limits.push_back(static_cast<std::int32_t>(i / panel_width) * 50 - 350);
    const std::vector<std::int16_t> narrow(limits.begin(), limits.end());
    std::vector<std::uint8_t> out(rows * panel_width);
    const Count32 count32{sums.data(), rows, limits.data(), steps, 0, out.data(), panel_width, panel_width};
    measure(row, "count32", out.size(), "sum", [&] { row.count32(count32); });
    const Count16 count16{sums.data(), rows, narrow.data(), steps, 0, out.data(), panel_width, panel_width};
    measure(row, "count16", out.size(), "sum", [&] { row.count16(count16); });
    const Constants constants(panel_width, 0.2037);
    const Finish16 finish{sums.data(), rows, constants.affine(), out.data(), panel_width, panel_width};
    measure(row, "finish16", out.size(), "sum", [&] { row.finish16(finish); });
}

void pools(const Kernels& row) {
    std::mt19937 random(8);
    constexpr std::ptrdiff_t width = 14, columns = 3;
    const auto image = draw<std::uint8_t>(random, columns * width * channels, 0, 255);
    const auto lines = pointers(image.data(), columns, width * channels);
    std::vector<std::uint8_t> out(width * channels);
    const MaxRow pool{lines.data(), columns, width, channels, -1, 1, columns, 1, width, out.data()};
    measure(row, "max-row", out.size() * taps, "element", [&] { row.max_row(pool); });
    std::vector<std::int32_t> sums(channels);
    measure(row, "pixel-sums", out.size(), "element", [&] { row.pixel_sums({image.data(), width, channels, sums.data()}); });
}

void elements(const Kernels& row) {
    std::mt19937 random(9);
    constexpr std::size_t count = rows * channels;
    const auto a = draw<std::uint8_t>(random, count, 0, 255), b = draw<std::uint8_t>(random, count, 0, 255);
    const auto table = draw<std::uint8_t>(random, 511, 0, 255);
    std::vector<std::uint8_t> out(count);
    MapSums map{};
    map.a.from = a.data(), map.b.from = b.data(), map.sum = MapSums::Sum::plus, map.count = count, map.table = table.data();
    map.factor = 0.5F, map.out = out.data();
    measure(row, "map-table", count, "element", [&] { row.elementwise->map_sums(map); });
    map.is_line = true;
    measure(row, "map-line", count, "element", [&] { row.elementwise->map_sums(map); });

    const std::vector<double> multipliers(channels, 0.3037), offsets(channels, 10.31);
    const std::vector<float> factors(channels, 0.3037F), float_offsets(channels, 10.31F);
    const Merge merge{2, {{a.data()}, {b.data()}}, count, channels, {factors.data(), factors.data()}, float_offsets.data(), 0.499F, {0, 0},
                      {multipliers.data(), multipliers.data()}, offsets.data(), 0, 0, 255, out.data()};
    measure(row, "merge", count, "element", [&] { row.elementwise->merge(merge); });

    const auto in = fractions(random, count);
    std::vector<float> bounds;
    for (int code = 0; code <= 255; ++code)
        bounds.push_back((static_cast<float>(code) - 128.5F) / 128);
    const QuantizeFloats quantize{in.data(), count, bounds.data(), 255, 0, 128, 128, 0.499F, out.data()};
    measure(row, "quantize", count, "element", [&] { row.elementwise->quantize(quantize); });
}

}  // namespace

int main() {
    for (const auto& row : kernel_table()) {
        if (!row.runs_here()) continue;
        for (const auto part : {matrices_of_bytes, triples, bits, matrices_of_16_lanes, depthwise, fractions_of, ends_of_layers, pools, elements})
            part(row);
    }
}
