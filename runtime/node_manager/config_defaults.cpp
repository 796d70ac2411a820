// What follows from what was set.
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include <fmt/format.h>

#include "base/places.hpp"
#include "runtime/node_manager/config_keys.hpp"

namespace fard {

namespace {

namespace fs = std::filesystem;

// A link's socket: RUNTIME_DIR/links/NUMBER/16 hex digits.c, within the 107 bytes that a socket's path may
// have.
constexpr std::size_t longest_runtime_dir = 70;

std::string host_name() {
    std::array<char, 65> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == 0) return "board";
    return name.data();
}

fs::path below_variable(const char* variable, const char* below) {
    const char* dir = std::getenv(variable);
    return dir && *dir == '/' ? fs::path(dir) / below : fs::path();
}

fs::path private_dir(uid_t user) {
    return fmt::format("/tmp/fard-{}", user);
}

fs::path default_runtime_dir() {
    const auto runtime = below_variable("XDG_RUNTIME_DIR", "fard");
    return runtime.empty() ? private_dir(::getuid()) : runtime;
}

// On a disk, where packages do not take memory and outlive a restart.
fs::path default_state_dir() {
    if (const auto state = below_variable("XDG_STATE_HOME", "fard"); !state.empty()) return state;
    if (::getuid() == 0) return "/var/lib/fard";
    return below_variable("HOME", ".local/state/fard");
}

// Where this program is.
fs::path own_dir() {
    std::error_code error;
    return fs::read_symlink("/proc/self/exe", error).parent_path();
}

std::vector<fs::path> default_jobs_dirs() {
    const auto dir = jobs_dir_of(own_dir());
    return dir ? std::vector{*dir} : std::vector<fs::path>{};
}

// Others must have an address that leads here.
Result<> check_advertise(const Config& config) {
    if (!config.advertise.empty() && !config.front_door.is_tcp())
        return fail(Fault::invalid_input, "advertise: {} is a socket of this machine; give a tcp front_door as well",
                    config.front_door);
    for (const auto* endpoint : {&config.front_door, &config.publisher, &config.heartbeat})
        if (endpoint->is_wildcard() && config.advertise.empty())
            return fail(Fault::invalid_input,
                        "{} has no address that others can connect to; give the board's own, or say in advertise which "
                        "of its addresses others use",
                        *endpoint);
    return {};
}

// In MiB; enough for a run of default size on any board.
int quarter_of_memory() {
    const auto pages = ::sysconf(_SC_PHYS_PAGES), bytes = ::sysconf(_SC_PAGESIZE);
    const auto mib = pages > 0 && bytes > 0 ? std::int64_t{pages} * bytes / 4 / (1 << 20) : 0;
    return static_cast<int>(std::clamp<std::int64_t>(mib, 64, 1 << 20));
}

// Root's own places are of no use to the user that it goes on as.
Result<> take_places_of_user(Config& config) {
    if (config.user.empty() || ::geteuid() != 0) return {};
    const auto* user = ::getpwnam(config.user.c_str());
    if (!user) return fail(Fault::invalid_input, "user: there is no user '{}'", config.user);
    if (config.runtime_dir.empty() && config.state_dir.empty()) config.runtime_dir = private_dir(user->pw_uid);
    if (config.state_dir.empty()) config.state_dir = "/var/lib/fard";
    return {};
}

}  // namespace

Result<> complete_config(Config& config) {
    if (config.name.empty()) config.name = host_name();
    if (auto taken = take_places_of_user(config); !taken) return taken;
    if (config.runtime_dir.empty())
        config.runtime_dir = config.state_dir.empty() ? default_runtime_dir() : config.state_dir;
    if (config.state_dir.empty()) config.state_dir = default_state_dir();
    if (config.state_dir.empty()) config.state_dir = config.runtime_dir;  // a user without a home
    if (config.runtime_dir.string().size() > longest_runtime_dir)
        return fail(Fault::invalid_input,
                    "{}: {} is too long for sockets to lie in it (at most {} bytes); give a runtime_dir",
                    config.runtime_dir == config.state_dir ? "state_dir" : "runtime_dir",
                    config.runtime_dir.string(), longest_runtime_dir);
    const auto in_runtime = [&](const char* name) { return Endpoint::ipc((config.runtime_dir / name).string()).value(); };
    if (config.front_door.empty()) config.front_door = in_runtime("node.ipc");
    const auto host = config.front_door.address();
    if (auto checked = check_advertise(config); !checked) return checked;
    auto next_port = config.ports.first;
    const auto beside = [&](const char* name) {
        return host.empty() ? in_runtime(name) : Endpoint::tcp(host, next_port == 0 ? next_port : next_port++).value();
    };
    if (config.publisher.empty()) config.publisher = beside("publisher.ipc");
    if (config.heartbeat.empty()) config.heartbeat = beside("heartbeat.ipc");
    if (!config.keys.empty() && config.insecure)
        return fail(Fault::invalid_input, "insecure: there are keys; leave out the one or the other");
    if (!config.keys.empty() && config.beacon)
        return fail(Fault::invalid_input,
                    "beacon: it would tell everybody on the LAN of a cluster that has keys; list seeds instead");
    if (config.beacon && config.advertise.empty() && config.front_door.is_on_this_machine())
        return fail(Fault::invalid_input,
                    "beacon: it would tell the LAN of {}, which no other machine can reach; give a front_door at this "
                    "board's own address, or leave the beacon off",
                    config.front_door);
    if (!config.faults.empty() && config.profile.empty())
        return fail(Fault::invalid_input, "faults: only an emulated board has some; give the profile that it emulates");
    if (!config.fabric.part.empty() && !config.own_fabric)
        return fail(Fault::invalid_input, "part: the fabric is to be left alone (fabric = \"off\"); leave out the one or the other");
    if (config.link_transport.empty()) config.link_transport = host.empty() ? "ipc" : "tcp";
    if (config.link_transport == "tcp") config.link_address = host.empty() ? "127.0.0.1" : host;
    if (config.run_memory == 0) config.run_memory = quarter_of_memory();
    const bool ranged = next_port != 0;
    if (!config.link_address.empty() && (!config.advertise.empty() || ranged)) config.link_address += "," + config.advertise;
    if (!config.link_address.empty() && ranged) config.link_address += fmt::format(",{}-{}", next_port, config.ports.last);
    if (config.jobs_dirs.empty()) config.jobs_dirs = default_jobs_dirs();
    config.helper_program = board_helper_of(own_dir()).value_or(fs::path());
    return {};
}

}  // namespace fard
