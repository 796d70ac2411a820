#include "splitter/search/space.hpp"

#include <algorithm>

namespace fard::splitter {
namespace {

bool alike(const Board& a, const Board& b) {
    return same_fabric(a, b) && a.way.bytes_per_s == b.way.bytes_per_s && a.way.latency_s == b.way.latency_s &&
           a.host_s_per_chunk == b.host_s_per_chunk && a.host_s_per_byte == b.host_s_per_byte &&
           a.macs_per_s == b.macs_per_s;
}

void extend(const Space& space, std::size_t kind, Placement& now, std::size_t replicas, std::vector<Placement>& out) {
    if (kind == space.kinds.size()) {
        if (now.replicas > 0) out.push_back(now);
        return;
    }
    extend(space, kind + 1, now, replicas, out);
    if (space.kinds[kind].fabric != now.fabric) return;
    const auto room = std::min(space.kinds[kind].capacity, replicas - now.replicas);
    for (std::size_t n = 1; n <= room; ++n) {
        now.slots[kind] = n;
        now.replicas += n;
        extend(space, kind + 1, now, replicas, out);
        now.replicas -= n;
        now.slots[kind] = 0;
    }
}

// How many placements there are, up to `most` + 1.
std::size_t count(const Space& space, std::size_t most) {
    std::size_t all = 0;
    for (std::size_t fabric = 0; fabric < space.fabrics.size(); ++fabric) {
        std::size_t own = 1;
        for (const auto& kind : space.kinds)
            if (kind.fabric == fabric && own <= most) own *= kind.capacity + 1;
        all += own;
        if (all > most) return most + 1;
    }
    return all;
}

// `replicas` slots from a kind on, at most `each` of a kind; none where there are not so many, or one kind has them all.
std::optional<Placement> in_a_row(const Space& space, std::size_t kind, std::size_t replicas, std::size_t each) {
    Placement row{std::vector<std::size_t>(space.kinds.size()), 0, space.kinds[kind].fabric};
    const auto first = kind;
    for (; kind < space.kinds.size() && row.replicas < replicas; ++kind) {
        if (space.kinds[kind].fabric != row.fabric) continue;
        row.slots[kind] = std::min({space.kinds[kind].capacity, each, replicas - row.replicas});
        row.replicas += row.slots[kind];
    }
    if (row.replicas < replicas || row.slots[first] == replicas) return std::nullopt;
    return row;
}

}  // namespace

// The last tracked kind that is like the board, and at no end of the run either.
std::optional<std::size_t> Space::twin_of(const Cluster& cluster, std::size_t board) const {
    for (std::size_t kind = kinds.size(); kind-- > 0;) {
        const auto other = kinds[kind].boards.front();
        if (!kinds[kind].tracked || cluster.input_at == other || cluster.output_at == other) continue;
        if (cluster.boards[other].slots == cluster.boards[board].slots && alike(cluster.boards[other], cluster.boards[board])) return kind;
    }
    return std::nullopt;
}

Space::Space(const Cluster& cluster) {
    for (std::size_t i = 0; i < cluster.boards.size(); ++i) {
        const auto& board = cluster.boards[i];
        slots += board.slots;
        std::size_t fabric = 0;
        while (fabric < fabrics.size() && !same_fabric(cluster.boards[fabrics[fabric]], board))
            ++fabric;
        if (fabric == fabrics.size()) fabrics.push_back(i);
        const bool at_an_end = cluster.input_at == i || cluster.output_at == i;
        const bool tracked = board.slots > 1 || at_an_end;
        any_tracked |= tracked;
        const auto same = std::ranges::find_if(kinds, [&](const Kind& kind) {
            return !tracked && !kind.tracked && alike(cluster.boards[kind.boards.front()], board);
        });
        const auto place = static_cast<std::size_t>(same - kinds.begin());
        if (same == kinds.end()) {
            const auto twin = tracked && !at_an_end ? twin_of(cluster, i) : std::nullopt;
            kinds.push_back({{}, 0, fabric, tracked, twin});
        }
        kinds[place].boards.push_back(i);
        kinds[place].capacity += board.slots;
        kind_of.push_back(place);
    }
}

std::vector<Placement> placements(const Space& space, std::size_t replicas, std::size_t most, bool& complete) {
    std::vector<Placement> result;
    Placement now;
    now.slots.assign(space.kinds.size(), 0);
    if (replicas == 1 || count(space, most) > most) {
        complete &= replicas == 1;
        for (std::size_t kind = 0; kind < space.kinds.size(); ++kind)
            for (std::size_t n = 1; n <= std::min(replicas, space.kinds[kind].capacity); ++n) {
                result.push_back(now);
                result.back().slots[kind] = result.back().replicas = n;
                result.back().fabric = space.kinds[kind].fabric;
            }
        for (std::size_t n = 2; n <= replicas; ++n)
            for (std::size_t kind = 0; kind < space.kinds.size(); ++kind)
                for (const std::size_t each : {std::size_t{1}, n})
                    if (auto row = in_a_row(space, kind, n, each)) result.push_back(*std::move(row));
        return result;
    }
    for (now.fabric = 0; now.fabric < space.fabrics.size(); ++now.fabric)
        extend(space, 0, now, replicas, result);
    return result;
}

}  // namespace fard::splitter
