#include "cli/planning.hpp"

#include <charconv>
#include <cmath>
#include <set>

#include "base/read_file.hpp"
#include "cli/cluster_status.hpp"
#include "cli/console.hpp"
#include "cli/plan.hpp"
#include "cli/running_boards.hpp"

namespace fard::cli {

using namespace splitter;

namespace {

constexpr std::uint64_t most_folding_bytes = 16 << 20;

Result<Estimates> read_mode(const Options& options) {
    const auto mode = options.text("estimates", options.given("folding") ? "finn" : "mended");
    if (mode == "finn") return Estimates::finn;
    if (mode == "mended") return Estimates::mended;
    return fail(Fault::invalid_input, "--estimates {}: must be finn or mended", mode);
}

Result<> read_reports(const Options& options, Estimating& estimating) {
    const auto files = options.texts("report");
    if (files.empty()) return {};
    if (!options.given("folding"))
        return fail(Fault::invalid_input, "--report {}: its units are folded one way; give that folding, too (--folding)", files.front());
    for (const auto& file : files) {
        const auto text = read_whole_file(file, {.most_bytes = most_folding_bytes, .pipes = true});
        if (!text) return fail_in("--report", text.error());
        if (auto r = add_report(estimating.report, *text, file); !r) return r;
        estimating.settings.report_name += (estimating.settings.report_name.empty() ? "" : ", ") + file;
    }
    estimating.settings.report = &estimating.report;
    return {};
}

}  // namespace

std::vector<OptionSpec> network_options() {
    return {{"board", "NAME", "the kind of board: zedboard, pynq-z1, zcu102, ..., or computer"},
            {"boards", "N", "how many of them (as many as it takes)"},
            {"cluster", "CLUSTER.toml", "boards of several kinds, instead of --board"},
            {"node", "ADDRESS", "the boards of the cluster that is up there, instead of --board"},
            {"on-board", "", "chunks come from the first of the boards (with --node: the one that is asked) and results go there, not to a client"},
            {"folding", "FINN.json", "every layer folded as this file of FINN's says"},
            {"report", "FINN.json", "what a build with that folding took, instead of estimates; may be repeated", true},
            {"estimates", "MODE", "finn: as FINN prints them; mended: its defects repaired (the default without --folding)"},
            {"fraction", "F", "how much of each resource a design may take (FINN's: LUT .7, FF .5, others .8)"}};
}

Result<double> read_number(const Options& options, const std::string& name) {
    const auto text = options.text(name);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(value > 0) || !std::isfinite(value))
        return fail(Fault::invalid_input, "--{} {}: must be a number above 0", name, text);
    return value;
}

Result<Fractions> read_fractions(const Options& options) {
    if (!options.given("fraction")) return Fractions{};
    const auto text = options.text("fraction");
    double fraction = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fraction);
    if (error != std::errc() || end != text.data() + text.size() || !(fraction > 0) || fraction > 1)
        return fail(Fault::invalid_input, "--fraction {}: must be above 0 and at most 1", text);
    return Fractions::all(fraction);
}

Result<Boards> read_boards(const Options& options) {
    if (options.given("cluster") + options.given("board") + options.given("node") != 1)
        return fail(Fault::invalid_input, "which boards? --board NAME, --cluster CLUSTER.toml, or --node ADDRESS of a cluster that is up");
    if (!options.given("board") && options.given("boards"))
        return fail(Fault::invalid_input, "--boards goes with --board; a cluster lists its own");
    if (options.given("on-board") && options.given("cluster"))
        return fail(Fault::invalid_input, "--on-board: {} says itself where chunks come from and results go (input_at, output_at)", options.text("cluster"));
    const auto fractions = read_fractions(options);
    if (!fractions) return fail(fractions.error());
    const auto profiles = find_board_profiles();
    if (!profiles) return fail(profiles.error());
    Boards boards;
    boards.others = one_of_each(*profiles, *fractions);
    if (options.given("cluster")) {
        auto cluster = read_cluster(options.text("cluster"), *profiles, *fractions);
        if (!cluster) return fail(cluster.error());
        boards.cluster = std::move(*cluster);
        return boards;
    }
    if (options.given("node")) {
        const auto doors = find_cluster(options.text("node"));
        if (!doors) return fail(doors.error());
        auto status = cluster_status(*doors);
        if (!status) return fail(status.error());
        auto cluster = running_boards(*status, *profiles, *fractions, options.given("on-board"));
        if (!cluster) return fail(cluster.error());
        boards.cluster = std::move(*cluster);
        boards.status = std::move(*status);
        return boards;
    }
    const auto profile = load_board_profile(*profiles, options.text("board"));
    if (!profile) return fail_in("--board " + options.text("board"), profile.error());
    const auto count = options.number("boards", most_boards, 1, 4096);
    if (!count) return fail(count.error());
    auto cluster = cluster_of(*profile, *count, *fractions);
    if (!cluster) return fail(cluster.error());
    boards.cluster = std::move(*cluster);
    if (options.given("on-board")) put_client_on_board(boards.cluster, 0);
    boards.counted = !options.given("boards");
    return boards;
}

Result<Description> read_network(const Options& options, const model::Model& model, const Cluster& cluster,
                                 const std::string& name, Estimating& estimating) {
    const auto mode = read_mode(options);
    if (!mode) return fail(mode.error());
    if (auto r = read_reports(options, estimating); !r) return fail(r.error());
    auto& settings = estimating.settings;
    auto& folding = estimating.folding;
    settings.estimates.mode = *mode;
    describe_for(cluster, settings);
    if (options.given("folding")) {
        settings.folding_name = options.text("folding");
        const auto text = read_whole_file(settings.folding_name, {.most_bytes = most_folding_bytes, .pipes = true});
        if (!text) return fail_in("--folding", text.error());
        auto read = parse_folding(*text, settings.folding_name);
        if (!read) return fail(read.error());
        folding = std::move(*read);
        settings.folding = &folding;
        if (folding.early) settings.estimates.flow = model::FinnFlow::early;
    }
    auto description = describe(model, settings);
    if (!description) return description;
    if (auto r = check_connected(*description); !r) return fail_in(name, r.error());
    for (const auto& remark : not_in_rtl(*description, settings))
        note(remark);
    if (description->network.name.empty()) description->network.name = name;
    return description;
}

std::vector<std::string> unknown_reloads(const Cluster& cluster) {
    std::set<std::string> profiles;
    for (const auto& board : cluster.boards)
        if (!board.reload_s && board.whole != Resources{}) profiles.insert(board.profile);
    std::vector<std::string> notes;
    for (const auto& profile : profiles)
        notes.push_back(fmt::format("the profile '{}' has no [reload]: turns are planned as if loading took no time", profile));
    return notes;
}

}  // namespace fard::cli
