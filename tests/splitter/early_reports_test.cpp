// FINN's published reports of MobileNetV1 W4A4 (ZCU102), CNV W1A1 and TFC W1A1, made before 2022: the layers are written down here, the
// folding and every figure are read from the reports.
#include <doctest/doctest.h>

#include <map>

#include "splitter/cost/plan.hpp"
#include "splitter/estimates/options.hpp"
#include "splitter/finn/estimate.hpp"
#include "tests/splitter/finn_nodes.hpp"
#include "tests/splitter/finn_runs.hpp"

namespace fard {
namespace {

using nlohmann::json;

// One published build: its reports, and the units as they come in its network, each kind numbered from 0.
class Report {
  public:
    explicit Report(const std::filesystem::path& directory)
        : folding_(read_json(directory / "final_hw_config.json")),
          resources_(read_json(directory / "estimate_layer_resources.json")),
          cycles_(read_json(directory / "estimate_layer_cycles.json")),
          simulated_(std::filesystem::exists(directory / "rtlsim_performance.json")
                         ? read_json(directory / "rtlsim_performance.json").at("latency_cycles").get<double>()
                         : 0) {}

    // rows x columns, `vectors` of an image; thresholds where `outputs` are given.
    void matrix(std::int64_t columns, std::int64_t rows, std::int64_t vectors, DataType weights,
                DataType inputs, std::optional<DataType> outputs) {
        const auto name = next("StreamingFCLayer_Batch");
        finn::MatrixUnit unit{multipliers(name, weights, inputs, outputs), columns, rows, vectors};
        unit.multipliers.simd = folding_.at(name).at("SIMD");
        check(name, unit);
        layer_.kind = model::LayerKind::convolution;
        layer_.mw = columns, layer_.mh = rows, layer_.vectors = vectors;
        end_layer();
    }
    void depthwise(std::int64_t channels, std::int64_t outputs, DataType type) {
        const auto name = next("Vector_Vector_Activate_Batch");
        const auto weights = DataType::sint(type.bits());
        check(name, finn::DepthwiseUnit{
                        multipliers(name, weights, type, type), channels, {3, 3}, {outputs, outputs}});
        layer_.kind = model::LayerKind::depthwise;
        layer_.mw = 9, layer_.vectors = outputs * outputs;
        end_layer();
    }
    void window(std::int64_t channels, std::int64_t kernel, std::int64_t stride, std::int64_t input,
                DataType type) {
        const auto name = next("ConvolutionInputGenerator");
        const auto output = (input - kernel) / stride + 1;
        check(name, finn::WindowUnit{.language = finn::Language::hls,
                                     .channels = channels,
                                     .simd = folding_.at(name).at("SIMD"),
                                     .kernel = {kernel, kernel},
                                     .stride = {stride, stride},
                                     .dilation = {1, 1},
                                     .input = {input, input},
                                     .output = {output, output},
                                     .type = type});
        const auto pads = 2 * layer_.window.pads.top;
        layer_.window.kernel = {kernel, kernel};
        layer_.window.input = {input - pads, input - pads};
    }
    void padding(std::int64_t channels, std::int64_t padded) {
        const auto name = next("FMPadding_Batch");
        layer_.window.pads.top = 1;
        check(name, finn::PaddingUnit{channels, folding_.at(name).at("SIMD"), {padded, padded}});
    }
    void thresholds(std::int64_t channels, DataType inputs, DataType outputs) {
        const auto name = next("Thresholding_Batch");
        check(name, finn::ThresholdUnit{.language = finn::Language::hls,
                                        .channels = channels,
                                        .pe = folding_.at(name).at("PE"),
                                        .vectors = 1,
                                        .inputs = inputs,
                                        .outputs = outputs,
                                        .thresholds = inputs,
                                        .ram = finn::RamStyle::distributed});
    }
    void label_select(std::int64_t labels) {
        const auto name = next("LabelSelect_Batch");
        check(name, finn::StreamUnit{labels, folding_.at(name).at("PE"), 1});
    }
    void pool(std::int64_t channels, std::int64_t kernel) {
        const auto name = next("Pool_Batch");
        check(name, finn::PoolUnit{channels, folding_.at(name).at("PE"), {kernel, kernel}, {1, 1}});
        layer_.kind = model::LayerKind::global_pool;
        end_layer();
    }

    // Of one image through all of it on one board, over what their simulation took.
    double latency_ratio() const {
        splitter::Cluster cluster;
        splitter::Board board{.name = "board", .clock_hz = 1};
        board.way = cluster.client = {1e30, 0};
        cluster.boards = {board};
        const splitter::Plan plan{{{0, 1, false, std::vector<std::size_t>(network_.layers.size()), {0}}}};
        auto network = network_;
        network.cuts = {{0, 1}, {network_.layers.size(), 1}};
        return splitter::evaluate(network, cluster, plan).value().latency_s / simulated_;
    }

    std::size_t compared() const { return compared_; }    // figures that are not zero
    std::size_t different() const { return different_; }  // of those
    bool cycles_equal() const { return cycles_equal_; }

  private:
    std::string next(const std::string& kind) { return fmt::format("{}_{}", kind, numbers_[kind]++); }

    finn::Multipliers multipliers(const std::string& name, DataType weights, DataType inputs,
                                  std::optional<DataType> outputs) const {
        finn::Multipliers m{.pe = folding_.at(name).at("PE"), .weights = weights, .inputs = inputs};
        if (outputs) m.outputs = *outputs;
        m.activation = outputs.has_value();
        return m;
    }

    // Units up to here are one layer of the network.
    void end_layer() {
        auto& layer = network_.layers.emplace_back();
        layer.lead = splitter::lead_of(layer_);
        const bool whole = layer_.kind == model::LayerKind::global_pool || layer_.vectors == 1;
        layer.foldings = {{{}, layer_cycles_, whole ? layer_cycles_ : 0}};
        layer_ = {};
        layer_cycles_ = 0;
    }

    void check(const std::string& name, const finn::Unit& unit) {
        layer_cycles_ = std::max(layer_cycles_, cycles_.at(name).get<std::int64_t>());
        const auto ours = finn::estimate(unit, finn::Version::early);
        const auto theirs = figures(resources_.at(name), cycles_.at(name));
        CHECK_MESSAGE(ours.cycles == theirs.cycles, name);
        cycles_equal_ &= ours.cycles == theirs.cycles;
        for (const auto member : {&finn::Estimate::lut, &finn::Estimate::bram18, &finn::Estimate::dsp}) {
            if (theirs.*member == 0) continue;
            ++compared_;
            if (ours.*member == theirs.*member) continue;
            ++different_;
            MESSAGE(name << ": " << ours.*member << " instead of " << theirs.*member);
        }
    }

    json folding_, resources_, cycles_;
    double simulated_;  // 0: nobody has
    splitter::Network network_;
    model::Layer layer_;  // whose units come now
    std::int64_t layer_cycles_ = 0;
    std::map<std::string, int> numbers_;
    std::size_t compared_ = 0, different_ = 0;
    bool cycles_equal_ = true;
};

}  // namespace

TEST_CASE("the published report of MobileNetV1 W4A4") {
    const auto data = finn_data();
    if (!data) return;
    Report report(*data / "mobilenet_w4a4");
    const auto u4 = DataType::uint(4), s4 = DataType::sint(4);
    struct Block {
        std::int64_t channels, outputs, stride, size;  // of its depthwise layer's padded input
    };
    constexpr Block blocks[] = {{32, 64, 1, 113},  {64, 128, 2, 113}, {128, 128, 1, 58}, {128, 256, 2, 58},
                                {256, 256, 1, 30}, {256, 512, 2, 30}, {512, 512, 1, 16}, {512, 512, 1, 16},
                                {512, 512, 1, 16}, {512, 512, 1, 16}, {512, 512, 1, 16}, {512, 1024, 2, 16},
                                {1024, 1024, 1, 9}};
    report.window(3, 3, 2, 224, DataType::uint(8));
    report.matrix(27, 32, 111 * 111, DataType::sint(8), DataType::uint(8), u4);
    for (const auto& block : blocks) {
        const auto size = (block.size - 3) / block.stride + 1;
        report.padding(block.channels, block.size);
        report.window(block.channels, 3, block.stride, block.size, u4);
        report.depthwise(block.channels, size, u4);
        report.matrix(block.channels, block.outputs, size * size, s4, u4, u4);
    }
    report.window(1024, 7, 1, 7, u4);
    report.pool(1024, 7);
    report.matrix(1024, 1000, 1, s4, u4, std::nullopt);
    MESSAGE(report.different() << " of " << report.compared() << " figures differ");
    CHECK(report.cycles_equal());
    CHECK(report.compared() >= 70);
    CHECK(report.latency_ratio() == doctest::Approx(0.87).epsilon(0.01));
    CHECK(report.different() == 0);
}

TEST_CASE("the published report of CNV W1A1") {
    const auto data = finn_data();
    if (!data) return;
    Report report(*data / "cnv_w1a1");
    const auto bit = DataType::uint(1);  // as xnor counts them
    report.window(3, 3, 1, 32, DataType::uint(8));
    report.matrix(27, 64, 900, bit, DataType::uint(8), bit);
    report.window(64, 3, 1, 30, bit);
    report.matrix(576, 64, 784, bit, bit, bit);
    report.window(64, 3, 1, 14, bit);
    report.matrix(576, 128, 144, bit, bit, bit);
    report.window(128, 3, 1, 12, bit);
    report.matrix(1152, 128, 100, bit, bit, bit);
    report.window(128, 3, 1, 5, bit);
    report.matrix(1152, 256, 9, bit, bit, bit);
    report.window(256, 3, 1, 3, bit);
    report.matrix(2304, 256, 1, bit, bit, bit);
    report.matrix(256, 512, 1, bit, bit, bit);
    report.matrix(512, 512, 1, bit, bit, bit);
    report.matrix(512, 10, 1, bit, bit, std::nullopt);
    MESSAGE(report.different() << " of " << report.compared() << " figures differ");
    CHECK(report.cycles_equal());
    CHECK(report.compared() >= 20);
    CHECK(report.latency_ratio() == doctest::Approx(1.055).epsilon(0.01));
    CHECK(report.different() == 0);
}

TEST_CASE("the published report of TFC W1A1") {
    const auto data = finn_data();
    if (!data) return;
    Report report(*data / "tfc");
    const auto bit = DataType::uint(1);  // as xnor counts them
    report.thresholds(784, DataType::uint(8), bit);
    report.matrix(784, 64, 1, bit, bit, bit);
    report.matrix(64, 64, 1, bit, bit, bit);
    report.matrix(64, 64, 1, bit, bit, bit);
    report.matrix(64, 10, 1, bit, bit, std::nullopt);
    report.label_select(10);
    MESSAGE(report.different() << " of " << report.compared() << " figures differ");
    CHECK(report.cycles_equal());
    CHECK(report.compared() == 9);
    CHECK(report.different() == 0);
}

}  // namespace fard
