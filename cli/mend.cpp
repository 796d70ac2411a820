// fard mend BOARD: tells a board that devices which were taken out of placement after failures may be used again.
#include <chrono>

#include "base/suggest.hpp"
#include "cli/cluster_status.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "client/locate.hpp"

namespace fard::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto answer_limit = 3s;

CommandSpec spec() {
    return {"mend",
            "have a board's devices used again that were taken out of placement after failures",
            {"BOARD"},
            {{"node", "ADDRESS", "the node manager to ask, instead of FARD_NODE or the local cluster"}}};
}

// What was out of placement: "fabric0 (taken out after 3 failures ...)".
std::string out_of_placement(const wire::BoardRow& board) {
    std::string text;
    for (const auto& device : board.state.devices)
        if (!device.healthy) text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", device.id, device.detail);
    return text;
}

Result<> mend(const Options& options) {
    const auto doors = find_cluster(options.text("node"));
    if (!doors) return fail(doors.error());
    const auto status = cluster_status(*doors);
    if (!status) return fail(status.error());
    const auto& name = options.positional(0);
    std::vector<std::string> names;
    bool found = false;
    for (const auto& board : status->boards) {
        names.push_back(board.member.name);
        if (board.member.name != name) continue;
        found = true;
        const auto answer = ask_first({board.member.door()}, wire::Mend{}, answer_limit);
        if (!answer) return fail_in("board " + name, answer.error());
        const auto mended = out_of_placement(board);
        out("{}\n", mended.empty() ? fmt::format("nothing on {} was out of placement", name)
                                   : fmt::format("{} is used again: {}", name, mended));
    }
    if (found) return {};
    return fail(Fault::not_found, "no board '{}' in the cluster{}; `fard status` lists them", name, did_you_mean(name, names));
}

}  // namespace

Command mend_command() {
    return {spec(), mend};
}

}  // namespace fard::cli
