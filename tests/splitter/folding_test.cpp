// SetFolding: FINN's own choices on real networks.
#include "splitter/finn/folding.hpp"

#include <doctest/doctest.h>

#include <map>

#include "tests/splitter/finn_nodes.hpp"
#include "tests/splitter/finn_runs.hpp"

namespace fard {
namespace {

using nlohmann::json;

struct Folding {
    std::optional<std::int64_t> pe, simd;
};
struct FoldingOf {
    Folding operator()(const finn::MatrixUnit& u) const { return {u.multipliers.pe, u.multipliers.simd}; }
    Folding operator()(const finn::DepthwiseUnit& u) const { return {u.multipliers.pe, u.multipliers.simd}; }
    Folding operator()(const finn::WindowUnit& u) const { return {{}, u.simd}; }
    Folding operator()(const finn::PaddingUnit& u) const { return {{}, u.simd}; }
    Folding operator()(const finn::FifoUnit&) const { return {}; }
    Folding operator()(const finn::WidthUnit&) const { return {}; }
    template <typename Other>
    Folding operator()(const Other& u) const {
        return {u.pe, {}};
    }
};
Folding folding_of(const finn::Unit& unit) {
    return std::visit(FoldingOf{}, unit);
}

std::vector<finn::FoldingNode> nodes_of(const json& list, const std::string& part) {
    std::vector<finn::FoldingNode> nodes;
    std::map<std::string, std::size_t> makers;
    for (const auto& entry : list) {
        finn::FoldingNode node{.unit = unit_of(entry, part).value()};
        const auto& inputs = entry.at("inputs");
        if (const auto made = makers.find(inputs.at(0).at("tensor")); made != makers.end())
            node.producer = made->second;
        if (entry.at("op_type").get<std::string>().starts_with("MVAU"))
            node.annotated_weights = DataType::parse(inputs.at(1).at("datatype").get<std::string>()).value();
        for (const auto& output : entry.at("outputs"))
            makers[output.at("tensor")] = nodes.size();
        nodes.push_back(std::move(node));
    }
    return nodes;
}

// How many values of one run FINN chose otherwise; adds to `values`.
std::size_t differences(const std::filesystem::path& run, std::size_t& values) {
    const auto about = read_json(run / "run.json"), chosen = read_json(run / "auto_folding_config.json"),
               list = read_json(run / "nodes.json");
    auto nodes = nodes_of(list, about.at("part"));
    const finn::FoldingTarget target{
        .cycles =
            static_cast<std::int64_t>(1e9 / about.at("clk_ns").get<double>() / about.at("fps").get<double>()),
        .widest_weight_word = about.at("mvau_wwidth_max"),
        .version = run.filename().string().ends_with("-dev") ? finn::Version::dev : finn::Version::main};
    finn::set_folding(nodes, target);
    std::size_t different = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const auto name = list[i].at("name").get<std::string>();
        if (!chosen.contains(name)) continue;
        const auto ours = folding_of(nodes[i].unit);
        const auto compare = [&](const char* key, std::optional<std::int64_t> value) {
            if (!value || !chosen.at(name).contains(key)) return;
            ++values;
            if (chosen.at(name).at(key) == *value) return;
            ++different;
            MESSAGE(run.filename().string() << " " << name << " " << key << ": " << *value << " instead of "
                                            << chosen.at(name).at(key).dump());
        };
        compare("PE", ours.pe);
        compare("SIMD", ours.simd);
    }
    return different;
}

}  // namespace

TEST_CASE("a matrix unit is folded by SIMD first, then by PE, and only as far as needed") {
    finn::MatrixUnit unit{.columns = 64, .rows = 32, .vectors = 1};
    unit.multipliers.weights = DataType::sint(4);
    const auto folded = [&](std::int64_t cycles) {
        std::vector<finn::FoldingNode> nodes{{.unit = unit, .annotated_weights = DataType::sint(4)}};
        const auto slowest = finn::set_folding(nodes, {.cycles = cycles});
        const auto result = folding_of(nodes.front().unit);
        return std::array{*result.pe, *result.simd, slowest};
    };
    CHECK(folded(3000) == std::array<std::int64_t, 3>{1, 1, 2048});
    CHECK(folded(2048) == std::array<std::int64_t, 3>{1, 2, 1024});  // fewer than the target, not as many
    // 16 weights of 4 bits are wider than 36 bits: taken where that is enough, stepped back from where it is not.
    CHECK(folded(200) == std::array<std::int64_t, 3>{1, 16, 128});
    CHECK(folded(100) == std::array<std::int64_t, 3>{4, 8, 64});
    CHECK(folded(1) == std::array<std::int64_t, 3>{32, 8, 8});
}

TEST_CASE("FINN's own foldings of real networks") {
    const auto data = finn_data();
    if (!data) return;
    std::size_t values = 0, different = 0, runs = 0;
    for (const auto& entry : std::filesystem::directory_iterator(*data / "runs")) {
        if (!std::filesystem::exists(entry.path() / "auto_folding_config.json")) continue;
        ++runs;
        different += differences(entry.path(), values);
    }
    MESSAGE(different << " of " << values << " values of " << runs << " runs differ");
    CHECK(runs >= 10);
    CHECK(different == 0);
}

}  // namespace fard
