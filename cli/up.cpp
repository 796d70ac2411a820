// fard up: a local cluster that goes on until `fard down`.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/asio_loop.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/jobs_dirs.hpp"
#include "client/client_identity.hpp"
#include "client/cluster_files.hpp"
#include "client/local_cluster.hpp"
#include "overlays/emulated/board_memory.hpp"

namespace fard::cli {
namespace {

CommandSpec spec() {
    return {"up",
            "start a local cluster, until `fard down`",
            {},
            {{"boards", "N", "how many boards (6)"},
             {"profile", "NAME", "emulate boards of this kind: zedboard, zcu102, ... (none: plain computers)"},
             {"slots", "N", "overlays that each board's CPU, or its emulated fabric, holds at once (2; as its profile says)"},
             {"fault", "KIND@N", "what the first emulated board is to do wrong, as dma@5; may be repeated", true},
             {"jobs-dir", "DIR", "where job programs are, before fard's own; may be repeated", true},
             {"tcp", "", "tcp on loopback instead of ipc sockets"},
             {"json", "", "print where it is as one JSON object"}}};
}

// Before any board starts.
Result<> check_profile(const std::string& name) {
    if (name.empty()) return {};
    const auto directory = find_board_profiles();
    if (!directory) return fail_in("--profile", directory.error());
    const auto profile = load_board_profile(*directory, name);
    if (!profile) return fail_in("--profile", profile.error());
    const auto figures = figures_of(*profile);
    return figures ? Result<>() : fail_in("--profile", figures.error());
}

Result<> up(const Options& options) {
    LocalClusterOptions wanted;
    const auto boards = options.number("boards", 6, 1, 256);
    if (!boards) return fail(boards.error());
    const auto slots = options.number("slots", 0, 1, 64);
    if (!slots) return fail(slots.error());
    wanted.boards = static_cast<std::uint32_t>(*boards);
    wanted.slots = static_cast<std::uint32_t>(*slots);
    wanted.profile = options.text("profile");
    if (auto checked = check_profile(wanted.profile); !checked) return checked;
    wanted.faults = options.texts("fault");
    for (const auto& fault : wanted.faults)
        if (auto parsed = parse_fault(fault); !parsed) return fail_in("--fault", parsed.error());
    if (!wanted.faults.empty() && wanted.profile.empty())
        return fail(Fault::invalid_input, "--fault: only emulated boards have some; give a --profile");
    wanted.tcp = options.given("tcp");
    auto jobs_dirs = read_jobs_dirs(options);
    if (!jobs_dirs) return fail(jobs_dirs.error());
    wanted.jobs_dirs = std::move(*jobs_dirs);
    wanted.detached = true;
    wanted.directory = user_cluster_directory();
    auto fardd = find_fardd();
    if (!fardd) return fail(fardd.error());
    wanted.fardd = std::move(*fardd);

    if (auto room = check_client_room(); !room) return room;
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    ProgressLine progress;
    progress.show(fmt::format("bringing up {} boards", wanted.boards));
    std::optional<Result<std::unique_ptr<LocalCluster>>> cluster;
    LocalCluster::Abort abort;
    bool interrupted = false;  // before there was anything to abort
    loop.on_signals([&](int) {
        interrupted = true;
        if (abort) abort({Fault::cancelled, "interrupted"});
    });
    loop.post([&] {
        abort = LocalCluster::start(loop, sockets, wanted, [&](Result<std::unique_ptr<LocalCluster>> started) {
            cluster = std::move(started);
            loop.stop();
        });
        if (interrupted) abort({Fault::cancelled, "interrupted"});
    });
    loop.run();
    progress.wipe();
    if (!*cluster) return fail(cluster->error());
    const auto& doors = (**cluster)->doors();
    if (options.given("json")) {
        std::vector<std::string> nodes;
        for (const auto& door : doors)
            nodes.push_back(door.text());
        nlohmann::ordered_json json = {{"directory", wanted.directory.string()}, {"nodes", nodes}};
        out("{}\n", json.dump());
        return {};
    }
    out("{} board{} up in {}; `fard down` takes them down\n", doors.size(), doors.size() == 1 ? " is" : "s are",
               wanted.directory.string());
    return {};
}

}  // namespace

Command up_command() {
    return {spec(), up};
}

}  // namespace fard::cli
