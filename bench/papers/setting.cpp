#include "bench/papers/setting.hpp"

#include "overlays/package/files.hpp"
#include "overlays/profiles/board_profile.hpp"

namespace fard::papers {

using namespace splitter;

Result<Cluster> boards(const Setting& setting, const std::string& profile, std::size_t count, double fraction) {
    auto read = load_board_profile(setting.source / "overlays/boards", profile);
    if (!read) return fail(read.error());
    if (read->host) {
        read->host->us_per_chunk.value *= setting.host;
        read->host->ns_per_byte.value *= setting.host;
    }
    return cluster_of(*read, count, fraction > 0 ? Fractions::all(fraction) : Fractions{});
}

Result<Network> network(const Setting& setting, const std::string& name, const Cluster& cluster, std::uint64_t pixels,
                        const std::string& folding) {
    const auto file = name == "cnv_w2a2" ? setting.source / "apps/two_stage_bnn/cnv_w2a2.onnx" : setting.networks / (name + ".onnx");
    const auto model = model::Model::load(file);
    if (!model) return fail(model.error());
    DescribeSettings settings;
    settings.estimates.mode = folding.empty() ? Estimates::mended : Estimates::finn;
    describe_for(cluster, settings);
    FoldingFile read_folding;
    if (!folding.empty()) {
        settings.folding_name = (setting.foldings / folding).string();
        const auto text = read_regular_file(settings.folding_name, 16 << 20);
        if (!text) return fail(text.error());
        auto parsed = parse_folding(*text, settings.folding_name);
        if (!parsed) return fail(parsed.error());
        read_folding = std::move(*parsed);
        settings.folding = &read_folding;
        if (read_folding.early) settings.estimates.flow = model::FinnFlow::early;
    }
    auto description = describe(*model, settings);
    if (!description) return fail(description.error());
    auto network = std::move(description->network);
    network.name = name;
    network.cuts.front().bytes = pixels;
    return network;
}

Network in_whole_bytes(Network network, double elements_per_byte) {
    for (std::size_t i = 1; i + 1 < network.cuts.size(); ++i)
        network.cuts[i].bytes = static_cast<std::uint64_t>(static_cast<double>(network.cuts[i].bytes) * elements_per_byte);
    return network;
}

}  // namespace fard::papers
