// fard split MODEL.onnx: the best cut of a network for the boards that there are.
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/load_model.hpp"
#include "cli/output_file.hpp"
#include "cli/plan.hpp"
#include "cli/planning.hpp"
#include "cli/shapes.hpp"
#include "cli/split_turns.hpp"
#include "splitter/emit/emit.hpp"
#include "splitter/estimates/parts.hpp"
#include "splitter/report/explain.hpp"
#include "splitter/report/picture.hpp"
#include "splitter/search/problem.hpp"
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
    const auto turns = turn_options();
    options.insert(options.end(), turns.begin(), turns.end());
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
    return load_model(file, *shapes);
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
Result<Found> find_counting(Network& network, Cluster& cluster, const Request& request, const OfferParts& offer) {
    const auto most = cluster;
    if (uses_parts(request.strategy)) offer_where_too_large(network, cluster, offer);
    const auto count = request.stages ? request.stages : fewest_slots(network, cluster);
    auto found = Result<Found>();
    for (auto n = count.value_or(most_boards); n <= most_boards; ++n) {
        cluster.boards.assign(most.boards.begin(), most.boards.begin() + static_cast<std::ptrdiff_t>(n));
        found = search_with_parts(network, cluster, request, offer);
        if (found || found.error().fault != Fault::refused || request.stages) break;
    }
    return found;
}

// A plan, with its picture; `turns` where stages outnumber slots.
struct Answer {
    Found found;
    std::optional<InTurns> turns;
    std::string picture;
};

// Strategies that look for the best take turns where boards that were counted by who asks hold too few stages.
Result<Answer> find(Description& description, const Estimating& estimating, Boards& boards, Request request, const TurnWish& wish) {
    Solvers solvers;
    request.solvers = &solvers;
    auto& network = description.network;
    auto& cluster = boards.cluster;
    const auto offer = [&](std::size_t layer) { return offer_parts(description, estimating.settings, layer); };
    const bool may_turn = !boards.counted && uses_parts(request.strategy);
    const bool too_many = may_turn && request.stages && *request.stages > slots_of(cluster) && *request.stages < network.cuts.size();
    Result<Found> found = fail(Fault::refused, "no plan fits");
    if (boards.counted) found = find_counting(network, cluster, request, offer);
    else if (!too_many) found = search_with_parts(network, cluster, request, offer);
    if (found) {
        auto picture = svg_of(network, cluster, *found, network.name);
        return Answer{std::move(*found), {}, std::move(picture)};
    }
    if (!may_turn || found.error().fault != Fault::refused) return tl::unexpected(explained(found.error(), description, cluster, boards.others));
    offer_where_too_large(network, cluster, offer);
    auto turned = best_in_turns(network, cluster, request, wish);
    if (!turned) return tl::unexpected(explained(turned.error(), description, cluster, boards.others));
    for (auto& unknown : unknown_reloads(cluster))
        description.notes.push_back(std::move(unknown));
    auto plan = turned->found;
    auto picture = turned->picture;
    return Answer{std::move(plan), std::move(*turned), std::move(picture)};
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

std::string figures_of(const Network& network, const Cluster& cluster, const Found& found, Strategy strategy) {
    const auto bottleneck = bottleneck_of(network, cluster, found);
    const auto certificate = certificate_of(found, strategy);
    auto text = fmt::format("\nthroughput   {:.4g}/s\nlatency      {:.4g} ms\nbottleneck   {}\nrelief       {}\n", 1 / found.cost.period_s,
                        found.cost.latency_s * 1e3, bottleneck.what, bottleneck.relief);
    text += fmt::format("bound        {:.4g} {} ({}); gap {:.2f} %\n", certificate.bound, strategy == Strategy::latency ? "ms" : "/s",
                        certificate.gap < 1e-6 ? "nothing is better" : "nothing is better than this", certificate.gap * 100);
    return text;
}

std::string text_of(const Description& description, const Cluster& cluster, const Answer& answer, Strategy strategy) {
    const auto& found = answer.found;
    auto text = table_of(description.network, cluster, found);
    text += answer.turns ? text_of(*answer.turns, strategy) : figures_of(description.network, cluster, found, strategy);
    if (found.cost.energy_j) text += fmt::format("energy       {:.4g} mJ for each chunk, of all boards\n", *found.cost.energy_j * 1e3);
    for (const auto& note : description.notes)
        text += fmt::format("note         {}\n", note);
    return text;
}

Result<> write_stages(const Options& options, const model::Model& model, Description& description, const Cluster& cluster,
                      const Answer& answer, const std::string& plan) {
    const fs::path file = options.positional(0), directory = options.text("out");
    std::error_code error;
    Emission emission{app_name(file.stem().string()), fs::canonical(file, error), plan, answer.picture, {}};
    if (answer.turns) emission.batch = answer.turns->turns.batch;
    const auto notes = emit(directory, model, description, cluster, answer.found, emission);
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
    const auto turns = read_turns(options, request->strategy);
    if (!turns) return fail(turns.error());
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
    const auto answer = find(*description, estimating, *boards, *request, *turns);
    if (!answer) return fail(answer.error());
    if (options.given("svg"))
        if (auto r = write_text(options, "svg", answer->picture); !r) return r;
    const auto plan = plan_json(description->network, boards->cluster, answer->found, request->strategy, answer->turns ? &answer->turns->turns : nullptr);
    if (options.given("out"))
        if (auto r = write_stages(options, *model, *description, boards->cluster, *answer, plan); !r) return r;
    if (options.given("json"))
        out("{}\n", plan);
    else
        put_out(text_of(*description, boards->cluster, *answer, request->strategy));
    return {};
}

}  // namespace

Command split_command() {
    return {spec(), run};
}

}  // namespace fard::cli
