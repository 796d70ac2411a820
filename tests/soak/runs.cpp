// Short runs, one after the other, on one cluster: what is left behind after N of them, compared with what there was
// after the first ten.
//
//   soak-runs [--runs 500] [--boards 2] [--app APP.toml]
//
// Prints one line every fifty runs (processes, descriptors, socket files, slots in use, memory) and ends with exit code
// 1 if the cluster has a process, a descriptor, a socket file or a lease more than after ten runs. Memory is shown;
// answers are remembered for 60 s (docs/protocol.md), so it levels off once the campaign is that old.
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <cstdlib>

#include "tests/e2e/harness.hpp"

namespace {

using namespace fard::e2e;
using namespace std::chrono_literals;

struct Footprint {
    std::size_t processes = 0, descriptors = 0, sockets = 0, slots_taken = 0, kib = 0;
};

std::size_t slots_taken(const World& world) {
    std::size_t taken = 0;
    const auto status = world.fard({"status", "--json"}).json();
    for (const auto& board : status.at("boards"))
        for (const auto& device : board.at("devices"))
            taken += device.at("slots").get<std::size_t>() - device.at("slots_free").get<std::size_t>();
    return taken;
}

Footprint measure(const World& world) {
    eventually([&] { return world.jobs().empty() && slots_taken(world) == 0; }, 5s);
    Footprint now{.slots_taken = slots_taken(world)};
    const auto managers = world.node_managers();
    now.processes = managers.size() + world.jobs().size() + world.parked().size();
    for (const auto manager : managers) {
        now.descriptors += open_descriptors(manager);
        now.kib += resident_kib(manager);
    }
    for (const auto& entry : fs::recursive_directory_iterator(world.directory()))
        now.sockets += entry.is_socket();
    return now;
}

void show(int runs, const Footprint& now) {
    std::printf("%5d runs: %zu processes, %zu descriptors, %zu socket files, %zu slots taken, %.1f MiB\n", runs,
                now.processes, now.descriptors, now.sockets, now.slots_taken,
                static_cast<double>(now.kib) / 1024);
    std::fflush(stdout);
}

int campaign(int runs, int boards, const std::string& app) {
    World world;
    world.up(boards);
    Footprint first, now;
    for (int i = 1; i <= runs; ++i) {
        const auto outcome = world.fard({"submit", app, "--chunks", "2", "--json"});
        if (outcome.exit_code != 0) {
            std::printf("run %d failed: %s\n", i, outcome.err.c_str());
            return 1;
        }
        if (i != 10 && i % 50 != 0 && i != runs) continue;
        now = measure(world);
        show(i, now);
        if (i == 10) first = now;
    }
    const bool clean = now.processes <= first.processes && now.descriptors <= first.descriptors &&
                       now.sockets <= first.sockets && now.slots_taken == 0;
    std::printf("%s; memory %+.1f MiB since ten runs\n", clean ? "nothing is left" : "SOMETHING IS LEFT",
                (static_cast<double>(now.kib) - static_cast<double>(first.kib)) / 1024);
    return clean ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    namespace po = boost::program_options;
    int runs = 500, boards = 2;
    std::string app;
    po::options_description options("soak-runs");
    options.add_options()("runs", po::value(&runs))("boards", po::value(&boards))("app",
                                                                                   po::value(&app)->required());
    try {
        po::variables_map values;
        po::store(po::parse_command_line(argc, argv, options), values);
        po::notify(values);
    } catch (const po::error& error) {
        std::fprintf(stderr, "soak-runs: %s\n", error.what());
        return 2;
    }
    // This program lies in BUILD/tests/soak/.
    const auto build = fs::read_symlink("/proc/self/exe").parent_path().parent_path().parent_path();
    setenv("FARD_BUILD_ROOT", build.c_str(), 0);
    return campaign(std::max(runs, 10), boards, fs::absolute(app).string());
}
