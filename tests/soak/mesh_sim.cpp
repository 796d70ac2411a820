// The mesh at full size in virtual time: what a member sends and receives at rest, how soon losses, joins and states are
// known to all, and whether anybody is taken for gone who is not.
//
//   soak-mesh-sim [MEMBERS]...      (64 256 1024 4096; the last takes some 2 GB of memory)
//
// Ports are 100 Mbit/s with queues, the way between two takes 0.2 ms, and each message is charged its headers. Exit code
// 1 if a bar is missed: 20 kB/s at rest and growth no faster than the logarithm of the members, 1 % of them without
// power noticed by all within 5 s, nobody taken for gone falsely.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/peer/mesh_sim.hpp"

namespace {

using namespace fard;
using namespace std::chrono_literals;

struct Row {
    std::size_t members = 0, victims = 0, false_losses = 0;
    SimMesh::Traffic rest;
    double power_s = 0, killed_s = 0, join_s = 0, state_s = 0, queue_ms = 0;
};

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

// -1: not within a minute.
double convergence(SimMesh& mesh) {
    const auto begin = mesh.world().now();
    for (auto at = begin; at < begin + 60s; at += 10ms) {
        mesh.world().run_until(at);
        if (mesh.agreed()) return seconds(mesh.world().now() - begin);
    }
    return -1;
}

Row measure(std::size_t members) {
    SimMesh mesh;
    mesh.begin_with(members);
    Row row{.members = members, .victims = std::max<std::size_t>(1, members / 100)};
    mesh.traffic();
    mesh.world().run_for(10s);
    row.rest = mesh.traffic();
    SimRandom random(members);
    const auto lose = [&](bool power) {
        for (std::size_t gone = 0; gone < row.victims;) {
            const auto victim = random.below(members);
            if (!mesh.lives(victim)) continue;
            power ? mesh.cut_power(victim) : mesh.kill(victim);
            ++gone;
        }
        const auto took = convergence(mesh);
        mesh.world().run_for(3s);
        return took;
    };
    row.power_s = lose(true);
    row.killed_s = lose(false);
    std::size_t living = 0;
    while (!mesh.lives(living)) ++living;
    mesh.join(living);
    row.join_s = convergence(mesh);
    mesh.publish(living, 7);
    row.state_s = convergence(mesh);
    row.false_losses = mesh.false_losses();
    row.queue_ms = seconds(mesh.ports().longest_queue()) * 1e3;
    return row;
}

bool good(const Row& row, const Row& first) {
    const double may_grow = std::log2(static_cast<double>(row.members)) / std::log2(static_cast<double>(first.members));
    const bool lean = row.rest.mean_out < 20e3 && row.rest.mean_in < 20e3;
    const bool slowly = row.rest.mean_out <= first.rest.mean_out * may_grow * 1.02;
    const auto soon = [](double took) { return took >= 0 && took <= 5; };
    return lean && slowly && soon(row.power_s) && soon(row.killed_s) && soon(row.join_s) && soon(row.state_s) &&
           row.false_losses == 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::size_t> sizes{64, 256, 1024, 4096};
    if (argc > 1) {
        sizes.clear();
        for (int i = 1; i < argc; ++i)
            sizes.push_back(std::max(2ul, std::strtoul(argv[i], nullptr, 10)));
    }
    std::printf("%8s %22s %22s %8s %9s %9s %7s %7s %6s %9s\n", "members", "out, kB/s (most)", "in, kB/s (most)", "lost",
                "power, s", "killed, s", "join, s", "state,s", "false", "queue, ms");
    bool all_good = true;
    std::vector<Row> rows;
    for (const auto members : sizes) {
        rows.push_back(measure(members));
        const auto& row = rows.back();
        const bool fine = good(row, rows.front());
        all_good = all_good && fine;
        std::printf("%8zu %14.2f (%5.2f) %14.2f (%5.2f) %8zu %9.2f %9.2f %7.2f %7.2f %6zu %9.2f%s\n", row.members,
                    row.rest.mean_out / 1e3, row.rest.most_out / 1e3, row.rest.mean_in / 1e3, row.rest.most_in / 1e3,
                    row.victims, row.power_s, row.killed_s, row.join_s, row.state_s, row.false_losses, row.queue_ms,
                    fine ? "" : "  MISSED");
        std::fflush(stdout);
    }
    return all_good ? 0 : 1;
}
