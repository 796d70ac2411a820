// fard doctor: looks for what is wrong, here, on each board, and between them, and says what to do.
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/health.hpp"
#include "cli/cluster_status.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/report.hpp"
#include "client/client_identity.hpp"
#include "client/cluster_files.hpp"
#include "client/door_check.hpp"
#include "client/local_cluster.hpp"
#include "client/locate.hpp"

namespace fard::cli {
namespace {

using namespace std::chrono_literals;
using Level = Finding::Level;

constexpr auto check_limit = 2s;
constexpr auto probe_limit = 30s;
constexpr std::size_t most_boards_in_pairs = 8;  // beyond, each board measures the way to the next alone
constexpr const char* left = "it left";  // in order, as its node manager says at its end
constexpr auto clocks_apart = 200ms;
constexpr double slow_mbit_per_s = 50;
constexpr const char* silent_remedy =
    "start its fardd; open the port in its firewall; see that this is its address (front_door, advertise)";

struct Row {
    std::string where;  // "here", a board, "zed1 -> zed2"
    Finding finding;
};
using Rows = std::vector<Row>;

CommandSpec spec() {
    return {"doctor",
            "look for what is wrong, and say what to do",
            {},
            {{"node", "ADDRESS", "the node manager to ask, instead of FARD_NODE or the local cluster"},
             {"quick", "", "leave out the speed between boards"},
             {"json", "", "print all findings as one JSON object"}}};
}

// ---- here

Finding check_program() {
    const auto fardd = find_fardd();
    if (fardd) return {Level::fine, "fardd", fardd->string(), ""};
    return {Level::fault, "fardd", fardd.error().message, "install fard whole, or set FARD_LIBEXEC to where fardd is"};
}

Finding check_directory() {
    const auto directory = user_cluster_directory();
    const auto checked = check_cluster_directory(directory, false);
    if (checked) return {Level::fine, "cluster directory", directory.string(), ""};
    if (checked.error().fault == Fault::not_found)
        return {Level::fine, "cluster directory", directory.string() + " is not there (no local cluster is up)", ""};
    return {Level::fault, "cluster directory", checked.error().message, "as it says, or set XDG_RUNTIME_DIR"};
}

void look_here(Rows& rows) {
    std::error_code error;
    auto temporary = std::filesystem::temp_directory_path(error);
    if (error) temporary = "/tmp";
    for (const auto& finding : {check_program(), check_directory(), check_writable("temporary directory", temporary),
                                check_disk("disk", temporary), check_open_files(), check_file_size(), check_memory(),
                                check_kernel()})
        rows.push_back({"here", finding});
}

// ---- each board

struct Board {
    std::string name;
    Address front_door;
    bool answers = false;
    std::set<Address> knows;  // front doors
};

Level level_of(const std::string& name) {
    return name == "fault" ? Level::fault : name == "warning" ? Level::warning : Level::fine;
}

std::int64_t system_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Finding check_clock(std::int64_t theirs, std::int64_t before, std::int64_t after) {
    const auto apart = std::chrono::nanoseconds(std::abs(theirs - (before + after) / 2));
    const auto text = fmt::format("{:.1f} ms from ours, to within {:.1f} ms", static_cast<double>(apart.count()) / 1e6,
                                  static_cast<double>(after - before) / 2e6);
    if (apart <= clocks_apart + std::chrono::nanoseconds(after - before)) return {Level::fine, "clock", text, ""};
    return {Level::warning, "clock", text, "set it by NTP (systemd-timesyncd, chrony): logs are sorted by these clocks"};
}

void look_at_board(Board& board, Rows& rows) {
    const auto before = system_ns();
    const auto answer = ask_first({board.front_door}, wire::Check{}, check_limit);
    const auto after = system_ns();
    const auto* checked = answer ? answer->body.as<wire::Checked>() : nullptr;
    if (!checked) {
        rows.push_back({board.name,
                        {Level::fault, "answer", answer ? "it does not know CHECK" : answer.error().message,
                         answer ? "run the same fard everywhere" : silent_remedy}});
        return;
    }
    board.answers = true;
    for (const auto& row : checked->rows)
        rows.push_back({board.name, {level_of(row.level), row.what, row.text, row.remedy}});
    rows.push_back({board.name, check_clock(checked->time_ns, before, after)});
}

// ---- between them

void look_at_discovery(std::vector<Board>& boards, const wire::Status& status, Rows& rows) {
    for (auto& board : boards) {
        if (!board.answers) continue;
        const auto answer = ask_first({board.front_door}, wire::Query{}, check_limit);
        if (const auto* theirs = answer ? answer->body.as<wire::Status>() : nullptr)
            for (const auto& row : theirs->boards) {
                board.knows.insert(row.member.door());
                if (row.silent_ms > silent_too_long_ms)
                    rows.push_back({board.name,
                                    {Level::fault, "discovery", "hears nothing from " + row.member.name,
                                     fmt::format("see whether {} is the address at which others reach {} (front_door, advertise), "
                                                 "and open the ports of its publisher and heartbeat",
                                                 row.member.front_door, row.member.name)}});
            }
    }
    std::map<std::string, std::size_t> names;
    for (const auto& board : boards) {
        ++names[board.name];
        std::string missing;
        for (const auto& other : boards)
            if (board.answers && !board.knows.contains(other.front_door))
                missing += (missing.empty() ? "" : ", ") + other.name;
        if (!board.answers) continue;
        if (missing.empty()) {
            rows.push_back({board.name, {Level::fine, "discovery", fmt::format("knows all {} boards", boards.size()), ""}});
        } else {
            rows.push_back({board.name,
                            {Level::fault, "discovery", "does not know " + missing,
                             "start it with --seed of a board that it can reach; publisher and heartbeat ports must be open "
                             "both ways"}});
        }
    }
    for (const auto& shared : shared_keys(status))
        rows.push_back({"here", {Level::warning, "keys", shared, "`fard join` with a ticket gives each board a key of its own"}});
    for (const auto& [name, count] : names)
        if (count > 1)
            rows.push_back({name, {Level::warning, "name", fmt::format("{} boards have it", count), "give each its own with --name"}});
}

Finding check_way(const Result<NodeAnswer>& answer) {
    const auto* probed = answer ? answer->body.as<wire::Probed>() : nullptr;
    if (!answer && answer.error().fault == Fault::refused) return {Level::fine, "way", "not measured: " + answer.error().message, ""};
    if (!probed)
        return {Level::fault, "way", answer ? "it cannot be measured" : answer.error().message,
                "open the other board's front door port for this one"};
    const auto seconds = static_cast<double>(probed->large_ns - std::min(probed->small_ns, probed->large_ns)) / 1e9;
    const double mbit = seconds > 0 ? 8.388608 / seconds : 0;
    const auto text = fmt::format("{:.2f} ms there and back, {:.0f} Mbit/s", static_cast<double>(probed->small_ns) / 1e6, mbit);
    if (mbit >= slow_mbit_per_s) return {Level::fine, "way", text, ""};
    return {Level::warning, "way", text, "use a cable instead of Wi-Fi, look for a port that fell back to 10 Mbit/s (ethtool)"};
}

void look_at_ways(const std::vector<Board>& boards, Rows& rows) {
    const bool all = boards.size() <= most_boards_in_pairs;
    for (std::size_t i = 0; i < boards.size(); ++i) {
        for (std::size_t j = 0; j < boards.size(); ++j) {
            const bool next = j == (i + 1) % boards.size();
            if (i == j || !(all || next) || !boards[i].answers || !boards[j].answers) continue;
            const auto answer = ask_first({boards[i].front_door}, wire::Probe{boards[j].front_door}, probe_limit);
            rows.push_back({boards[i].name + " -> " + boards[j].name, check_way(answer)});
        }
    }
}

// Where nobody answers, each address that was tried, with its reason.
void look_at_silence(const std::vector<Address>& doors, Rows& rows) {
    const auto answers = ask_all(doors, wire::Query{}, check_limit);
    for (std::size_t i = 0; i < doors.size(); ++i) {
        const auto where = doors[i].endpoint.text();
        if (answers[i]) {
            rows.push_back({where, {Level::warning, "answer", "it answers now, and did not a moment ago", "run `fard doctor` again"}});
            continue;
        }
        const bool silent = answers[i].error().fault == Fault::timed_out || answers[i].error().fault == Fault::unreachable;
        rows.push_back({where, {Level::fault, "answer", silent ? why_silent(doors[i]) : answers[i].error().message, silent_remedy}});
    }
}

// Nobody was found: what was looked at.
void look_at_nothing(const Result<Whereabouts>& found, const LocateOptions& options, Rows& rows) {
    const auto listed = listed_doors(options.directory);
    const bool wanted = !options.node.empty() || !options.environment.empty();
    const auto why = !found                ? found.error().message
                     : !found->note.empty() ? found->note
                                            : fmt::format("none is named (--node, FARD_NODE), {} lists none, and neither does {}",
                                                          options.directory.string(),
                                                          key_directory().empty() ? "a key directory" : (key_directory() / "nodes").string());
    rows.push_back({"here",
                    {wanted || !found || !found->note.empty() ? Level::fault : Level::warning, "cluster", why,
                     "`fard up` starts one here; --node or FARD_NODE names a node of another"}});
    if (!wanted) look_at_silence(listed, rows);
}

Result<> look_at_cluster(const Options& options, Rows& rows) {
    const auto where = locate_options(options.text("node"));
    const auto found = locate(where);
    if (!found && found.error().fault == Fault::invalid_input) return fail(found.error());
    if (!found || found->doors.empty()) {
        look_at_nothing(found, where, rows);
        return {};
    }
    const auto status = cluster_status(found->doors);
    if (!status) {
        rows.push_back({"here", {Level::fault, "cluster", fmt::format("nobody answers at the {} addresses that {} lists", found->doors.size(),
                                                                      (key_directory() / "nodes").string()),
                                 "each address stands below, with its reason"}});
        look_at_silence(found->doors, rows);
        return {};
    }
    std::vector<Board> boards;
    for (const auto& row : status->boards)
        boards.push_back({row.member.name, row.member.door(), false, {}});
    for (const auto& lost : status->lost)
        rows.push_back({lost.name, {Level::warning, "board", fmt::format("lost {} s ago: {}", lost.ago_ms / 1000, lost.why),
                                    lost.why == left ? "start it again if it should be there" : "look at its power, its cable and its log"}});
    for (auto& board : boards)
        look_at_board(board, rows);
    look_at_discovery(boards, *status, rows);
    if (!options.given("quick")) look_at_ways(boards, rows);
    return {};
}

// ---- what is said

std::string as_json(const Rows& rows) {
    nlohmann::ordered_json findings = nlohmann::ordered_json::array();
    for (const auto& [where, finding] : rows)
        findings.push_back({{"where", where},
                            {"level", name_of(finding.level)},
                            {"what", finding.what},
                            {"text", finding.text},
                            {"remedy", finding.remedy}});
    const nlohmann::ordered_json json{{"findings", std::move(findings)}};
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string as_text(const Rows& rows) {
    std::vector<std::vector<std::string>> cells;
    std::string remedies;
    for (const auto& [where, finding] : rows) {
        cells.push_back({name_of(finding.level), where, finding.what, finding.text});
        if (finding.level != Level::fine)
            remedies += fmt::format("{}: {}, {}: {}\n", name_of(finding.level), where, finding.what, finding.remedy);
    }
    return table_text({"", "where", "what", "found"}, cells) + (remedies.empty() ? "" : "\nwhat to do\n" + remedies);
}

Result<> doctor(const Options& options) {
    Rows rows;
    look_here(rows);
    if (auto looked = look_at_cluster(options, rows); !looked) return looked;
    put_out(options.given("json") ? as_json(rows) : as_text(rows));
    const auto faults = std::ranges::count_if(rows, [](const Row& row) { return row.finding.level == Level::fault; });
    if (faults > 0) return fail(Fault::failed, "{} fault{} found", faults, faults == 1 ? " was" : "s were");
    return {};
}

}  // namespace

Command doctor_command() {
    return {spec(), doctor};
}

}  // namespace fard::cli
