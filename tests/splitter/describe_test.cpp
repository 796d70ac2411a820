// From models to estimates and cuts, beside FINN's own reports and the papers' figures.
#include "splitter/estimates/describe.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "overlays/profiles/board_profile.hpp"
#include "splitter/report/explain.hpp"
#include "splitter/report/picture.hpp"
#include "splitter/search/even.hpp"
#include "tests/splitter/finn_runs.hpp"

namespace fard {
namespace {

using namespace splitter;

std::string text_of(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::filesystem::path source_root() {
    const char* root = std::getenv("FARD_SOURCE_ROOT");
    return root ? root : ".";
}

// The network of the app, which is the papers' CnvW2A2.
model::Model cnv() { return model::Model::load(source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx").value(); }

Cluster boards(const std::string& name, std::size_t count, const Fractions& fractions = {}) {
    const auto profile = load_board_profile(source_root() / "overlays/boards", name).value();
    return cluster_of(profile, count, fractions).value();
}

Description stock(const model::Model& model, const FoldingFile& folding) {
    DescribeSettings settings;
    settings.estimates.mode = Estimates::finn;
    settings.dsp48e1 = true;
    settings.folding = &folding;
    settings.folding_name = "stock.json";
    return describe(model, settings).value();
}

}  // namespace

TEST_CASE("CnvW2A2 with the stock folding takes what FINN says, unit by unit") {
    const auto data = finn_data();
    if (!data) return;
    const auto model = model::Model::load(*data / "../models/cnv_w2a2.onnx").value();
    const auto folding = parse_folding(text_of(*data / "folding/cnv-w2a2_folding_config.json"), "stock.json").value();
    const auto description = stock(model, folding);
    const auto view = model::layers_of(model.graph());
    const auto report = read_json(*data / "runs/cnv_w2a2-pynqz1-stock/estimate_layer_resources.json");
    const auto cycles = read_json(*data / "runs/cnv_w2a2-pynqz1-stock/estimate_layer_cycles.json");
    std::size_t compared = 0;
    Resources all;
    for (std::size_t layer = 0; layer < description.units.size(); ++layer)
        for (std::size_t i = 0; i < description.units[layer].size(); ++i) {
            const auto& unit = description.units[layer][i];
            const auto name = model::name_of(unit, model::FinnFlow::main);
            if (!report.contains(name)) continue;
            const auto& option = description.options[layer].front();
            const auto cost = unit_cost(unit, view.layers[layer], option.units[i], model::FinnFlow::main, Estimates::finn);
            const auto theirs = figures(report.at(name), cycles.at(name));
            INFO(name);
            CHECK(cost.need.of == std::array<std::int64_t, 5>{theirs.lut, 0, theirs.bram18, theirs.uram, theirs.dsp});
            CHECK(cost.cycles == theirs.cycles);
            all += cost.need;
            ++compared;
        }
    CHECK(compared >= 17);
    CHECK(all.of[2] == 202);
    CHECK(all.of[0] == doctest::Approx(18'836).epsilon(0.01));
}

TEST_CASE("the traffic of CnvW2A2 is least behind the last convolution") {
    const auto model = cnv();
    const auto description = describe(model, {}).value();
    const auto cluster = boards("pynq-z1", 2);
    const auto found = search(description.network, cluster, {Strategy::traffic, {}}).value();
    REQUIRE(found.plan.stages.size() == 2);
    const auto cut = found.plan.stages[0].end;
    CHECK(description.network.cuts[cut].bytes == 64);
    CHECK(description.network.layers[description.network.cuts[cut].layers - 1].name == "Conv_5");
    CHECK(description.cut_tensors[cut].size() == 1);
}

TEST_CASE("mended estimates leave no unit without LUTs, and only the better foldings") {
    const auto model = cnv();
    const auto description = describe(model, {}).value();
    const auto& network = description.network;
    CHECK(network.layers.size() == description.options.size());
    CHECK(network.cuts.size() == description.cut_tensors.size());
    CHECK(network.cuts.back().layers == network.layers.size());
    CHECK(network.stage.of[0] > 0);
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        const auto& layer = network.layers[i];
        INFO(layer.name);
        REQUIRE_FALSE(layer.foldings.empty());
        std::size_t empty = 0, worse = 0;
        for (const auto& a : layer.foldings) {
            empty += !description.units[i].empty() && a.need.of[0] <= 0;
            for (const auto& b : layer.foldings)
                worse += &a != &b && a.need.fits(b.need) && a.cycles <= b.cycles;
        }
        CHECK(empty == 0);
        CHECK(worse == 0);
    }
}

TEST_CASE("a folding file of another network is refused, and so is what is none") {
    const auto model = cnv();
    const auto refused = [&](const std::string& json, const std::string& about) {
        auto file = parse_folding(json, "f.json");
        auto message = file ? std::string() : file.error().message;
        if (file) {
            DescribeSettings settings;
            settings.folding = &*file;
            settings.folding_name = "f.json";
            const auto description = describe(model, settings);
            REQUIRE_FALSE(description);
            message = description.error().message;
        }
        CHECK_MESSAGE(message.find(about) != std::string::npos, message);
    };
    refused("{", "not a JSON file");
    refused("[]", "one JSON object");
    refused("{}", "names no unit");
    refused(R"({"MVAU_hls_0": 3})", "must be an object");
    refused(R"({"MVAU_hls_0": {"PE": 0}})", "f.json: MVAU_hls_0: 'PE' must be a whole number of at least 1");
    refused(R"({"MVAU_hls_0": {"ram_style": "bloc"}})", "must be one of 'auto', 'block'");
    refused(R"({"MVAU_hls_0": {"PE": 1}, "StreamingFCLayer_Batch_0": {"PE": 1}})", "is there twice");
    refused(R"({"MVAU_rtl_1": {"PE": 1}, "MVAU_hls_0": {"PE": 1}})", "'MVAU_rtl_1' is not where it belongs");
    refused(R"({"MVAU_hls_99": {"PE": 1}})", "it is another network's");
    refused(R"({"MVAU_hls_0": {"PE": 7}})", "do not divide");
}

TEST_CASE("matrix units that a folding file has in RTL, and FINN cannot, are remarked") {
    const auto remarks = [](const std::string& json) {
        const auto file = parse_folding(json, "f.json").value();
        DescribeSettings settings;
        settings.folding = &file;
        settings.folding_name = "f.json";
        return not_in_rtl(describe(cnv(), settings).value(), settings);
    };
    CHECK(remarks(R"({"MVAU_hls_0": {"PE": 1}, "MVAU_hls_1": {"PE": 1}})").empty());
    const auto some = remarks(R"({"MVAU_hls_0": {"PE": 1}, "MVAU_rtl_0": {"PE": 1}})");
    REQUIRE(some.size() == 1);
    CHECK(some[0].find("f.json: MVAU_rtl_0 is layer '") == 0);
    CHECK(some[0].find("its thresholds are within it") != std::string::npos);
}

TEST_CASE("a report's figures take the place of estimates, zeros of a synthesis alone") {
    ReportFile report;
    REQUIRE(add_report(report, R"({"MVAU_hls_0": {"LUT": 900, "BRAM_18K": 0, "DSP": 0, "URAM": 0}, "total": {"LUT": 1}})", "r.json"));
    const std::pair key{model::FinnKind::mvau, 0};
    CHECK(report.units.at(key).lut == 900);
    CHECK_FALSE(report.units.at(key).bram18);
    REQUIRE(add_report(report, R"({"MVAU_rtl_0": 4711})", "c.json"));
    CHECK(report.units.at(key).cycles == 4711);
    REQUIRE(add_report(report, R"x({"(top)": {"LUT": 5},
        "StreamingDataflowPartition_1_MVAU_hls_0": {"LUT": "800", "FF": 300, "BRAM_36K": 2, "BRAM_18K": 1, "DSP": 0}})x", "s.json"));
    CHECK(report.units.at(key).lut == 800);
    CHECK(report.units.at(key).bram18 == 5);
    CHECK(report.units.at(key).dsp == 0);
    CHECK(report.units.at(key).cycles == 4711);

    const auto file = parse_folding(R"({"MVAU_hls_0": {"PE": 1, "SIMD": 1}})", "f.json").value();
    DescribeSettings settings;
    settings.folding = &file;
    settings.estimates.mode = Estimates::finn;
    const auto model = cnv();
    const auto before = describe(model, settings).value();
    settings.report = &report;
    settings.report_name = "r.json";
    const auto after = describe(model, settings).value();
    std::size_t changed = 0;
    for (std::size_t i = 0; i < before.network.layers.size(); ++i) {
        const auto& old = before.network.layers[i].foldings.front();
        const auto& now = after.network.layers[i].foldings.front();
        if (old.need == now.need) continue;
        ++changed;
        CHECK(now.need.of[1] == 300);
    }
    CHECK(changed == 1);

    const auto refused = [&](const std::string& json, const std::string& about) {
        ReportFile other;
        auto read = add_report(other, json, "r.json");
        auto message = read ? std::string() : read.error().message;
        if (read) {
            settings.report = &other;
            const auto description = describe(model, settings);
            REQUIRE_FALSE(description);
            message = description.error().message;
        }
        CHECK_MESSAGE(message.find(about) != std::string::npos, message);
    };
    refused("{", "not a JSON file");
    refused("[]", "one JSON object");
    refused(R"({"total": {}})", "names no unit");
    refused(R"({"MVAU_hls_0": {"LUT": -1}})", "'LUT' must be a count");
    refused(R"({"MVAU_hls_0": "many"})", "must be cycles");
    refused(R"({"MVAU_hls_99": {"LUT": 3}})", "it is another network's");
}

TEST_CASE("a folding file is written as it is read") {
    const std::vector<NamedFolding> units{{"MVAU_hls_0", {.pe = 4, .simd = 3, .rtl = false, .ram = finn::RamStyle::distributed, .on_dsp = true}},
                                          {"ConvolutionInputGenerator_rtl_0", {.simd = 3, .rtl = true, .ram = finn::RamStyle::block}},
                                          {"LabelSelect_hls_0", {.pe = 2, .rtl = false}}};
    const auto file = parse_folding(folding_json(units), "f.json").value();
    REQUIRE(file.units.size() == 3);
    CHECK(file.units.at({model::FinnKind::mvau, 0}) == units[0].second);
    CHECK(file.units.at({model::FinnKind::window, 0}) == units[1].second);
    CHECK(file.units.at({model::FinnKind::label_select, 0}) == units[2].second);
}

TEST_CASE("units of both languages are numbered by their place in a file, in foldings and in reports") {
    const std::vector<NamedFolding> units{{"MVAU_rtl_0", {.pe = 2, .rtl = true}}, {"Thresholding_rtl_0", {.pe = 5, .rtl = true}},
                                          {"MVAU_hls_0", {.pe = 3, .rtl = false}}, {"MVAU_rtl_1", {.pe = 4, .rtl = true}}};
    const auto file = parse_folding(folding_json(units), "f.json").value();
    REQUIRE(file.units.size() == 4);
    for (const auto& [number, unit] : {std::pair(0, 0), std::pair(1, 2), std::pair(2, 3)})
        CHECK(file.units.at({model::FinnKind::mvau, number}) == units[static_cast<std::size_t>(unit)].second);
    ReportFile report;
    REQUIRE(add_report(report, R"x({"(top)": {"LUT": 5}, "StreamingDataflowPartition_1_MVAU_rtl_0": {"LUT": 1},
        "StreamingDataflowPartition_1_MVAU_hls_0": {"LUT": 2}, "StreamingDataflowPartition_1_MVAU_rtl_1": {"LUT": 3}})x", "s.json"));
    for (int number = 0; number < 3; ++number)
        CHECK(report.units.at({model::FinnKind::mvau, number}).lut == number + 1);
}

TEST_CASE("the languages of units are written under the names from before they are settled") {
    const std::vector<NamedFolding> units{{"MVAU_hls_0", {}}, {"Thresholding_rtl_0", {}}, {"MVAU_rtl_0", {}}, {"MVAU_hls_1", {}}};
    const auto json = nlohmann::json::parse(specialization_json(units));
    const auto expected = nlohmann::json::parse(R"({"Defaults": {}, "MVAU_0": {"preferred_impl_style": "hls"},
        "MVAU_1": {"preferred_impl_style": "rtl"}, "MVAU_2": {"preferred_impl_style": "hls"}, "Thresholding_0": {"preferred_impl_style": "rtl"}})");
    CHECK(json == expected);
    CHECK(specialization_json({{"StreamingFCLayer_Batch_0", {}}}) == "{\n  \"Defaults\": {}\n}\n");
}

TEST_CASE("what does not fit is explained with the layer, the resource and what would do") {
    const auto model = cnv();
    const auto description = describe(model, {}).value();
    const auto tiny = boards("zedboard", 1, Fractions::all(0.12));
    const auto causes = why_nothing_fits(description.network, tiny, {boards("zcu102", 1).boards.front()});
    REQUIRE_FALSE(causes.empty());
    INFO(causes.front());
    CHECK(causes.front().find("alone takes") != std::string::npos);
    CHECK(causes.front().find("what would do: --fraction 0.13, a board zcu102") != std::string::npos);
    const auto few = boards("zedboard", 1, Fractions::all(0.3));
    const auto more = why_nothing_fits(description.network, few, {});
    INFO(more.front());
    CHECK(more.front().find("what would do") != std::string::npos);
}

TEST_CASE("the fewest slots are as many on boards of two as on boards of one") {
    const auto description = describe(cnv(), {}).value();
    const auto single = boards("zedboard", 24, Fractions::all(0.3));
    const auto fewest = in_fewest_slots(description.network, single);
    REQUIRE(fewest);
    auto twos = single;
    twos.boards.resize(12);
    for (auto& board : twos.boards)
        board.slots = 2;
    const auto shared = in_fewest_slots(description.network, twos);
    REQUIRE(shared);
    CHECK(fewest_slots(description.network, twos) == fewest_slots(description.network, single));
    CHECK(shared->stages.size() == fewest->stages.size());
    std::vector<std::size_t> used(twos.boards.size());
    for (const auto& stage : shared->stages)
        for (const auto board : stage.boards)
            CHECK(++used.at(board) <= 2);
}

TEST_CASE("a plan has a bottleneck, a remedy and a drawing") {
    const auto model = cnv();
    const auto description = describe(model, {}).value();
    const auto cluster = boards("pynq-z1", 2);
    const auto found = search(description.network, cluster, {Strategy::balance, {}}).value();
    const auto bottleneck = bottleneck_of(description.network, cluster, found);
    CHECK(bottleneck.what.find("pynq-z1-") != std::string::npos);
    CHECK(bottleneck.relief.find("bound by") != std::string::npos);
    const auto svg = svg_of(description.network, cluster, found, "a < b");
    CHECK(svg.starts_with("<svg"));
    CHECK(svg.find("a &lt; b") != std::string::npos);
    CHECK(svg.find("stage 1") != std::string::npos);
    CHECK(svg.find("pynq-z1-0") != std::string::npos);
}

TEST_CASE("of the plans with one stage on each computer that are as fast, the most even one is taken") {
    // One slow layer decides the period; the five behind it are cut evenly all the same.
    Network network;
    for (const std::int64_t macs : {900, 100, 200, 300, 200, 100})
        network.layers.push_back({"l" + std::to_string(network.layers.size()), {}, macs * 1'000'000, 0});
    for (std::size_t i = 0; i <= network.layers.size(); ++i)
        network.cuts.push_back({i, 1000});
    const auto cluster = boards("computer", 4);
    const auto found = search(network, cluster, {Strategy::throughput, 4}).value();
    const auto even = evenly(network, cluster, found);
    CHECK(even.cost.period_s <= found.cost.period_s * 1.000001);
    REQUIRE(even.plan.stages.size() == 4);
    CHECK(even.plan.stages[0].end == 1);
    CHECK(even.plan.stages[1].end == 3);
    CHECK(even.plan.stages[2].end == 4);
    // Other plans stay: replicas, boards of two kinds.
    const auto whole = search(network, cluster, {Strategy::throughput, 1}).value();
    CHECK(evenly(network, cluster, whole).plan.stages.size() == 1);
    auto mixed = cluster;
    mixed.boards[1].macs_per_s *= 2;
    const auto other = search(network, mixed, {Strategy::throughput, 4}).value();
    const auto kept = evenly(network, mixed, other);
    for (std::size_t i = 0; i < 4; ++i)
        CHECK(kept.plan.stages[i].end == other.plan.stages[i].end);
}

TEST_CASE("computers compute every layer, evenly shared where each takes a stage") {
    const auto model = cnv();
    const auto cluster = boards("computer", 3);
    DescribeSettings settings;
    describe_for(cluster, settings);
    const auto description = describe(model, settings).value();
    CHECK(std::ranges::all_of(description.network.layers, [](const Layer& layer) { return layer.foldings.empty(); }));
    CHECK(description.notes.empty());
    const auto found = search(description.network, cluster, {Strategy::throughput, 3}).value();
    REQUIRE(found.plan.stages.size() == 3);
    double sum = 0, most = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(found.plan.stages[i].on_processor);
        sum += found.cost.stages[i].compute_s;
        most = std::max(most, found.cost.stages[i].compute_s);
    }
    CHECK(most < sum * 0.7);
    settings = {};
    describe_for(boards("zedboard", 1), settings);
    CHECK_FALSE(settings.processors);
    CHECK(settings.dsp48e1);
}

}  // namespace fard
