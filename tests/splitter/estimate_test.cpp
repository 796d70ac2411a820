// FINN's estimates: a few by hand, then every figure that FINN itself printed.
#include "splitter/finn/estimate.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "splitter/finn/memory.hpp"
#include "tests/splitter/finn_nodes.hpp"
#include "tests/splitter/finn_runs.hpp"

namespace fard {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string text(const finn::Estimate& e) {
    return fmt::format("LUT {} BRAM18 {} URAM {} DSP {} cycles {}", e.lut, e.bram18, e.uram, e.dsp, e.cycles);
}

void check_vectors(const char* file, finn::Version version) {
    const auto data = finn_data();
    if (!data) return;
    std::ifstream lines(*data / "runs" / file);
    std::size_t layers = 0;
    for (std::string line; std::getline(lines, line); ++layers) {
        const auto node = json::parse(line);
        const auto unit = unit_of(node, node.at("part"));
        REQUIRE_MESSAGE(unit, node.at("op_type").get<std::string>());
        const auto ours = finn::estimate(*unit, version), theirs = figures(node, node.at("cycles"));
        CHECK_MESSAGE(ours == theirs, line << "\n  " << text(ours) << " instead of " << text(theirs));
    }
    CHECK(layers == 1500);
}

}  // namespace

TEST_CASE("BRAM18s of a memory go by its aspect ratio") {
    using finn::bram18_of;
    CHECK(bram18_of(1, 16384) == 1);
    CHECK(bram18_of(1, 16385) == 2);
    CHECK(bram18_of(2, 8193) == 2);
    CHECK(bram18_of(4, 4096) == 1);
    CHECK(bram18_of(9, 2048) == 1);
    CHECK(bram18_of(9, 2048, finn::Parity::unused) == 2);
    CHECK(bram18_of(36, 512) == 1);
    CHECK(bram18_of(37, 512) == 2);
    CHECK(bram18_of(36, 513) == 2);  // as 18 bits wide and 1,024 deep
}

TEST_CASE("the memory that wastes least is taken, URAM before BRAM before LUTRAM") {
    using finn::Primitive;
    CHECK(finn::least_waste(13, 1, {}).primitive == Primitive::lutram);
    CHECK(finn::least_waste(13, 1, {}).count == 13);
    CHECK(finn::least_waste(9, 2048, {}).primitive == Primitive::bram18);
    CHECK(finn::least_waste(9, 32768, {}).primitive == Primitive::uram);
    CHECK(finn::least_waste(9, 32768, {.uram = false, .bram18 = false}).count == 9 * 512);
}

TEST_CASE("a matrix unit's figures, by hand") {
    // 27 x 64 ternary-like weights of 2 bits, 8-bit inputs, PE 8, SIMD 3: CnvW2A2's first layer.
    finn::MatrixUnit unit{.columns = 27, .rows = 64, .vectors = 900};
    unit.multipliers = {.pe = 8,
                        .simd = 3,
                        .weights = DataType::sint(2),
                        .inputs = DataType::sint(8),
                        .outputs = DataType::sint(2),
                        .accumulator_bits = 13,
                        .activation = true,
                        .memory = finn::MemoryMode::decoupled,
                        .ram = finn::RamStyle::automatic,
                        .threshold_ram = finn::RamStyle::automatic};
    const auto plain = finn::estimate(unit, finn::Version::main);
    CHECK(plain.cycles == 8 * 9 * 900);
    CHECK(plain.bram18 == 2);  // 48 bits x 72, two of 36 bits
    // 300 + 1.1 * 8 * (3 * 3 * 10 + 10 * 5 + 13)
    CHECK(plain.lut == 1646);
    unit.multipliers.threshold_ram = finn::RamStyle::distributed;
    // Three levels: as many thresholds and comparators of 13 bits.
    CHECK(finn::estimate(unit, finn::Version::main).lut == 300 + 2032);
    unit.multipliers.on_dsp = true;
    CHECK(finn::estimate(unit, finn::Version::main).dsp == 24);
    unit.multipliers.language = finn::Language::rtl;
    CHECK(finn::estimate(unit, finn::Version::main).lut == 0);
    CHECK(finn::estimate(unit, finn::Version::main).dsp == 2 * 3);
}

TEST_CASE("every figure of FINN's estimate functions on random layers (main)") {
    check_vectors("vectors-main.jsonl", finn::Version::main);
}

TEST_CASE("every figure of FINN's estimate functions on random layers (dev)") {
    check_vectors("vectors-dev.jsonl", finn::Version::dev);
}

TEST_CASE("the reports of FINN's runs on real networks") {
    const auto data = finn_data();
    if (!data) return;
    std::size_t figures_in_all = 0, different = 0;
    for (const auto& entry : fs::directory_iterator(*data / "runs")) {
        if (!entry.is_directory()) continue;
        const auto version =
            entry.path().filename().string().ends_with("-dev") ? finn::Version::dev : finn::Version::main;
        const auto part = read_json(entry.path() / "run.json").value("part", "");
        const auto resources = read_json(entry.path() / "estimate_layer_resources.json");
        const auto cycles = read_json(entry.path() / "estimate_layer_cycles.json");
        for (const auto& node : read_json(entry.path() / "nodes.json")) {
            const auto name = node.at("name").get<std::string>();
            const auto unit = unit_of(node, part);
            REQUIRE_MESSAGE(unit, name);
            const auto ours = finn::estimate(*unit, version),
                       theirs = figures(resources.at(name), cycles.at(name));
            CHECK_MESSAGE(ours.cycles == theirs.cycles, entry.path().filename().string() << " " << name);
            figures_in_all += 5;
            different += (ours.lut != theirs.lut) + (ours.bram18 != theirs.bram18) +
                         (ours.uram != theirs.uram) + (ours.dsp != theirs.dsp);
        }
    }
    MESSAGE(different << " of " << figures_in_all << " differ");
    // One: FINN printed a threshold unit before its folding had set the depths from which BRAM is taken.
    CHECK(different <= 1);
}

}  // namespace fard
