#include "runtime/node_manager/wiring.hpp"

#include <algorithm>

#include "runtime/peer/codec.hpp"

namespace fard {

Result<> Wiring::take(const PeerId& board, const wire::Body& answer) {
    const auto* spawned = answer.as<wire::Spawned>();
    if (!spawned) return fail(Fault::failed, "answered SPAWN with {}", wire::name_of(answer));
    std::size_t expected = 0;
    for (const auto& job : plan_.jobs()) {
        if (job.board != board) continue;
        ++expected;
        const auto found = std::ranges::find_if(spawned->jobs, [&](const wire::JobBound& bound) {
            return bound.job.position == job.position && bound.job.replica == job.replica;
        });
        if (found == spawned->jobs.end() || found->links.size() != plan_.job_spec(job).senders)
            return fail(Fault::failed, "its SPAWNED lacks the links of position {} replica {}", job.position,
                        job.replica);
        bound_[{job.position, job.replica}] = *found;
    }
    if (expected != spawned->jobs.size())
        return fail(Fault::failed, "its SPAWNED names jobs that it was not asked for");
    return {};
}

wire::Wire Wiring::for_board(const PeerId& board, Epoch epoch, const std::vector<wire::LinkEndpoint>& sinks,
                             const PublicKey& ours) const {
    wire::Wire wire{plan_.submit().run, epoch, {}};
    for (const auto& job : plan_.jobs()) {
        if (job.board != board) continue;
        auto receivers = job.position == plan_.last_position() ? std::vector{sinks[job.replica]}
                                                               : links_into(job.position + 1, job.replica);
        wire.jobs.push_back({bound_.at({job.position, job.replica}).job, std::move(receivers),
                             job.position == 0 ? std::vector{ours} : keys_of(job.position - 1)});
    }
    return wire;
}

std::vector<wire::LinkEndpoint> Wiring::links_into(std::uint32_t position, std::uint32_t sender) const {
    std::vector<wire::LinkEndpoint> links;
    for (std::uint32_t replica = 0; replica < plan_.app().positions[position].jobs(); ++replica)
        links.push_back(bound_.at({position, replica}).links[sender]);
    return links;
}

std::vector<PublicKey> Wiring::keys_of(std::uint32_t position) const {
    std::vector<PublicKey> keys;
    for (std::uint32_t replica = 0; replica < plan_.app().positions[position].jobs(); ++replica)
        keys.push_back(bound_.at({position, replica}).links.front().key);
    return keys;
}

}  // namespace fard
