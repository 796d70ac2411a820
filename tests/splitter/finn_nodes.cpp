#include "tests/splitter/finn_nodes.hpp"

#include <map>

namespace fard {
namespace {

using Json = nlohmann::json;

struct Attributes {
    const Json& json;
    std::int64_t number(const char* name) const { return json.at(name).get<std::int64_t>(); }
    std::string text(const char* name) const { return json.at(name).get<std::string>(); }
    DataType type(const char* name) const { return DataType::parse(text(name)).value(); }
    finn::Extent extent(const char* name) const { return json.at(name).get<finn::Extent>(); }
    std::int64_t product(const char* name) const {
        std::int64_t all = 1;
        for (const auto& extent : json.at(name))
            all *= extent.get<std::int64_t>();
        return all;
    }
    finn::RamStyle style(const char* name) const {
        static const std::map<std::string, finn::RamStyle> styles{
            {"auto", finn::RamStyle::automatic},
            {"block", finn::RamStyle::block},
            {"distributed", finn::RamStyle::distributed},
            {"ultra", finn::RamStyle::ultra}};
        return styles.at(text(name));
    }
};

finn::Multipliers multipliers(const Attributes& a, finn::Language language, const std::string& part) {
    static const std::map<std::string, finn::MemoryMode> modes{
        {"internal_decoupled", finn::MemoryMode::decoupled},
        {"internal_embedded", finn::MemoryMode::embedded},
        {"external", finn::MemoryMode::external}};
    finn::Multipliers m{.language = language,
                        .pe = a.number("PE"),
                        .simd = a.number("SIMD"),
                        .weights = a.type("weightDataType"),
                        .inputs = a.type("inputDataType"),
                        .outputs = a.type("outputDataType"),
                        .accumulator_bits = a.type("accDataType").bits(),
                        .activation = a.number("noActivation") == 0,
                        .memory = modes.at(a.text("mem_mode")),
                        .ram = a.style("ram_style"),
                        .on_dsp = a.text("resType") == "dsp"};
    if (a.json.contains("ram_style_thresholds")) m.threshold_ram = a.style("ram_style_thresholds");
    if (part.starts_with("xcv")) m.dsp = finn::DspBlock::dsp58;
    return m;
}

finn::WindowUnit window(const Attributes& a, finn::Language language) {
    return {.language = language,
            .channels = a.number("IFMChannels"),
            .simd = a.number("SIMD"),
            .kernel = a.extent("ConvKernelDim"),
            .stride = a.extent("Stride"),
            .dilation = a.extent("Dilation"),
            .input = a.extent("IFMDim"),
            .output = a.extent("OFMDim"),
            .type = a.type("inputDataType"),
            .depthwise = a.number("depthwise") == 1,
            .one_dimensional = a.number("is1D") == 1,
            .parallel_window = a.number("parallel_window") == 1,
            .ram = a.style("ram_style")};
}

finn::ThresholdUnit thresholds(const Attributes& a, finn::Language language, const char* parameters) {
    finn::ThresholdUnit unit{.language = language,
                             .channels = a.number("NumChannels"),
                             .pe = a.number("PE"),
                             .vectors = a.product("numInputVectors"),
                             .inputs = a.type("inputDataType"),
                             .outputs = a.type("outputDataType"),
                             .thresholds = a.type(parameters)};
    if (language == finn::Language::hls) unit.ram = a.style("ram_style");
    if (language == finn::Language::rtl) {
        unit.bram_from = a.number("depth_trigger_bram");
        unit.uram_from = a.number("depth_trigger_uram");
    }
    return unit;
}

finn::FifoUnit fifo(const Attributes& a) {
    const auto lanes = a.json.at("folded_shape").back().get<std::int64_t>();
    return {.width = a.type("dataType").bits() * lanes,
            .depth = a.number("depth"),
            .vivado = a.text("impl_style") == "vivado",
            .ram = a.style("ram_style")};
}

finn::PaddingUnit padding(const Attributes& a) {
    const auto [rows, columns] = a.extent("ImgDim");
    const auto border = a.json.at("Padding").get<std::array<std::int64_t, 4>>();
    return {.channels = a.number("NumChannels"),
            .simd = a.number("SIMD"),
            .padded = {rows + border[0] + border[2], columns + border[1] + border[3]}};
}

}  // namespace

std::optional<finn::Unit> unit_of(const Json& node, const std::string& part) {
    const auto op = node.at("op_type").get<std::string>();
    const auto language = op.ends_with("_rtl") ? finn::Language::rtl : finn::Language::hls;
    const auto kind = op.substr(0, op.rfind('_'));
    const Attributes a{node.at("attributes")};
    if (kind == "MVAU")
        return finn::MatrixUnit{multipliers(a, language, part), a.number("MW"), a.number("MH"),
                                a.product("numInputVectors")};
    if (kind == "VVAU")
        return finn::DepthwiseUnit{multipliers(a, language, part), a.number("Channels"), a.extent("Kernel"),
                                   a.extent("Dim")};
    if (kind == "ConvolutionInputGenerator") return window(a, language);
    if (kind == "Thresholding") return thresholds(a, language, "weightDataType");
    if (kind == "ChannelwiseOp") return thresholds(a, language, "paramDataType");
    if (kind == "StreamingFIFO") return fifo(a);
    if (kind == "StreamingDataWidthConverter")
        return finn::WidthUnit{a.number("inWidth"), a.number("outWidth")};
    if (kind == "FMPadding") return padding(a);
    if (kind == "StreamingMaxPool")
        return finn::MaxPoolUnit{a.number("NumChannels"), a.number("PE"), a.extent("ImgDim"),
                                 a.extent("PoolDim")};
    if (kind == "Pool")
        return finn::PoolUnit{a.number("Channels"), a.number("PE"), a.extent("KernelSize"),
                              a.extent("OutImgDims")};
    if (kind == "GlobalAccPool")
        return finn::GlobalPoolUnit{a.number("NumChannels"), a.number("PE"), a.product("numInputVectors")};
    if (kind == "LabelSelect") return finn::StreamUnit{a.number("Labels"), a.number("PE")};
    if (kind == "AddStreams" || kind == "DuplicateStreams")
        return finn::StreamUnit{a.number("NumChannels"), a.number("PE"), a.product("numInputVectors")};
    if (kind == "ElementwiseAdd") {
        std::int64_t words = 1;
        const auto& shape = node.at("folded_output_shape");
        for (std::size_t i = 0; i + 1 < shape.size(); ++i)
            words *= shape[i].get<std::int64_t>();
        return finn::StreamUnit{1, 1, words, false};
    }
    return std::nullopt;
}

}  // namespace fard
