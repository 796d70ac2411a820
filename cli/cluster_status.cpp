#include "cli/cluster_status.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "cli/console.hpp"
#include "client/client_identity.hpp"
#include "client/locate.hpp"
#include "runtime/peer/codec.hpp"

namespace fard::cli {

using namespace std::chrono_literals;

namespace {
constexpr Duration answer_limit = 1s;
}  // namespace

Result<std::vector<Address>> find_cluster(const std::string& node) {
    auto found = locate(locate_options(node));
    if (!found) return fail(found.error());
    if (!found->note.empty()) note(found->note);
    if (found->doors.empty())
        return fail(Fault::unreachable,
                    "no cluster is up; `fard up` starts one, --node or FARD_NODE names a node, `fard join` gets into one "
                    "that has keys");
    return std::move(found->doors);
}

bool has_ended(const wire::RunState& run) {
    return run.phase == "done" || run.phase == "failed" || run.phase == "cancelled" || run.phase == "lost";
}

Result<RunId> find_run(const wire::Status& status, const std::string& digits, bool ended_too) {
    constexpr std::size_t run_digits = 32;
    if (digits.empty() || digits.size() > run_digits ||
        digits.find_first_not_of("0123456789abcdef") != std::string::npos)
        return fail(Fault::invalid_input, "'{}' is not a run's id; `fard status` lists the runs", digits);
    std::vector<RunId> found;
    for (const auto& run : status.runs)
        if (run.run.hex.starts_with(digits) && (ended_too || !has_ended(run))) found.push_back(run.run);
    if (found.size() == 1) return found.front();
    if (found.empty())
        return fail(Fault::not_found, "no run {} is under way; `fard status` lists the runs", digits);
    return fail(Fault::invalid_input, "{} runs begin with {}; give more digits", found.size(), digits);
}

std::vector<std::string> shared_keys(const wire::Status& status) {
    std::map<PublicKey, std::vector<std::string>> boards;
    for (const auto& row : status.boards)
        if (!row.member.key.empty())
            boards[row.member.key].push_back(fmt::format("{} ({})", row.member.name, row.member.front_door));
    std::vector<std::string> texts;
    for (const auto& [key, holders] : boards)
        if (holders.size() > 1)
            texts.push_back(fmt::format("{} have the same key {}: a key directory was copied", fmt::join(holders, " and "), key.brief()));
    return texts;
}

Result<wire::Status> cluster_status(const std::vector<Address>& doors) {
    auto first = ask_first(doors, wire::Query{}, answer_limit);
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
    std::vector<Address> others;
    for (const auto& row : status->boards)
        if (!row.member.front_door.empty() && row.member.door() != first->door)
            others.push_back(row.member.door());
    for (const auto& answer : ask_all(others, wire::Query{}, 500ms)) {
        const auto* other = answer ? answer->as<wire::Status>() : nullptr;
        if (!other) continue;  // it is about to be noticed as lost
        for (const auto& run : other->runs)
            merge(run);
    }
    std::vector<Address> living{first->door};
    for (const auto& row : status->boards)
        if (!row.member.key.empty() && row.member.door() != first->door) living.push_back(row.member.door());
    if (!first->door.key.empty()) remember_nodes(key_directory(), living);
    std::ranges::sort(status->boards, {}, [](const wire::BoardRow& row) {
        return std::pair{row.member.name, row.member.front_door};
    });
    std::ranges::sort(status->runs, {}, [](const wire::RunState& run) { return run.age_ms; });
    return std::move(*status);
}

}  // namespace fard::cli
