// The partition that finn-plus asks of its ILP solver, by the splitter's search and by COIN-OR's CBC, the solver that finn-plus falls
// back on: equal where CBC proves an optimum, never worse than what CBC has when its time is over.
//
//   build/bench/partition [--networks DIR] [--seconds 100] [--only TEXT] [--json]
//
// DIR: what tools/bench_networks.py writes; without it drawn networks and the tree's own. Fails where the search is worse.
#include <boost/program_options.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/partition/tasks.hpp"

using namespace fard;
using namespace fard::partition;

namespace {

struct Row {
    std::string name;
    std::size_t nodes = 0;
    Solved ours, theirs;
};

constexpr double rounding = 1e-6;  // of a solver's tolerances

// Where both have an answer, or CBC has shown that there is none.
bool holds(const Row& row) {
    if (!row.theirs.answer) return !row.theirs.proven || !row.ours.answer;
    if (!row.ours.answer) return false;
    const auto ours = row.ours.answer->distance, theirs = row.theirs.answer->distance;
    return ours <= theirs + rounding && (!row.theirs.proven || ours >= theirs - rounding);
}

std::string distance(const Solved& solved) {
    return solved.answer ? fmt::format("{:.6f}", solved.answer->distance) : solved.proven ? "none" : "-";
}

const char* verdict(const Row& row) {
    if (!has_cbc()) return "not compared";
    if (!holds(row)) return "WORSE";
    if (row.theirs.proven) return "equal, proven by both";
    return row.theirs.answer ? "no worse; CBC has not proven its own" : "CBC has no answer";
}

void print(const Row& row) {
    fmt::print("{:<34} {:>6} {:>12} {:>9.3f} {:>12} {:>9.2f}  {}\n", row.name, row.nodes, distance(row.ours), row.ours.seconds, distance(row.theirs),
               row.theirs.seconds, verdict(row));
    std::fflush(stdout);
}

nlohmann::json number(const Solved& solved) { return solved.answer ? nlohmann::json(solved.answer->distance) : nlohmann::json(); }

nlohmann::json json_of(const Row& row) {
    return {{"name", row.name},
            {"layers", row.nodes},
            {"ours", number(row.ours)},
            {"ours_s", row.ours.seconds},
            {"cbc", number(row.theirs)},
            {"cbc_s", row.theirs.seconds},
            {"cbc_proven", row.theirs.proven},
            {"ratio", row.theirs.seconds / row.ours.seconds},
            {"goal", "no worse; equal where proven"},
            {"holds", holds(row)}};
}

int run(const std::vector<Task>& all, const std::string& only, double seconds, bool as_json) {
    auto rows = nlohmann::json::array();
    bool right = true;
    if (!as_json)
        fmt::print("{:<34} {:>6} {:>12} {:>9} {:>12} {:>9}\n", "", "layers", "ours", "s", has_cbc() ? "CBC" : "(no CBC)", "s");
    for (const auto& task : all) {
        if (task.name.find(only) == std::string::npos) continue;
        const Row row{task.name, task.network.layers.size(), by_search(task), by_cbc(task, seconds)};
        right &= !has_cbc() || holds(row);
        rows.push_back(json_of(row));
        if (!as_json) print(row);
    }
    if (as_json) fmt::print("{}\n", nlohmann::json{{"rows", rows}}.dump());
    return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    namespace po = boost::program_options;
    std::string networks, only;
    double seconds = 100;
    po::options_description options;
    options.add_options()("networks", po::value(&networks), "")("seconds", po::value(&seconds), "")("only", po::value(&only), "")("json", "");
    po::variables_map given;
    try {
        po::store(po::parse_command_line(argc, argv, options), given);
        po::notify(given);
    } catch (const po::error& error) {
        fmt::print(stderr, "{}\nusage: partition [--networks DIR] [--seconds S] [--only TEXT] [--json]\n", error.what());
        return 2;
    }
    const auto all = tasks(FARD_SOURCE_ROOT, networks);
    if (!all) {
        fmt::print(stderr, "{}\n", all.error().message);
        return 2;
    }
    return run(*all, only, seconds, given.contains("json"));
}
