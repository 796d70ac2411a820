#include "planner/pipeline.hpp"

#include <algorithm>

namespace fard::planner {
namespace {

Place place_of(const splitter::Board& board) {
    Place place{.name = board.name, .way = board.way};
    place.host_s_per_chunk = board.host_s_per_chunk;
    place.host_s_per_byte = board.host_s_per_byte;
    place.slots = board.slots;
    place.reload_s = board.reload_s.value_or(0);
    if (board.power) place.power = Power{board.power->idle, board.power->compute, board.power->network, board.power->reload};
    return place;
}

}  // namespace

std::size_t Pipeline::next_stop(std::size_t from, std::size_t to) const {
    const auto client = places.size() - 1;
    const auto via = coordinator.value_or(to);
    return from != to && (from == client || (to == client && from != via)) ? via : to;
}

Pipeline places_of(const splitter::Cluster& cluster) {
    Pipeline pipeline;
    for (const auto& board : cluster.boards)
        pipeline.places.push_back(place_of(board));
    Place client{.name = "client", .way = cluster.client};
    client.power = Power{};  // whatever it is, it is not of the boards
    pipeline.places.push_back(std::move(client));
    pipeline.input_at = cluster.input_at.value_or(cluster.boards.size());
    pipeline.output_at = cluster.output_at.value_or(cluster.boards.size());
    pipeline.coordinator = cluster.coordinator;
    return pipeline;
}

Pipeline pipeline_of(const splitter::Network& network, const splitter::Cluster& cluster, const splitter::Plan& plan,
                     const std::vector<splitter::StageCost>& costs) {
    auto pipeline = places_of(cluster);
    for (std::size_t i = 0; i < plan.stages.size(); ++i) {
        const auto& stage = plan.stages[i];
        Position position{.name = fmt::format("stage{}", i)};
        position.on = stage.on_processor ? Position::On::processor : Position::On::fabric;
        position.interval_s = costs[i].compute_s;
        position.latency_s = std::max(costs[i].latency_s, costs[i].compute_s);
        position.bytes_in = network.cuts[stage.begin].bytes;
        const auto bytes = network.cuts[stage.end].bytes;  // an even share of them from each part
        position.replicas = stage.replicas();
        for (std::size_t part = 0; stage.parts > 1 && part < stage.parts; ++part)
            position.parts.push_back(bytes * (part + 1) / stage.parts - bytes * part / stage.parts);
        pipeline.positions.push_back(std::move(position));
    }
    pipeline.bytes_out = network.cuts.back().bytes;
    return pipeline;
}

double hop_s(const Place& from, const Place& to, std::uint64_t bytes) {
    return from.way.latency_s + to.way.latency_s + std::max(splitter::wire_s(from.way, bytes), splitter::wire_s(to.way, bytes)) +
           host_s(from, bytes) + host_s(to, bytes);
}

}  // namespace fard::planner
