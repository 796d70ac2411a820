#include "cli/cut_model.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "cli/plan.hpp"
#include "cli/split_turns.hpp"
#include "client/inputs.hpp"
#include "model/model.hpp"
#include "splitter/emit/emit.hpp"
#include "splitter/estimates/parts.hpp"
#include "splitter/report/picture.hpp"
#include "splitter/search/even.hpp"
#include "splitter/search/with_parts.hpp"

namespace fard::cli {
namespace {

namespace fs = std::filesystem;
using namespace splitter;

constexpr const char* plain = "computer";
constexpr const char* usual_port = "fitted: an adapter for Gigabit Ethernet";  // of boards without a port of their own
constexpr std::size_t most_named = 8;  // cuts that are listed

bool has_extension(const fs::path& file, std::string_view wanted) {
    auto extension = file.extension().string();
    std::ranges::transform(extension, extension.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return extension == wanted;
}

// What is to be planned, and for what.
struct Task {
    fs::path file;
    model::Model model;
    Cluster cluster;
    std::vector<Board> others;
    DescribeSettings settings;
    Description description;
    Strategy strategy = Strategy::throughput;
    bool one_each = false;  // nobody named a strategy: one stage for each board
    std::optional<InTurns> turns;  // where stages outnumber slots
    std::size_t most_stages() const { return description.network.cuts.size() - 1; }
};

Result<Cluster> read_boards(const Options& options, const fs::path& profiles) {
    const auto count = options.number("boards", 1, 1, 256);
    if (!count) return fail(count.error());
    const auto name = options.text("profile", plain);
    auto profile = load_board_profile(profiles, name);
    if (!profile) return fail_in("--profile " + name, profile.error());
    if (!profile->network) profile->network = BoardProfile::Network{{1000, usual_port}, {50, usual_port}};
    auto cluster = cluster_of(*profile, *count, Fractions{});
    if (!cluster) return fail_in("--profile " + name, cluster.error());
    if (options.given("on-board")) put_client_on_board(*cluster, 0);
    return cluster;
}

Result<Task> read_task(const Options& options) {
    const auto strategy = read_strategy(options, "throughput");
    if (!strategy) return fail(strategy.error());
    const auto profiles = find_board_profiles();
    if (!profiles) return fail(profiles.error());
    auto cluster = read_boards(options, *profiles);
    if (!cluster) return fail(cluster.error());
    const fs::path file = options.positional(0);
    auto model = model::Model::load(file);
    if (!model) return fail(model.error());
    DescribeSettings settings;
    describe_for(*cluster, settings);
    auto description = describe(*model, settings);
    if (!description) return fail_in(file.string(), description.error());
    if (auto r = check_connected(*description); !r) return fail_in(file.string(), r.error());
    if (description->network.name.empty()) description->network.name = file.stem().string();
    return Task{file,
                std::move(*model),
                std::move(*cluster),
                one_of_each(*profiles, Fractions{}),
                settings,
                std::move(*description),
                *strategy,
                !options.given("strategy")};
}

bool has_fabric(const Cluster& cluster) { return !cluster.boards.front().part.empty(); }

// As many images as there are inputs, where nobody says how many.
Result<TurnWish> turns_for(const Task& task, const CutWish& wish) {
    TurnWish turns{.batch = {}, .latency_s = wish.latency_s};
    turns.images = static_cast<std::size_t>(wish.chunks);
    if (wish.chunks == 0) {
        const auto whole = model::cut(task.model, {});
        if (!whole) return fail(whole.error());
        AppFile app;
        app.file = task.file;
        const auto inputs = open_inputs(app, wish.inputs, whole->front().inputs);
        if (!inputs) return fail(inputs.error());
        turns.images = std::max<std::size_t>(1, inputs->size());
    }
    if (wish.batch.value_or(0) > 0) turns.batch = static_cast<std::size_t>(std::min<std::uint64_t>(*wish.batch, turns.images));
    if (task.strategy == Strategy::latency) turns.images = turns.batch.value_or(turns.images);
    return turns;
}

// The planner's best, where no plan has a slot for each stage; `refused`: why there is none.
Result<Found> plan_in_turns(Task& task, const CutWish& wish, const Error& refused, const OfferParts& offer) {
    const auto& network = task.description.network;
    const bool may_turn = uses_parts(task.strategy) && has_fabric(task.cluster);
    if (!may_turn || refused.fault != Fault::refused) return tl::unexpected(explained(refused, task.description, task.cluster, task.others));
    const auto turns = turns_for(task, wish);
    if (!turns) return fail(turns.error());
    offer_where_too_large(network, task.cluster, offer);
    auto turned = best_in_turns(network, task.cluster, {task.strategy, {}}, *turns);
    if (!turned && turns->latency_s) return fail(Fault::invalid_input, "--latency-bound: {}", turned.error().message);
    if (!turned) return tl::unexpected(explained(turned.error(), task.description, task.cluster, task.others));
    auto found = turned->found;
    task.turns = std::move(*turned);
    return found;
}

// A stage on each board where nobody named a strategy and that works; else by the strategy, with layers in parallel parts where no
// board holds them, or where that helps; else in turns.
Result<Found> plan(Task& task, const CutWish& wish) {
    const auto& network = task.description.network;
    if (task.one_each) {
        auto few = task.cluster;  // with no board to spare for a replica
        few.boards.resize(std::min(few.boards.size(), task.most_stages()));
        auto found = search(network, few, {task.strategy, few.boards.size()});
        if (found) return evenly(network, few, std::move(*found));
        if (found.error().fault != Fault::refused) return found;
    }
    const auto offer = [&](std::size_t layer) { return offer_parts(task.description, task.settings, layer); };
    auto found = search_with_parts(network, task.cluster, {task.strategy, {}}, offer);
    return found ? std::move(found) : plan_in_turns(task, wish, found.error(), offer);
}

std::string counted(std::size_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::set<std::size_t> boards_of(const Found& found) {
    std::set<std::size_t> boards;
    for (const auto& stage : found.plan.stages)
        boards.insert(stage.boards.begin(), stage.boards.end());
    return boards;
}

std::vector<std::string> notes_on(const Task& task, const Found& found) {
    std::vector<std::string> notes;
    const auto& stages = found.plan.stages;
    std::vector<std::string> cuts, in_parts;
    for (std::size_t i = 0; i + 1 < std::min(stages.size(), most_named + 1); ++i)
        cuts.push_back(fmt::format("{}", fmt::join(task.description.cut_tensors[stages[i].end], " + ")));
    if (stages.size() > most_named + 1) cuts.push_back("...");
    const auto& profile = task.cluster.boards.front().profile;
    const auto used = boards_of(found).size(), wanted = task.cluster.boards.size();
    notes.push_back(fmt::format("{}: {} for {} ({}){}{}", task.file.filename().string(),
                                counted(stages.size(), "stage"), counted(used, "board"),
                                profile == plain ? "plain computers" : "planned for " + profile,
                                cuts.empty() ? "" : ", cut at ", fmt::join(cuts, ", ")));
    for (const auto& stage : stages)
        if (stage.parts > 1)
            in_parts.push_back(fmt::format("{} in {}", fmt::join(layers_of(task.description.network, stage), ", "), stage.parts));
    if (task.turns)
        notes.push_back(fmt::format("the boards hold too few stages at once: they take turns, in batches of {}; expected: {:.4g} s for {}",
                                    task.turns->turns.batch, task.turns->turns.wall_s, counted(task.turns->turns.images, "image")));
    if (!in_parts.empty()) notes.push_back(fmt::format("made in parallel parts: {}", fmt::join(in_parts, "; ")));
    if (used == wanted) return notes;
    const auto reason = task.most_stages() < wanted && task.one_each
                            ? fmt::format("it can be cut into {} at most", counted(task.most_stages(), "stage"))
                            : fmt::format("by the strategy {} more are of no use", name_of(task.strategy));
    notes.push_back(
        fmt::format("{} of the {} boards {} used: {}", used, wanted, used == 1 ? "is" : "are", reason));
    return notes;
}

}  // namespace

std::vector<OptionSpec> cut_options() {
    return {{"boards", "N", "cut MODEL.onnx for N boards, and run it"},
            {"profile", "NAME",
             "the kind of board that it is cut for: zedboard, zcu102, ... (computer: a plain one)"},
            {"strategy", "NAME",
             "how it is cut: as for `fard split` (one stage for each board, the slowest as fast as can be)"},
            {"out", "DIR", "keep the stages and their app file there"}};
}

Result<bool> is_to_be_cut(const Options& options) {
    const fs::path file = options.positional(0);
    std::string option;
    for (const auto& known : cut_options())
        if (option.empty() && options.given(known.name)) option = known.name;
    if (!option.empty() && has_extension(file, ".toml"))
        return fail(
            Fault::invalid_input,
            "--{} goes with a model (MODEL.onnx); the app file {} says itself how it is cut, and on how many "
            "boards ([cluster] boards)",
            option, file.string());
    if (options.given("boards")) return true;
    std::error_code ignored;
    if (has_extension(file, ".onnx") && fs::exists(file, ignored))
        return fail(
            Fault::invalid_input,
            "{}: is a model, not an app file; `--boards N` cuts it for N boards and runs it, `fard split` "
            "shows the best cut for boards that you have and writes an app file, `fard run` runs it whole",
            file.string());
    if (!option.empty())
        return fail(Fault::invalid_input, "--{} goes with --boards N, which cuts a model", option);
    return false;
}

Result<CutModel> cut_model(const Options& options, const CutWish& wish) {
    auto task = read_task(options);
    if (!task) return fail(task.error());
    const auto found = plan(*task, wish);
    if (!found) return fail(found.error());
    CutModel cut;
    fs::path out = options.text("out");
    if (!options.given("out")) {
        auto directory = PrivateDirectory::make("fard-plan");
        if (!directory) return fail(directory.error());
        cut.directory = std::move(*directory);
        out = cut.directory->path() / "plan";
    }
    std::error_code error;
    const auto& network = task->description.network;
    const auto name = app_name(task->file.stem().string());
    Emission emission{name, fs::canonical(task->file, error),
                      plan_json(network, task->cluster, *found, task->strategy, task->turns ? &task->turns->turns : nullptr),
                      task->turns ? task->turns->picture : svg_of(network, task->cluster, *found, name), {}};
    if (task->turns) emission.batch = task->turns->turns.batch;
    const auto notes = emit(out, task->model, task->description, task->cluster, *found, emission);
    if (!notes) return fail(notes.error());
    cut.notes = notes_on(*task, *found);
    const auto file = out / (emission.name + ".toml");
    auto app = read_app_file(file);
    if (!app) return fail(app.error());
    cut.app = std::move(*app);
    // What a board of the plan holds at once, its stand-in holds too. Turns, and what is to be kept by reckoning, are for boards with their
    // fabric and its times.
    const bool timed = task->turns || wish.batch || wish.latency_s;
    if (timed && has_fabric(task->cluster)) cut.app.cluster.profile = task->cluster.boards.front().profile;
    const auto used = task->turns ? task->cluster.boards.size() : boards_of(*found).size();
    cut.app.cluster.boards = static_cast<std::uint32_t>(used);
    if (const auto slots = task->cluster.boards.front().slots; slots > 1)
        cut.app.cluster.slots = static_cast<std::uint32_t>(slots);
    if (options.given("out"))
        cut.notes.push_back(fmt::format("kept: `fard submit {}` runs it again", file.string()));
    return cut;
}

}  // namespace fard::cli
