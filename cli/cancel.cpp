// fard cancel RUN: ends a run, whoever submitted it.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "cli/cluster_status.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "client/locate.hpp"

namespace fard::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto cancel_limit = 12s;

CommandSpec spec() {
    return {"cancel",
            "end a run",
            {"RUN"},
            {{"node", "ADDRESS", "the node manager to ask, instead of FARD_NODE or the local cluster"}}};
}

Result<> cancel(const Options& options) {
    const auto doors = find_cluster(options.text("node"));
    if (!doors) return fail(doors.error());
    const auto status = cluster_status(*doors);
    if (!status) return fail(status.error());
    const auto run = find_run(*status, options.positional(0), false);
    if (!run) return fail(run.error());
    const auto answer = ask_first(*doors, wire::Cancel{*run, false}, cancel_limit);
    if (!answer) return fail(answer.error());
    out("run {} is cancelled\n", run->hex);
    return {};
}

}  // namespace

Command cancel_command() {
    return {spec(), cancel};
}

}  // namespace fard::cli
