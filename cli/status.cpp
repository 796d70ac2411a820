// fard status: the boards of a cluster and its runs.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/cluster_status.hpp"
#include "cli/commands.hpp"
#include "cli/report.hpp"

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

std::string status_json(const wire::Status& status) {
    using nlohmann::ordered_json;
    ordered_json boards = ordered_json::array(), runs = ordered_json::array();
    for (const auto& row : status.boards) {
        ordered_json devices = ordered_json::array();
        for (std::size_t i = 0; i < row.state.devices.size(); ++i) {
            const auto& device = row.state.devices[i];
            devices.push_back({{"id", device.id},
                               {"kind", device.kind},
                               {"slots", device.slots},
                               {"slots_free", i < row.state.slots_free.size() ? row.state.slots_free[i] : 0},
                               {"healthy", device.healthy},
                               {"detail", device.detail}});
        }
        boards.push_back({{"name", row.member.name},
                          {"peer", row.member.peer.hex},
                          {"front_door", row.member.front_door.text()},
                          {"silent_ms", row.silent_ms},
                          {"runs", row.state.runs},
                          {"overlays", row.state.overlays},
                          {"devices", std::move(devices)}});
    }
    for (const auto& run : status.runs)
        runs.push_back({{"run_id", run.run.hex},
                        {"app", run.app},
                        {"phase", run.phase},
                        {"attempt", run.epoch.attempt},
                        {"wiring", run.epoch.wiring},
                        {"chunks_in", run.admitted},
                        {"results", run.results},
                        {"replays", run.replays},
                        {"reason", run.reason}});
    ordered_json json = {{"cluster", status.cluster},
                         {"protocol", status.protocol},
                         {"insecure", status.insecure},
                         {"boards", std::move(boards)},
                         {"runs", std::move(runs)}};
    return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string status_text(const wire::Status& status) {
    std::vector<std::vector<std::string>> boards, runs;
    for (const auto& row : status.boards)
        boards.push_back({row.member.name, fmt::format("{}/{}", free_slots(row.state), all_slots(row.state)),
                          std::to_string(row.state.overlays.size()), std::to_string(row.state.runs),
                          devices_text(row.state), row.member.front_door.text()});
    for (const auto& run : status.runs)
        runs.push_back(
            {run.run.hex, run.app, run.phase, fmt::format("{}/{}", run.results, run.admitted), run.reason});
    auto text = fmt::format("cluster {}, {} boards\n\n", status.cluster, status.boards.size());
    if (status.insecure) text += "insecure: no keys; who reaches its addresses can read and control everything\n\n";
    text += table_text({"board", "free slots", "overlays", "runs", "devices", "front door"}, boards);
    if (!runs.empty()) text += "\n" + table_text({"run", "app", "phase", "results", "reason"}, runs);
    return text;
}

Result<> status(const Options& options) {
    const auto doors = find_cluster(options.text("node"));
    if (!doors) return fail(doors.error());
    const auto status = cluster_status(*doors);
    if (!status) return fail(status.error());
    fmt::print("{}", options.given("json") ? status_json(*status) + "\n" : status_text(*status));
    return {};
}

}  // namespace

Command status_command() {
    return {spec(), status};
}

}  // namespace fard::cli
