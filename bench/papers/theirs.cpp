#include "bench/papers/theirs.hpp"

#include <algorithm>
#include <cmath>

#include "splitter/search/search.hpp"

namespace fard::papers {
namespace {

using namespace planner;
using splitter::Strategy;

// Stages in a row on boards in a row, again from the first where there are more; the client between any two.
struct CentralPipeline {
    Pipeline pipeline;
    Schedule schedule;
    std::size_t messages = 0;
    std::uint64_t bytes = 0;
    double compute_s = 0;
};

CentralPipeline through_client(const Pipeline& direct, std::size_t boards, const Central& central, std::size_t images) {
    CentralPipeline made{direct, {}, 0, 0, 0};
    auto& places = made.pipeline.places;
    places.erase(places.begin() + static_cast<std::ptrdiff_t>(boards), places.end() - 1);
    places.back().host_s_per_chunk = central.client_s_per_message;
    // FINN's driver copies bytes as they are; what lies between two stages has fewer bits, and is unpacked and packed: the same client,
    // which does one thing at a time, as a place of its own.
    auto packing = places.back();
    packing.host_s_per_byte = central.client_s_per_byte;
    places.insert(places.end() - 1, packing);
    made.pipeline.client_places = 2;
    made.pipeline.input_at = made.pipeline.output_at = boards + 1;
    made.pipeline.positions.clear();
    auto& schedule = made.schedule;
    schedule.batch = schedule.window = images;
    for (const auto& place : places)
        schedule.boards.push_back(place.name);
    std::vector<Turns> turns;
    for (std::size_t board = 0; board < boards; ++board)
        turns.push_back({{board, 0}, {}});
    for (std::size_t i = 0; i < direct.positions.size(); ++i) {
        if (i > 0) {  // back to the client, which unpacks and packs it, and sends it on when the next board is ready
            made.pipeline.positions.push_back({.name = "client", .on = Position::On::relay, .bytes_in = direct.positions[i].bytes_in});
            made.bytes += 2 * direct.positions[i].bytes_in;
            schedule.positions.push_back({{{boards, i}}, images, Staging::here});
        }
        turns[i % boards].order.push_back(schedule.positions.size());
        made.pipeline.positions.push_back(direct.positions[i]);
        schedule.positions.push_back({{{i % boards, 0}}, images, Staging::here});
        made.compute_s += direct.positions[i].latency_s;
        made.messages += 2;
    }
    for (auto& slot : turns)
        if (slot.order.size() > 1) schedule.turns.push_back(std::move(slot));
    return made;
}

Result<CentralRun> run_central(const Pipeline& direct, std::size_t boards, const Central& central, std::size_t images, bool loaded) {
    const auto made = through_client(direct, boards, central, images);
    Run run{.chunks = images};
    run.one_request = run.together = true;
    if (loaded)
        for (std::size_t board = 0; board < boards; ++board)
            run.loaded.push_back({made.schedule.turns.empty() ? std::optional(board * 2) : std::nullopt});
    const auto done = simulate(made.pipeline, made.schedule, run);
    if (!done) return fail(done.error());
    CentralRun result{done->wall_s(), 0, made.compute_s, direct.positions.size(), made.messages, made.bytes};
    if (!loaded) result.load_s = done->busy[0].reload;
    return result;
}

// As `plan` says, with the costs that it has there.
Result<Pipeline> planned(const splitter::Network& network, const splitter::Cluster& cluster, const splitter::Request& request) {
    const auto found = splitter::search(network, cluster, request);
    if (!found) return fail(found.error());
    return pipeline_of(network, cluster, found->plan, found->cost.stages);
}

Result<Pipeline> greedy_mobilenet(const Setting& setting) {
    const auto cluster = boards(setting, "zedboard", 6, 1);
    if (!cluster) return fail(cluster.error());
    auto folded = network(setting, "mobilenet_v1_w4a4", *cluster, image_bytes, "ZCU102_folding_config.json");
    if (!folded) return fail(folded.error());
    return planned(in_whole_bytes(std::move(*folded), 2), *cluster, {Strategy::occupancy, {}});
}

Result<Pipeline> cut_cnv(const Setting& setting, const std::string& profile, bool whole_bytes = false) {
    const auto cluster = boards(setting, profile, 2, 1);
    if (!cluster) return fail(cluster.error());
    auto folded = network(setting, "cnv_w2a2", *cluster, cifar_bytes, "cnv-w2a2_folding_config.json");
    if (!folded) return fail(folded.error());
    if (whole_bytes) *folded = in_whole_bytes(std::move(*folded), 4);
    return planned(*folded, *cluster, {Strategy::traffic, 2});
}

Schedule in_a_row(const Pipeline& pipeline, std::size_t window) {
    Schedule schedule;
    schedule.window = window;
    for (std::size_t i = 0; i + 1 < pipeline.places.size(); ++i)
        schedule.boards.push_back(pipeline.places[i].name);
    for (std::size_t i = 0; i < pipeline.positions.size(); ++i)
        schedule.positions.push_back({{{i, 0}}, 8, Staging::next});
    return schedule;
}

Run all_loaded(const Schedule& schedule, std::size_t images) {
    Run run{.chunks = images};
    run.loaded.assign(schedule.boards.size(), std::vector<std::optional<planner::Held>>(8));
    for (std::size_t i = 0; i < schedule.positions.size(); ++i)
        for (const auto& seat : schedule.positions[i].seats)
            run.loaded[seat.board][seat.slot] = i;
    return run;
}

// FARD's API takes all images in one request, from which the first board's node manager fills its job's queue, and the last job's output
// queue is sent back as a whole. Between the two each chunk passes through node manager and job of each board: a message before and one
// behind the fabric, sent and received by the same processor.
Result<double> fard_wall(const Pipeline& cut, double message_s, std::size_t images) {
    auto pipeline = cut;
    pipeline.input_at = 0;
    pipeline.output_at = 1;
    for (std::size_t i = 0; i < 2; ++i) {
        pipeline.places[i].host_s_per_chunk += message_s;
        pipeline.places[i].slots = 3;
    }
    const auto each = pipeline.places[0].host_s_per_chunk;
    pipeline.positions.clear();
    Schedule schedule = in_a_row(cut, images);
    schedule.positions.clear();
    for (std::size_t i = 0; i < 2; ++i)
        for (const std::size_t step : {0, 1, 2}) {
            Position position = cut.positions[i];
            if (step != 1) {
                position.on = Position::On::processor;
                position.interval_s = position.latency_s = 2 * each;
            }
            position.bytes_in = step == 2 ? cut.bytes_into(i + 1) : cut.positions[i].bytes_in;
            pipeline.positions.push_back(position);
            schedule.positions.push_back({{{i, step}}, images, Staging::next});
        }
    const auto done = simulate(pipeline, schedule, all_loaded(schedule, images));
    if (!done) return fail(done.error());
    const auto &client = pipeline.places.back(), &first = pipeline.places[0], &last = pipeline.places[1];
    return hop_s(client, first, images * cut.bytes_into(0)) + done->wall_s() + hop_s(last, client, images * cut.bytes_out);
}

// Two boards with the convolutions feed a third.
Result<double> bnnsplit(const Pipeline& cut, double message_s) {
    auto pipeline = cut;
    auto third = pipeline.places[1];
    third.name = "pynq-z1-2";
    pipeline.places.insert(pipeline.places.begin() + 2, third);
    pipeline.input_at = pipeline.output_at = 3;
    for (std::size_t i = 0; i < 3; ++i)
        pipeline.places[i].host_s_per_chunk += message_s;
    Schedule schedule = in_a_row(pipeline, 64);
    schedule.positions[0].seats = {{0, 0}, {1, 0}};
    schedule.positions[1].seats = {{2, 0}};
    const auto done = simulate(pipeline, schedule, all_loaded(schedule, 1'000));
    if (!done) return fail(done.error());
    return *done->steady_per_s();
}

// What a golden-section search finds least; `f` has one least value between the two.
template <typename F>
double least_of(double low, double high, F f) {
    const double ratio = (std::sqrt(5.0) - 1) / 2;
    for (int i = 0; i < 60; ++i) {
        const auto left = high - ratio * (high - low), right = low + ratio * (high - low);
        (f(left) < f(right) ? high : low) = f(left) < f(right) ? right : left;
    }
    return (low + high) / 2;
}

}  // namespace

Result<CentralRun> central_mobilenet(const Setting& setting, const Central& central, std::size_t images) {
    const auto direct = greedy_mobilenet(setting);
    if (!direct) return fail(direct.error());
    return run_central(*direct, 3, central, images, false);
}

Result<CentralRun> central_cnv(const Setting& setting, const Central& central, std::size_t images) {
    const auto direct = cut_cnv(setting, "zedboard", true);
    if (!direct) return fail(direct.error());
    return run_central(*direct, 2, central, images, true);
}

Result<Central> fit_central(const Setting& setting, double mobilenet_s, double cnv_s) {
    const auto mobilenet = central_mobilenet(setting, {}, 1), cnv = central_cnv(setting, {}, 1);
    if (!mobilenet) return fail(mobilenet.error());
    if (!cnv) return fail(cnv.error());
    // Nothing overlaps, so each figure is a sum: what the boards take, messages and bytes.
    const double a1 = static_cast<double>(mobilenet->messages), b1 = static_cast<double>(mobilenet->bytes);
    const double a2 = static_cast<double>(cnv->messages), b2 = static_cast<double>(cnv->bytes);
    const double c1 = mobilenet_s - (mobilenet->wall_s - mobilenet->load_s), c2 = cnv_s - cnv->wall_s;
    const double determinant = a1 * b2 - a2 * b1;
    const Central fit{(c1 * b2 - c2 * b1) / determinant, (a1 * c2 - a2 * c1) / determinant};
    if (!(fit.client_s_per_message >= 0) || !(fit.client_s_per_byte >= 0))
        return fail(Fault::failed, "their client would take {:.3g} ms for each message and {:.3g} ns for each byte", fit.client_s_per_message * 1e3,
                    fit.client_s_per_byte * 1e9);
    return fit;
}

Result<double> fard_wall_s(const Setting& setting, double message_s, std::size_t images) {
    const auto cut = cut_cnv(setting, "pynq-z1");
    if (!cut) return fail(cut.error());
    return fard_wall(*cut, message_s, images);
}

Result<double> bnnsplit_per_s(const Setting& setting, double message_s) {
    const auto cut = cut_cnv(setting, "pynq-z1");
    if (!cut) return fail(cut.error());
    return bnnsplit(*cut, message_s);
}

Result<double> fit_python(const Setting& setting, double fard_s, double bnnsplit_published) {
    const auto cut = cut_cnv(setting, "pynq-z1");
    if (!cut) return fail(cut.error());
    if (const auto tried = fard_wall(*cut, 0, 20); !tried) return fail(tried.error());
    return least_of(0, 2e-3, [&](double message_s) {
        const auto one = *fard_wall(*cut, message_s, 20) / fard_s, other = bnnsplit_published / *bnnsplit(*cut, message_s);
        return std::max(std::abs(one - 1), std::abs(other - 1));
    });
}

Result<Resident> resident_mobilenet(const Setting& setting) {
    auto direct = greedy_mobilenet(setting);
    if (!direct) return fail(direct.error());
    direct->input_at = 0;
    const auto schedule = in_a_row(*direct, 32);
    const auto done = simulate(*direct, schedule, all_loaded(schedule, 400));
    if (!done) return fail(done.error());
    return Resident{*done->steady_per_s(), energy_j(*direct, *done).value_or(0) / done->wall_s()};
}

Result<Squeezed> six_fpgas(const Setting& setting) {
    const auto cluster = boards(setting, "zcu102", 6, 0);
    if (!cluster) return fail(cluster.error());
    Pipeline pipeline = pipeline_of({"squeezenet", {}, {{0, 154'587}, {1, 1'000}}, {}}, *cluster, {}, {});
    for (auto& place : pipeline.places)  // transceivers join fabric to fabric: no processor carries anything
        place.host_s_per_chunk = place.host_s_per_byte = 0;
    for (std::size_t i = 0; i < 6; ++i)
        pipeline.positions.push_back({.name = fmt::format("kernel{}", i), .interval_s = 3.9e-3, .latency_s = 3.9e-3,
                                      .bytes_in = i == 0 ? 154'587u : 49'000u});
    pipeline.bytes_out = 1'000;
    const auto schedule = in_a_row(pipeline, 32);
    const auto many = simulate(pipeline, schedule, all_loaded(schedule, 400));
    if (!many) return fail(many.error());
    const auto one = simulate(pipeline, schedule, all_loaded(schedule, 1));
    return Squeezed{*many->steady_per_s(), one->wall_s()};
}

}  // namespace fard::papers
