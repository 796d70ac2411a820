// Networks by AMX's products on emulated tiles; soft_byte_kernels_test.cpp has the products themselves.
#include <doctest/doctest.h>

#include "model/reference.hpp"
#include "overlays/soft/plan.hpp"
#include "tests/overlays/emulated_amx.hpp"
#include "tests/overlays/emulated_tiles.hpp"
#include "tests/overlays/random_network.hpp"

using namespace fard;
using namespace fard::soft;

namespace {

using Tensors = std::vector<std::vector<std::byte>>;

Tensors run(const std::shared_ptr<const model::Model>& model, const Kernels& kernels, const Tensors& inputs) {
    Plan plan(compile({model, &model->graph()}, kernels));
    Tensors outputs;
    std::vector<std::span<std::byte>> places;
    for (const auto& desc : model->outputs())
        outputs.emplace_back(desc.wire_bytes());
    for (auto& output : outputs)
        places.emplace_back(output);
    REQUIRE(plan.load(std::vector<std::span<const std::byte>>(inputs.begin(), inputs.end())));
    REQUIRE(plan.run());
    REQUIRE(plan.store(places));
    return outputs;
}

}  // namespace

TEST_CASE("random networks on emulated tiles agree with the plain kernels") {
    int ran = 0;
    for (std::uint32_t seed = 1; seed <= 60; ++seed) {
        const auto network = fard::test::random_network(seed);
        auto imported = model::Model::parse(network.onnx, "random");
        if (!imported) continue;  // sums that may leave 32 bits
        const auto model = std::make_shared<const model::Model>(*std::move(imported));
        std::mt19937 random(seed);
        const auto inputs = fard::test::random_inputs(*model, random);
        const auto expected = run(model, kernel_table().back(), inputs);
        for (const auto& row : fard::soft::test::emulated_amx_rows())
            CHECK_MESSAGE(run(model, row, inputs) == expected, row.name, ": ", network.description);
        ++ran;
    }
    CHECK(ran > 50);
}

TEST_CASE("rows at equal distances are read where they lie, others are copied") {
    std::vector<std::uint8_t> image(16 * 100);
    for (std::size_t i = 0; i < image.size(); ++i)
        image[i] = static_cast<std::uint8_t>(i * 7);
    amx::TileConfig config;
    config.shape(amx::rows_tile, 16, 64);
    fard::soft::test::EmulatedTiles::load_config(config);
    for (const std::size_t last : {1500u, 1507u}) {
        std::vector<const std::uint8_t*> rows;
        for (std::size_t r = 0; r < 15; ++r)
            rows.push_back(image.data() + r * 100);
        rows.push_back(image.data() + last);
        amx::RowBlock(rows.data(), 16).load<fard::soft::test::EmulatedTiles, amx::rows_tile>(20, 64);
        const auto& tile = fard::soft::test::EmulatedTiles::tiles[amx::rows_tile];
        for (std::size_t r = 0; r < 16; ++r)
            CHECK(std::equal(tile.bytes[r], tile.bytes[r] + 64, rows[r] + 20));
    }
    fard::soft::test::EmulatedTiles::release();
}
