// fard plan APP.toml|MODEL.onnx: what a run would take, without running it.
#include <algorithm>
#include <nlohmann/json.hpp>

#include <fmt/ranges.h>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/forecast.hpp"
#include "cli/load_model.hpp"
#include "cli/output_file.hpp"
#include "cli/plan.hpp"
#include "cli/planning.hpp"
#include "cli/report.hpp"
#include "cli/shapes.hpp"
#include "client/app_file.hpp"
#include "client/batch.hpp"
#include "planner/plan.hpp"
#include "planner/timeline.hpp"
#include "splitter/estimates/parts.hpp"
#include "splitter/report/explain.hpp"
#include "splitter/search/with_parts.hpp"

namespace fard::cli {
namespace {

namespace fs = std::filesystem;
using namespace splitter;

constexpr std::uint64_t most_chunks = 100'000;

CommandSpec spec() {
    auto options = network_options();
    options.insert(options.end(),
                   {{"stages", "N", "cut a model into exactly so many stages (as many as is best)"},
                    {"strategy", "NAME", "cut a model by this strategy of `fard split` alone (the best of throughput and latency)"},
                    {"chunks", "N", "how many (64)"},
                    {"batch", "K", "chunks of a turn where positions outnumber slots: a number, or auto, the best (auto)"},
                    {"window", "N", "chunks under way at once, at most (what an app's window holds, and two batches)"},
                    {"latency-bound", "MS", "no chunk may take longer"},
                    {"schedule", "FILE", "write who sits where, and the order of turns"},
                    {"svg", "FILE", "write the timeline as a drawing"},
                    {"json", "", "print one JSON object"},
                    shape_option()});
    return {"plan", "predict what a run takes, without running it", {"APP.toml|MODEL.onnx"}, std::move(options)};
}

// What is asked, and of what: a model, or an app with its own cuts.
struct Asked {
    std::optional<AppFile> app;
    Boards boards;
    Description description;
    Network network;                    // of an app: with its own cuts alone
    std::vector<std::size_t> replicas;  // of an app's positions
    planner::Wish wish;
    std::vector<std::string> notes;
};

Result<planner::Wish> read_wish(const Options& options, const std::optional<AppFile>& app) {
    planner::Wish wish;
    const auto chunks = options.number("chunks", 64, 1, most_chunks);
    if (!chunks) return fail(chunks.error());
    wish.run.chunks = static_cast<std::size_t>(*chunks);
    if (options.given("batch") && options.text("batch") != "auto") {
        const auto batch = options.number("batch", 1, 1, most_chunks);
        if (!batch) return fail(Fault::invalid_input, "{}, or auto", batch.error().message);
        wish.batch = static_cast<std::size_t>(*batch);
    }
    if (options.given("window")) {
        const auto window = options.number("window", 1, 1, most_chunks);
        if (!window) return fail(window.error());
        wish.window = static_cast<std::size_t>(*window);
    }
    if (options.given("latency-bound")) {
        const auto ms = read_number(options, "latency-bound");
        if (!ms) return fail(ms.error());
        wish.latency_s = *ms / 1e3;
    }
    if (app) {
        wish.window_bytes = app->window_bytes;
        wish.link_bytes = app->link_bytes;
    }
    wish.run.ahead_bytes = wish.link_bytes;
    return wish;
}

// An app without --cluster or --board: on the boards that its [cluster] names.
Result<Boards> boards_of_app(const Options& options, const AppFile& app) {
    const auto fractions = read_fractions(options);
    if (!fractions) return fail(fractions.error());
    const auto profiles = find_board_profiles();
    if (!profiles) return fail(profiles.error());
    const auto name = app.cluster.profile.empty() ? "computer" : app.cluster.profile;
    const auto profile = load_board_profile(*profiles, name);
    if (!profile) return fail_in(app.file.string(), profile.error());
    Boards boards;
    boards.others = one_of_each(*profiles, *fractions);
    const auto count = app.cluster.boards > 0 ? app.cluster.boards : app.jobs();
    auto cluster = cluster_of(*profile, count, *fractions);
    if (!cluster) return fail_in(app.file.string(), cluster.error());
    boards.cluster = std::move(*cluster);
    if (options.given("on-board")) put_client_on_board(boards.cluster, 0);
    return boards;
}

// The network with an app's cuts alone. Errors: a cut that is none of the layers' borders.
Result<Network> cut_by_app(const Description& description, const AppFile& app) {
    auto network = description.network;
    network.cuts = {description.network.cuts.front()};
    for (const auto& names : app.model->cuts) {
        auto wanted = names;
        std::ranges::sort(wanted);
        const auto same = std::ranges::find_if(description.cut_tensors, [&](std::vector<std::string> tensors) {
            std::ranges::sort(tensors);
            return tensors == wanted;
        });
        if (same == description.cut_tensors.end())
            return fail(Fault::invalid_input, "{}: the cut at '{}' is not between two layers, so nothing can be predicted of its stages; "
                        "`fard inspect {}` lists the cuts that are", app.file.string(), fmt::join(names, "', '"), app.model->file.string());
        network.cuts.push_back(description.network.cuts[static_cast<std::size_t>(same - description.cut_tensors.begin())]);
    }
    network.cuts.push_back(description.network.cuts.back());
    return network;
}

Result<Asked> read_app(const Options& options, Asked asked) {
    const auto& app = *asked.app;
    if (!app.model) return fail(Fault::invalid_input, "{}: there is no [model] in it, so nothing is known of what its jobs compute", app.file.string());
    for (const auto* option : {"stages", "strategy"})
        if (options.given(option)) return fail(Fault::invalid_input, "--{} goes with a model; the app says itself how it is cut", option);
    const bool named = options.given("cluster") || options.given("board") || options.given("node");
    if (options.given("board") && !options.given("boards"))
        return fail(Fault::invalid_input, "--board {}: how many? --boards N", options.text("board"));
    auto boards = named ? read_boards(options) : boards_of_app(options, app);
    if (!boards) return fail(boards.error());
    asked.boards = std::move(*boards);
    for (const auto& position : app.positions)
        asked.replicas.push_back(position.replicas);
    return asked;
}

// What boards hold of the app's positions before it begins. Their overlays are called APP.POSITION, and as the app names them.
void note_loaded(Asked& asked) {
    const auto& boards = asked.boards.cluster.boards;
    for (std::size_t i = 0; i < boards.size(); ++i) {
        if (boards[i].loaded.empty()) continue;
        std::optional<std::size_t> held;
        for (std::size_t number = 0; asked.app && number < asked.app->positions.size(); ++number) {
            const auto& position = asked.app->positions[number];
            const bool named = boards[i].loaded == asked.app->name + "." + position.name;
            if (named || std::ranges::find(position.overlays, boards[i].loaded) != position.overlays.end()) held = number;
        }
        if (!held) {
            asked.notes.push_back(fmt::format("'{}' is no position's overlay, so that '{}' is loaded anew", boards[i].loaded, boards[i].name));
            continue;
        }
        auto& loaded = asked.wish.run.loaded;
        loaded.resize(boards.size());
        loaded[i].resize(boards[i].slots);
        loaded[i].front() = held;
    }
}

Result<Asked> read_asked(const Options& options) {
    const fs::path file = options.positional(0);
    Asked asked;
    auto model_file = file;
    if (file.extension() == ".toml") {
        auto app = read_app_file(file);
        if (!app) return fail(app.error());
        asked.app = std::move(*app);
        auto read = read_app(options, std::move(asked));
        if (!read) return fail(read.error());
        asked = std::move(*read);
        model_file = asked.app->model->file;
    } else {
        auto boards = read_boards(options);
        if (!boards) return fail(boards.error());
        asked.boards = std::move(*boards);
    }
    const auto shapes = read_shapes(options);
    if (!shapes) return fail(shapes.error());
    auto model = load_model(model_file, *shapes);
    if (!model) return asked.app ? fail_in(asked.app->at("file in [model]"), model.error()) : fail(model.error());
    Estimating estimating;
    auto description = read_network(options, *model, asked.boards.cluster, model_file.stem().string(), estimating);
    if (!description) return fail(description.error());
    asked.description = std::move(*description);
    const auto strategy = strategy_of(options.text("strategy"));
    if (!asked.app && (!strategy || uses_parts(*strategy)))
        offer_where_too_large(asked.description.network, asked.boards.cluster,
                              [&](std::size_t layer) { return offer_parts(asked.description, estimating.settings, layer); });
    asked.network = asked.description.network;
    if (asked.app) {
        auto network = cut_by_app(asked.description, *asked.app);
        if (!network) return fail(network.error());
        asked.network = std::move(*network);
    }
    auto wish = read_wish(options, asked.app);
    if (!wish) return fail(wish.error());
    asked.wish = std::move(*wish);
    note_loaded(asked);
    return asked;
}

Result<planner::Planned> plan_model(const Options& options, Asked& asked) {
    planner::Question question;
    if (options.given("strategy")) {
        const auto strategy = read_strategy(options, "");
        if (!strategy) return fail(strategy.error());
        question.strategy = *strategy;
    }
    const auto stages = read_stages(options);
    if (!stages) return fail(stages.error());
    question.stages = *stages;
    auto& cluster = asked.boards.cluster;
    if (asked.boards.counted) {
        const auto count = question.stages ? question.stages : fewest_slots(asked.network, cluster);
        cluster.boards.resize(std::min(cluster.boards.size(), std::max<std::size_t>(1, count.value_or(cluster.boards.size()))));
    }
    return planner::plan_network(asked.network, cluster, question, asked.wish);
}

// An app on FPGAs as `fard submit` would pack it: with the very figures that its packages will have. Nothing: it can't be said so.
Result<std::optional<planner::Planned>> plan_packed(const Options& options, Asked& asked) {
    for (const auto* option : {"folding", "report", "estimates", "fraction"})
        if (options.given(option)) return std::nullopt;
    const auto directory = find_board_profiles();
    if (!directory) return fail(directory.error());
    const auto profiles = profiles_of(asked.boards.cluster, *directory);
    if (!profiles) return fail(profiles.error());
    if (profiles->empty()) return std::nullopt;
    auto packed = pack_app(*asked.app, *profiles);
    if (!packed) return std::nullopt;
    if (asked.boards.status) asked.wish.run.loaded = loaded_now(packed->spec, asked.boards.cluster, *asked.boards.status);
    if (!asked.wish.window && !asked.wish.latency_s) {  // as of a submission with that batch
        auto spec = packed->spec;
        set_batch(spec, asked.wish.batch ? std::optional<std::uint64_t>(*asked.wish.batch) : std::nullopt, asked.wish.run.chunks);
        asked.wish.window = static_cast<std::size_t>(std::max<std::uint64_t>(1, spec.window_bytes / chunk_bytes_of(spec)));
    }
    asked.wish.tries = planner::tries_for(asked.wish.run.chunks, packed->spec.positions.size());
    auto made = forecast(*packed, asked.boards.cluster, asked.wish);
    if (!made && made.error().fault == Fault::unsupported) return std::nullopt;
    if (!made) return fail(made.error());
    planner::Planned planned;
    for (std::size_t i = 0; i < made->pipeline.positions.size(); ++i) {
        const auto& position = made->pipeline.positions[i];
        auto& stage = planned.stages.stages.emplace_back();
        stage.begin = i;
        stage.end = i + 1;
        stage.parts = std::max<std::size_t>(1, position.parts.size());
        for (const auto& seat : made->schedule.positions[i].seats)
            stage.boards.push_back(seat.board);
        auto& cost = planned.costs.emplace_back();
        cost.compute_s = position.interval_s;
        cost.latency_s = position.latency_s;
    }
    planned.pipeline = std::move(made->pipeline);
    planned.schedule = std::move(made->schedule);
    planned.simulated = std::move(made->simulated);
    planned.limit = std::move(made->limit);
    planned.energy_j = made->energy_j;
    planned.bound_s = made->bound_s;
    for (auto& remark : packed->notes)
        asked.notes.push_back(std::move(remark));
    return planned;
}

Result<planner::Planned> plan_app(const Options& options, Asked& asked) {
    auto packed = plan_packed(options, asked);
    if (!packed) return fail(packed.error());
    if (*packed) return std::move(**packed);
    for (const auto& position : asked.app->positions)
        if (position.parts)
            return fail(Fault::invalid_input, "{}: position '{}' is made in {} parts, of which nothing is predicted for these boards; `fard split` plans "
                        "them", asked.app->file.string(), position.name, position.parts);
    return planner::plan_cuts(asked.network, asked.boards.cluster, asked.replicas, asked.wish);
}

Result<planner::Planned> make_plan(const Options& options, Asked& asked) {
    auto planned = asked.app ? plan_app(options, asked) : plan_model(options, asked);
    if (!planned) {
        if (planned.error().message.find("no plan") != std::string::npos) {
            auto limited = asked.description;
            limited.network = asked.network;
            return tl::unexpected(explained(planned.error(), limited, asked.boards.cluster, asked.boards.others));
        }
        return fail(planned.error());
    }
    // The timeline of what was chosen.
    auto run = asked.wish.run;
    run.spans = options.given("svg");
    if (run.spans) {
        auto again = planner::simulate(planned->pipeline, planned->schedule, run);
        if (!again) return fail(again.error());
        planned->simulated = std::move(*again);
    }
    if (!planned->schedule.turns.empty())
        for (auto& unknown : unknown_reloads(asked.boards.cluster))
            asked.notes.push_back(std::move(unknown));
    const auto batch = asked.wish.batch;
    if (batch && *batch > planned->schedule.batch && !planned->schedule.turns.empty())
        asked.notes.push_back(fmt::format("a batch of {} instead of {}: the window and the input hold no more", planned->schedule.batch, *batch));
    return planned;
}

double steady_of(const planner::Simulated& simulated) {
    return simulated.steady_per_s().value_or(simulated.throughput_per_s());
}

LatencyMs latency_of(const planner::Simulated& simulated) {
    std::vector<double> ms;
    for (const auto seconds : simulated.latency_s)
        ms.push_back(seconds * 1e3);
    return fard::latency_of(std::move(ms));
}

// By how much the throughput is below its bound.
double gap_of(const planner::Planned& planned) { return std::max(0.0, 1 - planned.bound_s / planned.simulated.wall_s()); }

std::string json_of(const Asked& asked, const planner::Planned& planned) {
    const auto& simulated = planned.simulated;
    const auto latency = latency_of(simulated);
    auto stages = nlohmann::json::array();
    for (std::size_t i = 0; i < planned.stages.stages.size(); ++i) {
        auto stage = planned.stages.stages[i];
        stages.push_back({{"position", i},
                          {"layers", layers_of(asked.network, stage)},
                          {"board", board_names(asked.boards.cluster, stage)},
                          {"compute_ms", planned.costs[i].compute_s * 1e3},
                          {"bytes_out", asked.network.cuts[stage.end].bytes},
                          {"replicas", stage.replicas()},
                          {"parts", stage.parts}});
    }
    const auto chunks = static_cast<double>(asked.wish.run.chunks);
    const nlohmann::json plan{
        {"wall_s", simulated.wall_s()},
        {"throughput_per_s", simulated.throughput_per_s()},
        {"steady_per_s", steady_of(simulated)},
        {"latency_ms", {{"mean", latency.mean}, {"sd", latency.sd}, {"p50", latency.p50}, {"p95", latency.p95}, {"p99", latency.p99}}},
        {"reloads", simulated.reloads},
        {"energy_j", planned.energy_j ? nlohmann::json(*planned.energy_j) : nlohmann::json()},
        {"limit", planned.limit.what},
        {"bound", chunks / planned.bound_s},
        {"period_ms", planner::period_s(simulated) * 1e3},
        {"gap", gap_of(planned)},
        {"batch", planned.schedule.turns.empty() ? nlohmann::json() : nlohmann::json(planned.schedule.batch)},
        {"window", planned.schedule.window},
        {"stages", std::move(stages)}};
    return plan.dump();
}

std::string text_of(const Asked& asked, const planner::Planned& planned) {
    const auto& simulated = planned.simulated;
    const auto chunks = asked.wish.run.chunks;
    std::vector<std::vector<std::string>> rows;
    for (std::size_t i = 0; i < planned.stages.stages.size(); ++i) {
        const auto& stage = planned.stages.stages[i];
        const auto names = layers_of(asked.network, stage);
        rows.push_back({std::to_string(i), board_names(asked.boards.cluster, stage), std::to_string(names.size()),
                        fmt::format("{:.4g}", planned.costs[i].compute_s * 1e3), std::to_string(asked.network.cuts[stage.end].bytes),
                        names.size() > 1 ? names.front() + " .. " + names.back() : names.front()});
    }
    auto text = table_text({"stage", "board", "layers", "compute ms", "bytes out", "first layer .. last"}, rows);
    const auto latency = latency_of(simulated);
    text += fmt::format("\n{} chunk{}   {:.4g} s\nthroughput  {:.4g}/s, {:.4g}/s from the first result to the last\n", chunks, chunks == 1 ? " " : "s",
                        simulated.wall_s(), simulated.throughput_per_s(), steady_of(simulated));
    text += fmt::format("latency     {:.4g} ms, half of all {:.4g} ms, 99 % within {:.4g} ms\n", latency.mean, latency.p50, latency.p99);
    text += fmt::format("reloads     {}\n", simulated.reloads);
    if (!planned.schedule.turns.empty()) text += fmt::format("batch       {} chunks of a turn, {} under way at most\n", planned.schedule.batch, planned.schedule.window);
    if (planned.energy_j)
        text += fmt::format("energy      {:.4g} J, {:.4g} J for each chunk\n", *planned.energy_j, *planned.energy_j / static_cast<double>(chunks));
    text += fmt::format("limit       {}: at work for {:.0f} % of the time\n", planned.limit.what, planned.limit.share * 100);
    text += fmt::format("bound       {:.4g}/s, whoever sits where and in whatever order; gap {:.2f} %\n", static_cast<double>(chunks) / planned.bound_s,
                        gap_of(planned) * 100);
    for (const auto& note : asked.notes)
        text += fmt::format("note        {}\n", note);
    for (const auto& note : asked.description.notes)
        text += fmt::format("note        {}\n", note);
    return text;
}

Result<> write_files(const Options& options, const Asked& asked, const planner::Planned& planned) {
    if (options.given("svg")) {
        const auto chunks = static_cast<double>(asked.wish.run.chunks);
        const auto subtitle = fmt::format("{} chunks in {:.4g} s, {:.4g}/s of at most {:.4g}/s; busiest: {}", asked.wish.run.chunks,
                                          planned.simulated.wall_s(), planned.simulated.throughput_per_s(), chunks / planned.bound_s,
                                          planned.limit.what);
        const auto picture = planner::timeline_svg(planned.pipeline, planned.simulated, asked.network.name, subtitle);
        if (auto r = write_text(options, "svg", picture); !r) return r;
    }
    if (!options.given("schedule")) return {};
    return write_text(options, "schedule", planner::text_of(planned.schedule));
}

Result<> run(const Options& options) {
    auto asked = read_asked(options);
    if (!asked) return fail(asked.error());
    const auto planned = make_plan(options, *asked);
    if (!planned) return fail(planned.error());
    if (auto r = write_files(options, *asked, *planned); !r) return r;
    if (options.given("json"))
        out("{}\n", json_of(*asked, *planned));
    else
        put_out(text_of(*asked, *planned));
    return {};
}

}  // namespace

Command plan_command() {
    return {spec(), run};
}

}  // namespace fard::cli
