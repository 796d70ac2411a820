// fard status: the boards of a cluster and its runs.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/cluster_status.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/report.hpp"
#include "cli/status_text.hpp"

namespace fard::cli {
namespace {

CommandSpec spec() {
    return {"status",
            "show the boards of a cluster and its runs",
            {},
            {{"node", "ADDRESS", "the node manager to ask, instead of FARD_NODE or the local cluster"},
             {"json", "", "print it as one JSON object"}}};
}

std::uint32_t free_slots(const wire::BoardState& state) {
    std::uint32_t sum = 0;
    for (const auto slots : state.slots_free)
        sum += slots;
    return sum;
}

std::uint32_t all_slots(const wire::BoardState& state) {
    std::uint32_t sum = 0;
    for (const auto& device : state.devices)
        sum += device.slots;
    return sum;
}

std::string devices_text(const wire::BoardState& state) {
    std::string text;
    for (const auto& device : state.devices)
        text += fmt::format("{}{} ({}{})", text.empty() ? "" : ", ", device.id, device.kind,
                            device.healthy ? "" : ", unhealthy: " + device.detail);
    return text;
}

const char* state_name(std::uint8_t state) {
    switch (state) {
        case 1: return "loading";
        case 2: return "loaded";
        case 3: return "stuck";
        default: return "idle";
    }
}

nlohmann::ordered_json loaded_json(const wire::DeviceState& device) {
    auto slots = nlohmann::ordered_json::array();
    for (const auto& slot : device.loaded)
        slots.push_back({{"state", state_name(slot.state)}, {"overlay", slot.overlay}, {"name", slot.name}, {"why", slot.why}});
    return slots;
}

std::string status_json(const wire::Status& status) {
    using nlohmann::ordered_json;
    ordered_json boards = ordered_json::array(), runs = ordered_json::array(), lost = ordered_json::array();
    for (const auto& row : status.boards) {
        ordered_json devices = ordered_json::array();
        for (std::size_t i = 0; i < row.state.devices.size(); ++i) {
            const auto& device = row.state.devices[i];
            devices.push_back({{"id", device.id},
                               {"kind", device.kind},
                               {"slots", device.slots},
                               {"slots_free", i < row.state.slots_free.size() ? row.state.slots_free[i] : 0},
                               {"healthy", device.healthy},
                               {"detail", device.detail},
                               {"part", device.part},
                               {"loaded", loaded_json(device)}});
        }
        boards.push_back({{"name", row.member.name},
                          {"peer", row.member.peer.hex},
                          {"front_door", row.member.front_door.text()},
                          {"silent_ms", row.silent_ms},
                          {"age_ms", row.age_ms},
                          {"runs", row.state.runs},
                          {"overlays", row.state.overlays},
                          {"devices", std::move(devices)}});
    }
    for (const auto& run : status.runs) {
        ordered_json places = ordered_json::array();
        for (const auto& place : run.places)
            places.push_back({{"position", place.position}, {"replica", place.replica}, {"parts", place.parts}, {"name", place.name}, {"board", place.board}});
        runs.push_back({{"run_id", run.run.hex},
                        {"app", run.app},
                        {"phase", run.phase},
                        {"attempt", run.epoch.attempt},
                        {"wiring", run.epoch.wiring},
                        {"owner", run.owner},
                        {"age_ms", run.age_ms},
                        {"chunks", run.chunks},
                        {"chunks_in", run.admitted},
                        {"results", run.results},
                        {"replays", run.replays},
                        {"reason", run.reason},
                        {"batch", run.batch ? ordered_json(run.batch) : ordered_json()},
                        {"shared_slots", run.shared},
                        {"turns", run.turns},
                        {"reloads", run.reloads},
                        {"places", std::move(places)}});
    }
    for (const auto& board : status.lost)
        lost.push_back({{"name", board.name}, {"front_door", board.front_door}, {"ago_ms", board.ago_ms}, {"why", board.why}});
    ordered_json json = {{"cluster", status.cluster},
                         {"protocol", status.protocol},
                         {"insecure", status.insecure},
                         {"boards", std::move(boards)},
                         {"runs", std::move(runs)},
                         {"lost", std::move(lost)}};
    return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// "zed1", or with its front door where several have the name.
std::string name_among(const wire::Status& status, const wire::Member& member) {
    const auto same = std::ranges::count_if(
        status.boards, [&](const wire::BoardRow& row) { return row.member.name == member.name; });
    return same > 1 ? member.name + " (!)" : member.name;
}

// Where the positions of a run are: "stem zed1, body zed2 zed3".
std::string places_text(const wire::RunState& run) {
    std::string text, last;
    for (const auto& place : run.places) {
        if (place.name == last) {
            text += " " + place.board;
        } else {
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", place.name, place.board);
        }
        last = place.name;
    }
    return text;
}

std::string one_line(std::string text) {
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;)
        text.replace(at, 1, "; ");
    return text;
}

// What each FPGA holds: "zed1 fabric0 (zedboard)  loaded  two_stage_bnn.first  1f3a5c7e".
std::string fabrics_text(const wire::Status& status) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& board : status.boards)
        for (const auto& device : board.state.devices)
            for (std::size_t slot = 0; slot < device.loaded.size(); ++slot) {
                const auto& at = device.loaded[slot];
                rows.push_back({name_among(status, board.member),
                                device.loaded.size() > 1 ? fmt::format("{}.{}", device.id, slot) : device.id,
                                device.part, state_name(at.state), at.name,
                                at.overlay.substr(0, 8), one_line(at.why)});
            }
    return rows.empty() ? "" : "\n" + table_text({"board", "fabric", "part", "state", "overlay", "id", ""}, rows);
}

void add_run(std::string& text, const wire::RunState& run) {
    if (!run.places.empty()) text += fmt::format("  {}  on {}\n", run.run.hex.substr(0, 8), places_text(run));
    if (run.shared) text += fmt::format("  {}  {} of its slots are shared: turns of {} chunks\n", run.run.hex.substr(0, 8), run.shared, run.batch);
    if (!run.reason.empty()) text += fmt::format("  {}  {}\n", run.run.hex.substr(0, 8), one_line(run.reason));
}

}  // namespace

std::string age_text(std::uint64_t milliseconds) {
    const auto seconds = milliseconds / 1000;
    if (seconds < 120) return fmt::format("{} s", seconds);
    if (seconds < 2 * 3600) return fmt::format("{} min", seconds / 60);
    if (seconds < 48 * 3600) return fmt::format("{} h", seconds / 3600);
    return fmt::format("{} d", seconds / 86'400);
}

// A later attempt, after the loss of a coordinator, carries only the chunks without a result.
std::string progress_text(const wire::RunState& run) {
    const auto progress = fmt::format("{}/{}", run.results, run.chunks);
    return run.epoch.attempt > 0 ? fmt::format("{} of attempt {}", progress, run.epoch.attempt) : progress;
}

std::string status_text(const wire::Status& status) {
    std::vector<std::vector<std::string>> boards, runs;
    for (const auto& row : status.boards)
        boards.push_back({name_among(status, row.member),
                          fmt::format("{}/{}", free_slots(row.state), all_slots(row.state)),
                          std::to_string(row.state.overlays.size()), std::to_string(row.state.runs),
                          devices_text(row.state), age_text(row.age_ms), row.member.front_door.text()});
    std::string unheard;
    for (const auto& row : status.boards)
        if (row.silent_ms > silent_too_long_ms)
            unheard += fmt::format("{}: nothing has come from it for {} to the node manager that answered; is {} the address at "
                                   "which others reach it, and are its ports open?\n",
                                   row.member.name, age_text(row.silent_ms), row.member.front_door);
    for (const auto& board : status.lost)
        boards.push_back({board.name, "lost", "", "", one_line(board.why), age_text(board.ago_ms) + " ago", board.front_door});
    std::string more;
    for (const auto& run : status.runs) {
        runs.push_back({run.run.hex, run.app, run.phase, progress_text(run), run.owner,
                        age_text(run.age_ms)});
        add_run(more, run);
    }
    const auto count = status.boards.size();
    auto text = fmt::format("cluster {}, {} board{}\n\n", status.cluster, count, count == 1 ? "" : "s");
    if (status.insecure) text += "insecure: no keys; who reaches its addresses can read and control everything\n\n";
    text += table_text({"board", "free slots", "overlays", "runs", "devices", "known for", "front door"}, boards);
    if (text.find(" (!)") != std::string::npos)
        text += "(!) several boards have this name; give each its own with --name\n";
    for (const auto& shared : shared_keys(status))
        text += shared + "; `fard join` with a ticket gives each one its own\n";
    text += unheard;
    text += fabrics_text(status);
    if (!runs.empty()) text += "\n" + table_text({"run", "app", "phase", "results", "owner", "age"}, runs) + more;
    return text;
}

namespace {

Result<> status(const Options& options) {
    const auto doors = find_cluster(options.text("node"));
    if (!doors) return fail(doors.error());
    const auto status = cluster_status(*doors);
    if (!status) return fail(status.error());
    out("{}", options.given("json") ? status_json(*status) + "\n" : status_text(*status));
    return {};
}

}  // namespace

Command status_command() {
    return {spec(), status};
}

}  // namespace fard::cli
