// fard split MODEL.onnx: the best cut of a network for the boards that there are.
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/output_file.hpp"
#include "cli/plan.hpp"
#include "cli/planning.hpp"
#include "cli/shapes.hpp"
#include "splitter/emit/emit.hpp"
#include "splitter/estimates/parts.hpp"
#include "splitter/report/explain.hpp"
#include "splitter/report/picture.hpp"
#include "splitter/search/with_parts.hpp"

namespace fard::cli {
namespace {

namespace fs = std::filesystem;
using namespace splitter;

CommandSpec spec() {
    auto options = network_options();
    options.insert(options.end(),
                   {{"stages", "N", "exactly so many stages (as many as is best)"},
                    {"parts", "LAYER=N", "make this layer in N parallel parts, whether it pays or not; may be repeated", true},
                    {"strategy", "NAME", "occupancy, traffic, balance, throughput (the default) or latency"},
                    {"out", "DIR", "write the stages there: an app for `fard submit`, overlay packages, what FINN takes"},
                    {"svg", "FILE", "write the plan as a drawing"},
                    {"json", "", "print one JSON object"},
                    shape_option()});
    return {"split", "find the best cut of a model for given boards", {"MODEL.onnx"}, std::move(options)};
}

Result<model::Model> read_model(const Options& options) {
    const fs::path file = options.positional(0);
    if (file.extension() == ".toml")
        return fail(Fault::invalid_input, "{} is an app file, not a model; `fard inspect` shows its stages", file.string());
    const auto shapes = read_shapes(options);
    if (!shapes) return fail(shapes.error());
    if (options.given("out") && !shapes->empty())
        return fail(Fault::invalid_input, "--out writes an app, which takes a model whose shapes are fixed; --shape gives them");
    return model::Model::load(file, *shapes);
}

Result<Request> read_request(const Options& options) {
    Request request;
    const auto strategy = read_strategy(options, "throughput");
    if (!strategy) return fail(strategy.error());
    request.strategy = *strategy;
    const auto stages = read_stages(options);
    if (!stages) return fail(stages.error());
    request.stages = *stages;
    return request;
}

// Where nobody says how many boards there are: the fewest with which the strategy finds a plan, or as many as the stages are.
Result<Found> find(Description& description, const Estimating& estimating, Boards& boards, const Request& request) {
    auto& cluster = boards.cluster;
    const auto offer = [&](std::size_t layer) { return offer_parts(description, estimating.settings, layer); };
    auto found = Result<Found>();
    if (boards.counted) {
        const auto most = cluster;
        if (uses_parts(request.strategy)) offer_where_too_large(description.network, cluster, offer);
        const auto count = request.stages ? request.stages : fewest_slots(description.network, cluster);
        for (auto n = count.value_or(most_boards); n <= most_boards; ++n) {
            cluster.boards.assign(most.boards.begin(), most.boards.begin() + static_cast<std::ptrdiff_t>(n));
            found = search_with_parts(description.network, cluster, request, offer);
            if (found || found.error().fault != Fault::refused || request.stages) break;
        }
    } else {
        found = search_with_parts(description.network, cluster, request, offer);
    }
    if (!found) return tl::unexpected(explained(found.error(), description, cluster, boards.others));
    return found;
}

Result<> demand_parts(const Options& options, const Estimating& estimating, Description& description) {
    for (const auto& text : options.texts("parts")) {
        const auto equals = text.rfind('=');
        const auto* const first = equals == text.npos ? nullptr : text.data() + equals + 1;
        std::size_t parts = 0;
        const bool number = first && std::from_chars(first, text.data() + text.size(), parts).ptr == text.data() + text.size();
        if (!number || equals == 0) return fail(Fault::invalid_input, "--parts {}: must be LAYER=N", text);
        if (auto r = splitter::demand_parts(description, estimating.settings, text.substr(0, equals), parts); !r)
            return fail_in("--parts " + text, r.error());
    }
    return {};
}

std::string table_of(const Network& network, const Cluster& cluster, const Found& found) {
    std::size_t wide = 5;
    for (const auto& stage : found.plan.stages)
        wide = std::max(wide, std::min<std::size_t>(40, board_names(cluster, stage).size()));
    auto text = fmt::format("{:>5}  {:<{}}  {:>6}  {:>5} {:>5} {:>5} {:>5} {:>5}  {:>10}  {:>10}  {:>9}  {:>8}  {}\n", "stage", "board",
                            wide, "layers", "LUT%", "FF%", "BRAM%", "URAM%", "DSP%", "cycles", "compute ms", "bytes out", "jobs",
                            "first layer .. last");
    for (std::size_t i = 0; i < found.plan.stages.size(); ++i) {
        const auto& stage = found.plan.stages[i];
        const auto& cost = found.cost.stages[i];
        const auto& board = cluster.boards[stage.boards.front()];
        const auto names = layers_of(network, stage);
        auto boards = board_names(cluster, stage);
        if (boards.size() > 40) boards = boards.substr(0, 37) + "...";
        text += fmt::format("{:>5}  {:<{}}  {:>6}  ", i, boards, wide, names.size());
        for (std::size_t k = 0; k < Resources::kinds; ++k)
            text += stage.on_processor ? fmt::format("{:>5} ", "-")
                                       : fmt::format("{:>5.1f} ", share(cost.need.of[k], board.whole.of[k]) * 100);
        text += fmt::format(" {:>10}  {:>10.4g}  {:>9}  {:>8}  {}{}\n", cost.cycles, cost.compute_s * 1e3, network.cuts[stage.end].bytes,
                            stage.parts > 1 ? fmt::format("{} parts", stage.parts) : std::to_string(stage.boards.size()), names.front(), names.size() > 1 ? " .. " + names.back() : "");
    }
    return text;
}

std::string text_of(const Description& description, const Cluster& cluster, const Found& found, Strategy strategy) {
    const auto& network = description.network;
    const auto bottleneck = bottleneck_of(network, cluster, found);
    const auto certificate = certificate_of(found, strategy);
    auto text = table_of(network, cluster, found);
    text += fmt::format("\nthroughput   {:.4g}/s\nlatency      {:.4g} ms\nbottleneck   {}\nrelief       {}\n", 1 / found.cost.period_s,
                        found.cost.latency_s * 1e3, bottleneck.what, bottleneck.relief);
    text += fmt::format("bound        {:.4g} {} ({}); gap {:.2f} %\n", certificate.bound, strategy == Strategy::latency ? "ms" : "/s",
                        certificate.gap < 1e-6 ? "nothing is better" : "nothing is better than this", certificate.gap * 100);
    if (found.cost.energy_j) text += fmt::format("energy       {:.4g} mJ for each chunk, of all boards\n", *found.cost.energy_j * 1e3);
    for (const auto& note : description.notes)
        text += fmt::format("note         {}\n", note);
    return text;
}

Result<> write_stages(const Options& options, const model::Model& model, Description& description, const Cluster& cluster,
                      const Found& found, const std::string& plan) {
    const fs::path file = options.positional(0), directory = options.text("out");
    std::error_code error;
    const Emission emission{app_name(file.stem().string()), fs::canonical(file, error), plan};
    const auto notes = emit(directory, model, description, cluster, found, emission);
    if (!notes) return fail(notes.error());
    for (const auto& note : *notes)
        description.notes.push_back(note);
    description.notes.push_back(fmt::format("written: {}; run it with fard submit {}", directory.string(),
                                            (directory / (emission.name + ".toml")).string()));
    return {};
}

Result<> run(const Options& options) {
    const auto request = read_request(options);
    if (!request) return fail(request.error());
    auto boards = read_boards(options);
    if (!boards) return fail(boards.error());
    const auto model = read_model(options);
    if (!model) return fail(model.error());
    Estimating estimating;
    auto description = read_network(options, *model, boards->cluster, fs::path(options.positional(0)).stem().string(), estimating);
    if (!description) return fail(description.error());
    if (auto r = demand_parts(options, estimating, *description); !r) return fail(r.error());
    if (options.given("parts") && !uses_parts(request->strategy))
        return fail(Fault::invalid_input, "--parts goes with --strategy throughput or latency; {} makes none", name_of(request->strategy));
    const auto found = find(*description, estimating, *boards, *request);
    if (!found) return fail(found.error());
    const auto& network = description->network;
    if (options.given("svg"))
        if (auto r = write_text(options, "svg", svg_of(network, boards->cluster, *found, network.name)); !r) return r;
    const auto plan = plan_json(network, boards->cluster, *found, request->strategy);
    if (options.given("out"))
        if (auto r = write_stages(options, *model, *description, boards->cluster, *found, plan); !r) return r;
    if (options.given("json"))
        out("{}\n", plan);
    else
        put_out(text_of(*description, boards->cluster, *found, request->strategy));
    return {};
}

}  // namespace

Command split_command() {
    return {spec(), run};
}

}  // namespace fard::cli
