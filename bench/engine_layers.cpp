#include "bench/engine_layers.hpp"

#include <cstdio>
#include <map>

#include "bench/measure.hpp"
#include "bench/onednn_peer.hpp"

namespace fard::bench {
namespace {

using nlohmann::json;

struct PeerLayer {
    double milliseconds = 0;
    std::string kernel;
};

struct Measured {
    std::vector<LayerTime> ours;
    std::map<std::string, PeerLayer> peer;  // by the node's name
};

Measured measure_layers(Network& network, int rounds, bool onednn) {
    const auto shapes = onednn ? convolutions_of(network.graph()) : std::vector<ConvShape>{};
    const auto chain = shapes.empty() ? nullptr : open_onednn(shapes);
    std::vector<std::vector<double>> times(chain ? shapes.size() : 0);
    Measured measured;
    measured.ours = network.layers(rounds, [&] {
        for (std::size_t i = 0; i < times.size(); ++i)
            times[i].push_back(chain->run(i));
    });
    for (std::size_t i = 0; i < times.size(); ++i)
        measured.peer[shapes[i].name] = {median(times[i]), chain->kernel(i)};
    return measured;
}

}  // namespace

std::vector<ConvShape> convolutions_of(const model::Graph& graph) {
    std::vector<ConvShape> shapes;
    for (const auto& node : graph.nodes)
        if (node.op == model::Op::conv)
            shapes.push_back({node.name, graph[node.inputs[0]].shape, graph[node.outputs[0]].shape,
                              node.as<model::ConvAttributes>()});
    return shapes;
}

void add_layers(const CorePeaks& peaks, Network& network, int rounds, bool onednn, json& row) {
    const auto measured = measure_layers(network, rounds, onednn);
    double ours = 0, theirs = 0;
    for (const auto& layer : measured.ours) {
        const double rate = static_cast<double>(layer.macs) / layer.milliseconds / 1e6;
        json entry{{"name", layer.name},
                   {"kind", layer.kind},
                   {"how", layer.how},
                   {"macs", layer.macs},
                   {"ms", layer.milliseconds},
                   {"gmacs_per_s", rate},
                   {"of_vnni_peak", peaks.vnni > 0 ? rate / peaks.vnni : 0}};
        if (const auto peer = measured.peer.find(layer.name); peer != measured.peer.end() && layer.macs > 0) {
            entry["onednn_ms"] = peer->second.milliseconds;
            entry["onednn_kernel"] = peer->second.kernel;
            entry["ratio"] = peer->second.milliseconds / layer.milliseconds;
            ours += layer.milliseconds, theirs += peer->second.milliseconds;
        }
        row["layers"].push_back(std::move(entry));
    }
    if (theirs > 0)
        row["onednn"] = {{"convolutions", measured.peer.size()},
                         {"ms", ours},
                         {"peer_ms", theirs},
                         {"ratio", theirs / ours}};
}

void print_layers(const json& row) {
    const bool onednn = row.contains("onednn");
    std::printf("\n%s\n  %-32s %-13s %9s %8s %8s %6s %s %s\n", row["network"].get<std::string>().c_str(),
                "layer", "step", "MMAC", "us", "GMAC/s", "VNNI", onednn ? "  oneDNN us  ratio" : "",
                "kernel");
    for (const auto& layer : row["layers"]) {
        std::printf("  %-32s %-13s %9.3f %8.1f %8.1f %5.0f%% ",
                    layer["name"].get<std::string>().substr(0, 32).c_str(),
                    layer["kind"].get<std::string>().c_str(), layer["macs"].get<double>() / 1e6,
                    layer["ms"].get<double>() * 1e3, layer["gmacs_per_s"].get<double>(),
                    layer["of_vnni_peak"].get<double>() * 100);
        if (layer.contains("onednn_ms"))
            std::printf("  %9.1f %6.2f", layer["onednn_ms"].get<double>() * 1e3,
                        layer["ratio"].get<double>());
        else if (onednn)
            std::printf("  %9s %6s", "", "");
        std::printf(" %s", layer["how"].get<std::string>().c_str());
        if (layer.contains("onednn_ms"))
            std::printf(" | %s", layer["onednn_kernel"].get<std::string>().c_str());
        std::printf("\n");
    }
}

void print_onednn(const json& row) {
    const auto& sums = row["onednn"];
    std::printf("%-22s %3d convolutions: ours %.3f ms, oneDNN int8 %.3f ms, ratio %.2f\n",
                row["network"].get<std::string>().c_str(), sums["convolutions"].get<int>(),
                sums["ms"].get<double>(), sums["peer_ms"].get<double>(), sums["ratio"].get<double>());
}

}  // namespace fard::bench
