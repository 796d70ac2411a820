// fard logs [RUN]: what the boards say of a run, in the order of time.
#include <fmt/chrono.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/cluster_status.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "client/locate.hpp"

namespace fard::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto answer_limit = 1s;
constexpr auto follow_interval = 300ms;

CommandSpec spec() {
    return {"logs",
            "show what the boards say of a run",
            {"[RUN]"},
            {{"follow", "", "go on with what comes, until the run has ended (-f)"},
             {"node", "ADDRESS", "the node manager to ask, instead of FARD_NODE or the local cluster"},
             {"json", "", "print each line as a JSON object"}}};
}

struct Line {
    std::string board;
    wire::LogLine line;
};

// The lines of all boards behind what was shown before.
class Reader {
  public:
    explicit Reader(RunId run) : run_(std::move(run)) {}

    std::vector<Line> read(const std::vector<Address>& doors) {
        std::vector<Line> lines;
        auto left = doors;
        while (!left.empty())
            left = read_once(left, lines);
        std::ranges::stable_sort(lines, {}, [](const Line& line) { return line.line.time_ns; });
        return lines;
    }

  private:
    // The doors of those that have more.
    std::vector<Address> read_once(const std::vector<Address>& doors, std::vector<Line>& lines) {
        std::vector<Address> more;
        for (const auto& door : doors) {
            const auto answer = ask_all({door}, wire::Logs{run_, shown_[door]}, answer_limit).front();
            const auto* log = answer ? answer->as<wire::LogLines>() : nullptr;
            if (!log || log->lines.empty()) continue;
            for (const auto& line : log->lines)
                lines.push_back({log->board, line});
            shown_[door] = log->lines.back().number;
            if (log->more) more.push_back(door);
        }
        return more;
    }

    RunId run_;
    std::map<Address, std::uint64_t> shown_;  // the last number, by front door
};

std::string time_text(std::int64_t time_ns) {
    const auto seconds = static_cast<std::time_t>(time_ns / 1'000'000'000);
    return fmt::format("{:%H:%M:%S}.{:03}", fmt::localtime(seconds), time_ns / 1'000'000 % 1000);
}

void print(const std::vector<Line>& lines, bool json, bool with_run) {
    std::size_t widest = 0;
    for (const auto& [board, line] : lines)
        widest = std::max(widest, board.size());
    for (const auto& [board, line] : lines) {
        if (json) {
            const nlohmann::ordered_json object{{"time_ns", line.time_ns}, {"board", board},   {"run_id", line.run.hex},
                                                {"level", line.level},     {"who", line.who}, {"text", line.text}};
            out("{}\n", object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
            continue;
        }
        const auto run = with_run && !line.run.empty() ? line.run.hex.substr(0, 8) + " " : "";
        const auto level = line.level == "info" ? "" : line.level + ": ";
        out("{} {:<{}}  {}{}: {}{}\n", time_text(line.time_ns), board, widest, run, line.who, level, line.text);
    }
}

std::vector<Address> doors_of(const wire::Status& status) {
    std::vector<Address> doors;
    for (const auto& row : status.boards)
        if (!row.member.front_door.empty()) doors.push_back(row.member.door());
    return doors;
}

bool is_over(const wire::Status& status, const RunId& run) {
    return std::ranges::none_of(status.runs, [&](const wire::RunState& one) {
        return one.run == run && !has_ended(one);
    });
}

Result<> logs(const Options& options) {
    const auto doors = find_cluster(options.text("node"));
    if (!doors) return fail(doors.error());
    auto status = cluster_status(*doors);
    if (!status) return fail(status.error());
    RunId run;
    if (options.positionals() > 0) {
        const auto& digits = options.positional(0);
        const auto found = find_run(*status, digits, true);
        const bool whole_id = !found && found.error().fault == Fault::not_found && is_id(digits);
        if (!found && !whole_id) return fail(found.error());
        run = found ? *found : RunId{digits};  // one that ended long ago may still have lines
    }
    Reader reader(run);
    const bool json = options.given("json");
    bool any = false;
    while (true) {
        const bool last = !options.given("follow") || (!run.empty() && is_over(*status, run));
        const auto lines = reader.read(doors_of(*status));
        print(lines, json, run.empty());
        any = any || !lines.empty();
        if (flush_output() != 0 || last) break;
        std::this_thread::sleep_for(follow_interval);
        status = cluster_status(*doors);
        if (!status) return fail(status.error());
    }
    if (!any && !run.empty()) return fail(Fault::not_found, "no board has a line about run {}", run.hex);
    return {};
}

}  // namespace

Command logs_command() {
    return {spec(), logs};
}

}  // namespace fard::cli
