#include "cli/cluster_status.hpp"

#include <algorithm>
#include <chrono>

#include "cli/console.hpp"
#include "client/locate.hpp"
#include "runtime/peer/codec.hpp"

namespace fard::cli {

using namespace std::chrono_literals;

Result<std::vector<Address>> find_cluster(const std::string& node) {
    auto found = locate(locate_options(node));
    if (!found) return fail(found.error());
    if (!found->note.empty()) note(found->note);
    if (found->doors.empty())
        return fail(Fault::unreachable,
                    "no cluster is up; `fard up` starts one, --node or FARD_NODE names a node");
    return std::move(found->doors);
}

Result<wire::Status> cluster_status(const std::vector<Address>& doors) {
    auto first = ask_first({doors.front()}, wire::Query{}, 1s);
    if (!first) return fail(first.error());
    auto* status = first->body.as<wire::Status>();
    if (!status)
        return fail(Fault::failed, "{} answered QUERY with {}", first->door.endpoint, wire::name_of(first->body));
    const auto merge = [&](const wire::RunState& run) {
        const auto same = std::find_if(status->runs.begin(), status->runs.end(),
                                       [&](const wire::RunState& known) { return known.run == run.run; });
        if (same == status->runs.end()) return status->runs.push_back(run);
        if (same->epoch < run.epoch) *same = run;
    };
    for (const auto& row : status->boards) {
        if (row.member.front_door.empty() || row.member.door() == first->door) continue;
        const auto answer = ask_first({row.member.door()}, wire::Query{}, 500ms);
        const auto* other = answer ? answer->body.as<wire::Status>() : nullptr;
        if (!other) continue;  // it is about to be noticed as lost
        for (const auto& run : other->runs)
            merge(run);
    }
    return std::move(*status);
}

}  // namespace fard::cli
