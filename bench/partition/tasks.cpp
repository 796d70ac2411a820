#include "bench/partition/tasks.hpp"

#include <algorithm>

#include "model/model.hpp"
#include "overlays/profiles/board_profile.hpp"
#include "splitter/estimates/describe.hpp"
#include "splitter/search/search.hpp"
#include "tests/splitter/random_problems.hpp"

namespace fard::partition {
namespace {

namespace fs = std::filesystem;
using namespace splitter;

struct Real {
    const char *file, *profile;
    std::size_t boards;
};
constexpr Real reals[] = {{"cnv_w2a2", "pynq-z1", 2},         {"cnv_w2a2", "pynq-z1", 4},
                          {"mobilenet_v1_w4a4", "zcu104", 3}, {"mobilenet_v1_w4a4", "zcu102", 4},
                          {"squeezenet_qdq", "zcu102", 6},    {"resnet50_w1a2", "zcu102", 4}};
struct Drawn {
    std::size_t layers, boards;
};
constexpr Drawn drawn[] = {{10, 2}, {20, 3}, {30, 4}, {50, 6}, {100, 8}, {200, 16}, {400, 32}};

// With the foldings of a plan of exactly so many stages, and without what every stage takes beside its layers, which finn-plus does
// not count.
Result<Task> folded(std::string name, Network network, const Cluster& cluster) {
    const auto found = search(network, cluster, {Strategy::throughput, cluster.boards.size()});
    if (!found) return fail_in(name, found.error());
    std::size_t layer = 0;
    for (const auto& stage : found->plan.stages)
        for (const auto chosen : stage.foldings) {
            auto& foldings = network.layers[layer++].foldings;
            foldings = {foldings[chosen]};
        }
    network.stage = {};
    return Task{std::move(name), std::move(network), cluster.boards.front(), cluster.boards.size()};
}

// Cuts that two tensors cross lie in branches, which finn-plus keeps together.
Network outside_branches(const Description& description) {
    auto network = description.network;
    network.cuts.clear();
    for (std::size_t i = 0; i < description.network.cuts.size(); ++i)
        if (description.cut_tensors[i].size() < 2) network.cuts.push_back(description.network.cuts[i]);
    return network;
}

Result<Task> real(const Real& row, const fs::path& source, const fs::path& file) {
    const auto profile = load_board_profile(source / "overlays/boards", row.profile);
    if (!profile) return fail(profile.error());
    const auto cluster = cluster_of(*profile, row.boards, Fractions{});
    if (!cluster) return fail(cluster.error());
    const auto model = model::Model::load(file);
    if (!model) return fail(model.error());
    DescribeSettings settings;
    describe_for(*cluster, settings);
    const auto description = describe(*model, settings);
    if (!description) return fail(description.error());
    return folded(fmt::format("{} on {} {}", row.file, row.boards, row.profile), outside_branches(*description), *cluster);
}

}  // namespace

Result<std::vector<Task>> tasks(const fs::path& source, const fs::path& networks) {
    std::vector<Task> all;
    for (const auto& row : reals) {
        const bool ours = std::string_view(row.file) == "cnv_w2a2";
        const auto file = (ours ? source / "apps/two_stage_bnn" : networks) / (std::string(row.file) + ".onnx");
        if (!fs::exists(file)) continue;
        auto task = real(row, source, file);
        if (!task) return fail(task.error());
        all.push_back(std::move(*task));
    }
    for (const auto& [layers, boards] : drawn) {
        auto [network, cluster] = large_problem(static_cast<std::uint32_t>(layers), layers, boards, 1);
        auto task = folded(fmt::format("{} drawn layers on {} 7Z020", layers, boards), std::move(network), cluster);
        if (!task) return fail(task.error());
        all.push_back(std::move(*task));
    }
    return all;
}

}  // namespace fard::partition
