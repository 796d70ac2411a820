// fard cancel RUN: ends a run, whoever submitted it.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "cli/cluster_status.hpp"
#include "cli/commands.hpp"
#include "client/locate.hpp"

namespace fard::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto cancel_limit = 12s;
constexpr std::size_t run_digits = 32;

CommandSpec spec() {
    return {"cancel",
            "end a run",
            {"RUN"},
            {{"node", "ADDRESS", "the node manager to ask, instead of FARD_NODE or the local cluster"}}};
}

bool has_ended(const wire::RunState& run) {
    return run.phase == "done" || run.phase == "failed" || run.phase == "cancelled" || run.phase == "lost";
}

// The run that the digits begin. Errors: invalid_input (no digits; several runs begin so), not_found.
Result<RunId> find_run(const std::vector<Address>& doors, const std::string& digits) {
    if (digits.size() > run_digits || digits.find_first_not_of("0123456789abcdef") != std::string::npos)
        return fail(Fault::invalid_input, "'{}' is not a run's id; `fard status` lists the runs", digits);
    const auto status = cluster_status(doors);
    if (!status) return fail(status.error());
    std::vector<RunId> found;
    for (const auto& run : status->runs)
        if (run.run.hex.starts_with(digits) && !has_ended(run)) found.push_back(run.run);
    if (found.size() == 1) return found.front();
    if (found.empty())
        return fail(Fault::not_found, "no run {} is under way; `fard status` lists the runs", digits);
    return fail(Fault::invalid_input, "{} runs begin with {}; give more digits", found.size(), digits);
}

Result<> cancel(const Options& options) {
    const auto doors = find_cluster(options.text("node"));
    if (!doors) return fail(doors.error());
    const auto run = find_run(*doors, options.positional(0));
    if (!run) return fail(run.error());
    const auto answer = ask_first({doors->front()}, wire::Cancel{*run, false}, cancel_limit);
    if (!answer) return fail(answer.error());
    fmt::print("run {} is cancelled\n", run->hex);
    return {};
}

}  // namespace

Command cancel_command() {
    return {spec(), cancel};
}

}  // namespace fard::cli
