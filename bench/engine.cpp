// The soft device against ONNX Runtime's fully quantized int8, one thread, batch 1, in turns in one run.
//
//   engine [--onnxruntime PACKAGE --models DIRECTORY] [--network FILE]... [--only NAME]... [--rounds N] [--kernels NAME] [--layers] [--onednn] [--two] [--json]
//
// PACKAGE is the directory of npm's onnxruntime-node (npm install --ignore-scripts onnxruntime-node), DIRECTORY holds what
// tools/peer_models.py and tools/bench_networks.py write. --network: a
// file that both run, if the peer can. --only: the rows whose names begin so. Without them only our own times are shown. The peer's calls go through its node binding;
// what a call of an empty model takes is subtracted. --onednn adds a second peer: oneDNN's int8 convolutions of the shapes that
// each network has, in turns with ours. --two adds what two threads make of MobileNetV1, beside two processes of one.
#include <fmt/ostream.h>

#include <boost/program_options.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/core_peaks.hpp"
#include "bench/engine_layers.hpp"
#include "bench/engine_network.hpp"
#include "bench/engine_peer.hpp"
#include "bench/engine_two.hpp"
#include "bench/measure.hpp"

namespace {

using namespace fard;
namespace po = boost::program_options;
namespace fs = std::filesystem;
using nlohmann::json;

struct Options {
    fs::path package, models;
    std::vector<fs::path> networks;
    std::vector<std::string> only;
    int rounds = 15;
    bool layers = false, onednn = false, two = false, as_json = false;
    const soft::Kernels* kernels = nullptr;
};

// One row of the comparison: our file (of this tree, or the peer's own), and the peer's.
struct Contest {
    std::string name;
    fs::path ours;
    bool ours_in_models;
    std::string peer;                 // empty: there is none
    double goal;                      // the peer's time divided by ours
    int images = 1, peer_images = 1;  // in one call; times are for one image
};
const Contest contests[] = {
    {"MobileNetV1 W4A4", "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx", false, "mobilenet_v1.onnx", 1.3},
    {"CnvW2A2", "apps/two_stage_bnn/cnv_w2a2.onnx", false, "cnv.onnx", 1.35},
    {"CnvW2A2, peer x32", "apps/two_stage_bnn/cnv_w2a2.onnx", false, "cnv_batch32.onnx", 1, 1, 32},
    {"MobileNetV1 int8", "mobilenet_v1.onnx", true, "mobilenet_v1.onnx", 1.3},
    {"CNV int8", "cnv.onnx", true, "cnv.onnx", 0},
    {"CNV int8, both x32", "cnv_batch32.onnx", true, "cnv_batch32.onnx", 0, 32, 32},
    {"CNV 1W1A", "cnv_w1a1.onnx", true, "cnv.onnx", 0},
    {"CNV 1W2A", "cnv_w1a2.onnx", true, "cnv.onnx", 0},
    {"SqueezeNet 1.1 int8", "squeezenet_v1.1.onnx", true, "squeezenet_v1.1.onnx", 1.35},
    {"ResNet-50 int8", "resnet50_qdq.onnx", true, "resnet50_qdq.onnx", 1.2},
    {"ResNet-50 W1A2", "resnet50_w1a2.onnx", true, "resnet50_qdq.onnx", 1.4},
    {"ResNet-50 W4A4", "resnet50_w4a4.onnx", true, "resnet50_qdq.onnx", 1.15},
    {"MobileNetV2 int8", "mobilenet_v2_qdq.onnx", true, "mobilenet_v2_qdq.onnx", 1.2},
    {"MobileNetV2 W4A4", "mobilenet_v2_w4a4.onnx", true, "mobilenet_v2_qdq.onnx", 0},
    {"SqueezeNet 1.1 float", "squeezenet_float.onnx", true, "squeezenet_float.onnx", 0.9},
    {"DS-CNN int8", "ds_cnn_qdq.onnx", true, "ds_cnn_qdq.onnx", 1.2},
    {"ResNet-8 int8", "resnet8_qdq.onnx", true, "resnet8_qdq.onnx", 1.2},
    {"Autoencoder int8", "autoencoder_qdq.onnx", true, "autoencoder_qdq.onnx", 1.2},
    {"MobileNet 0.25 int8", "mobilenet_v1_025_qdq.onnx", true, "mobilenet_v1_025_qdq.onnx", 1.2},
    {"Attention int8", "attention_qdq.onnx", true, "attention_qdq.onnx", 0},
    {"TFC W2A2", "tfc_w2a2.onnx", true, "tfc_qdq.onnx", 1.5},
    {"TFC W2A2 x64", "tfc_w2a2_x64.onnx", true, "tfc_qdq_x64.onnx", 1.5, 64, 64},
    {"KWS W3A3", "kws_mlp_w3a3.onnx", true, "kws_mlp_qdq.onnx", 1.5},
    {"KWS W3A3 x64", "kws_mlp_w3a3_x64.onnx", true, "kws_mlp_qdq_x64.onnx", 1.5, 64, 64},
    {"UNSW-NB15 W2A2", "unsw_nb15_w2a2.onnx", true, "unsw_nb15_qdq.onnx", 1.5},
    {"UNSW-NB15 W2A2 x64", "unsw_nb15_w2a2_x64.onnx", true, "unsw_nb15_qdq_x64.onnx", 1.5, 64, 64},
};

bool is_wanted(const std::string& name, const std::vector<std::string>& only) {
    return only.empty() ||
           std::ranges::any_of(only, [&](const auto& each) { return name.starts_with(each); });
}

struct Entry {
    Contest contest;
    std::optional<bench::Network> network;
    std::string why_not;
    std::vector<double> ours, peer;
};

Entry open_entry(const Contest& contest, const fs::path& file, const soft::Kernels& kernels) {
    Entry entry{contest, std::nullopt, "", {}, {}};
    auto network = bench::Network::open(file, kernels);
    if (network)
        entry.network.emplace(std::move(*network));
    else
        entry.why_not = network.error().message;
    return entry;
}

std::vector<Entry> open_networks(const Options& options) {
    std::vector<Entry> entries;
    for (const auto& contest : contests) {
        if ((contest.ours_in_models && options.models.empty()) || !is_wanted(contest.name, options.only))
            continue;
        const auto directory = contest.ours_in_models ? options.models : fs::path(FARD_SOURCE_ROOT);
        entries.push_back(open_entry(contest, directory / contest.ours, *options.kernels));
    }
    for (const auto& file : options.networks)
        entries.push_back(
            open_entry({file.stem().string(), file, false, fs::absolute(file), 0}, file, *options.kernels));
    return entries;
}

// One turn each: about 30 ms of calls.
void take_turn(Entry& entry, bench::OrtPeer* peer, const fs::path& models) {
    if (entry.network)
        for (double spent = 0; spent < 30;) {
            entry.ours.push_back(entry.network->run_once());
            spent += std::max(entry.ours.back(), 0.01);
        }
    if (!peer || entry.contest.peer.empty()) return;
    const double each = entry.peer.empty() ? 5 : entry.peer.back();
    const auto times = peer->measure(models / entry.contest.peer, std::max(1, static_cast<int>(30 / each)));
    if (times) entry.peer.insert(entry.peer.end(), times->begin(), times->end());
}

json measure(const Options& options, std::vector<Entry>& entries) {
    std::optional<bench::OrtPeer> peer;
    if (!options.package.empty()) {
        auto started =
            bench::OrtPeer::start(options.package, fs::path(FARD_SOURCE_ROOT) / "bench/ort_peer.js");
        if (started) peer.emplace(std::move(*started));
    }
    std::vector<double> empty;
    for (int round = 0; round < options.rounds; ++round) {
        for (auto& entry : entries)
            take_turn(entry, peer ? &*peer : nullptr, options.models);
        if (!peer) continue;
        if (const auto times = peer->measure(options.models / "empty.onnx", 200))
            empty.insert(empty.end(), times->begin(), times->end());
    }
    json rows = json::array();
    const double call = bench::median(empty);
    const double call_least = empty.empty() ? 0 : *std::ranges::min_element(empty);
    for (const auto& entry : entries) {
        json row{{"network", entry.contest.name}, {"goal", entry.contest.goal}};
        if (!entry.network) row["error"] = entry.why_not;
        if (entry.network)
            row.update({{"ms", bench::median(entry.ours) / entry.contest.images},
                        {"ms_least", *std::ranges::min_element(entry.ours) / entry.contest.images},
                        {"images", entry.contest.images},
                        {"load_ms", entry.network->load_milliseconds()},
                        {"plan_bytes", entry.network->plan_bytes()}});
        if (const int images = entry.contest.peer_images; !entry.peer.empty())
            row.update({{"peer_ms", (bench::median(entry.peer) - call) / images},
                        {"peer_ms_least", (*std::ranges::min_element(entry.peer) - call_least) / images},
                        {"peer_call_ms", call},
                        {"peer_images", images}});
        if (row.contains("ms") && row.contains("peer_ms")) {
            row["ratio"] = row["peer_ms"].get<double>() / row["ms"].get<double>();
            row["ratio_of_least"] = row["peer_ms_least"].get<double>() / row["ms_least"].get<double>();
        }
        rows.push_back(row);
    }
    return rows;
}

void add_two(const Options& options, json& result) {
    const auto two = bench::measure_two(fs::path(FARD_SOURCE_ROOT) / contests[0].ours, *options.kernels, 5);
    if (!two) return;
    result["two"] = {{"network", contests[0].name},
                     {"threads_per_s", two->threads},
                     {"processes_per_s", two->processes},
                     {"ratio", two->threads / two->processes},
                     {"goal", 0.85}};
}

void print(const json& result) {
    std::printf("kernels %s; one core: vpdpbusd %.0f GMAC/s, vpopcntq %.0f G one-bit MAC/s\n\n",
                result["kernels"].get<std::string>().c_str(), result["vnni_peak"].get<double>(),
                result["popcount_peak"].get<double>());
    std::printf("%-20s %17s %17s %13s %6s %8s %8s\n%-20s %8s %8s %8s %8s %6s %6s\n", "network", "ours ms",
                "peer ms", "ratio", "goal", "load ms", "plan MB", "", "median", "least", "median", "least",
                "median", "least");
    for (const auto& row : result["rows"]) {
        std::printf("%-20s ", row["network"].get<std::string>().c_str());
        if (row.contains("error")) {
            std::printf("%s\n", row["error"].get<std::string>().c_str());
            continue;
        }
        const auto number = [&](const char* key) { return row.value(key, NAN); };
        std::printf("%8.3f %8.3f %8.3f %8.3f %6.2f %6.2f %6.2f %8.1f %8.2f\n", number("ms"),
                    number("ms_least"), number("peer_ms"), number("peer_ms_least"), number("ratio"),
                    number("ratio_of_least"), number("goal"), number("load_ms"), number("plan_bytes") / 1e6);
    }
    if (result.contains("two"))
        std::printf("\n%s, chunks/s: two threads %.0f, two processes %.0f: %.2f (goal 0.85)\n",
                    result["two"]["network"].get<std::string>().c_str(),
                    result["two"]["threads_per_s"].get<double>(),
                    result["two"]["processes_per_s"].get<double>(), result["two"]["ratio"].get<double>());
    for (const auto& row : result["rows"])
        if (row.contains("layers")) bench::print_layers(row);
    std::printf("\n");
    for (const auto& row : result["rows"])
        if (row.contains("onednn")) bench::print_onednn(row);
}

std::optional<Options> read_options(int argc, char** argv) {
    Options options;
    std::string kernels;
    po::options_description all("engine: the soft device beside ONNX Runtime int8, one thread, batch 1");
    all.add_options()("help", "show this");
    all.add_options()("onnxruntime", po::value(&options.package), "directory of npm's onnxruntime-node");
    all.add_options()("models", po::value(&options.models), "what tools/peer_models.py wrote");
    all.add_options()("network", po::value(&options.networks)->composing(), "another network");
    all.add_options()("only", po::value(&options.only)->composing(), "rows whose names begin so");
    all.add_options()("rounds", po::value(&options.rounds), "turns of each (15)");
    all.add_options()("kernels", po::value(&kernels), "a row of the soft device's kernels");
    all.add_options()("layers", po::bool_switch(&options.layers), "show each layer");
    all.add_options()("onednn", po::bool_switch(&options.onednn), "oneDNN's convolutions beside ours");
    all.add_options()("two", po::bool_switch(&options.two), "two threads beside two processes");
    all.add_options()("json", po::bool_switch(&options.as_json), "print JSON");
    po::variables_map values;
    try {
        po::store(po::parse_command_line(argc, argv, all), values);
        po::notify(values);
    } catch (const po::error& error) {
        std::fprintf(stderr, "engine: %s\n", error.what());
        return std::nullopt;
    }
    options.kernels = soft::select_kernels(kernels);
    if (!values.contains("help") && options.kernels) return options;
    std::fputs(fmt::format("{}", fmt::streamed(all)).c_str(), stderr);
    return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = read_options(argc, argv);
    if (!options) return 2;
    auto entries = open_networks(*options);
    const auto peaks = bench::measure_core_peaks();
    json result{
        {"kernels", options->kernels->name}, {"vnni_peak", peaks.vnni}, {"popcount_peak", peaks.popcount}};
    if (options->two) add_two(*options, result);
    result["rows"] = measure(*options, entries);
    for (std::size_t i = 0; i < entries.size() && (options->layers || options->onednn); ++i)
        if (entries[i].network)
            bench::add_layers(peaks, *entries[i].network, 60, options->onednn, result["rows"][i]);
    if (options->as_json)
        std::printf("%s\n", result.dump(2).c_str());
    else
        print(result);
    return 0;
}
