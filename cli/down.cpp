// fard down: the end of the local cluster that `fard up` started.
#include <chrono>

#include "cli/cluster_status.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "client/cluster_files.hpp"
#include "client/local_cluster.hpp"
#include "client/locate.hpp"

namespace fard::cli {
namespace {

CommandSpec spec() {
    return {
        "down", "end the local cluster", {}, {{"timeout", "TIME", "wait that long for its boards to end (10s)"},
         {"node", "ADDRESS", "end this node manager instead"},
         {"all", "", "with --node: and every board that it knows"}}};
}

// One node manager, or with --all every one that it knows.
Result<> end_node(const Options& options, std::chrono::milliseconds limit) {
    const auto door = find_cluster(options.text("node"));
    if (!door) return fail(door.error());
    std::vector<Address> doors{door->front()};
    if (options.given("all")) {
        const auto status = cluster_status(*door);
        if (!status) return fail(status.error());
        doors.clear();
        for (const auto& row : status->boards)
            doors.push_back(row.member.door());
    }
    const auto answers = ask_all(doors, wire::Shutdown{}, limit);
    std::size_t ended = 0;
    std::string refusals;
    for (std::size_t i = 0; i < doors.size(); ++i) {
        ended += answers[i].has_value();
        if (!answers[i]) refusals += fmt::format("{}{}: {}", refusals.empty() ? "" : "; ", doors[i].endpoint, answers[i].error().message);
    }
    if (ended > 0) out("{} board{} down\n", ended, ended == 1 ? " is" : "s are");
    if (!refusals.empty()) return fail(Fault::refused, "{}", refusals);
    return {};
}

Result<> down(const Options& options) {
    const auto timeout = options.duration("timeout", std::chrono::seconds(10), std::chrono::hours(1));
    if (!timeout) return fail(timeout.error());
    if (options.given("node")) return end_node(options, *timeout);
    const auto ended = take_down_cluster(user_cluster_directory(), *timeout);
    if (!ended) return fail(ended.error());
    out("{} board{} down\n", *ended, *ended == 1 ? " is" : "s are");
    return {};
}

}  // namespace

Command down_command() {
    return {spec(), down};
}

}  // namespace fard::cli
