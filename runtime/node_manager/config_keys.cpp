#include "runtime/node_manager/config_keys.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/printable.hpp"
#include "base/size.hpp"
#include "overlays/bitstream/part.hpp"
#include "overlays/package/signature.hpp"

namespace fard {

namespace {

using Kind = ConfigKey::Kind;

Result<> set_name(std::string& into, const std::string& value) {
    if (!is_short_name(value))
        return fail(Fault::invalid_input, "'{}' is not a name (1 to 64 letters, digits, '.', '_' and '-'; neither '-' nor '.' in front)",
                    value);
    into = value;
    return {};
}

std::function<Result<>(Config&, const std::string&)> endpoint(Endpoint Config::*member) {
    return [member](Config& config, const std::string& value) -> Result<> {
        auto parsed = Endpoint::parse(value);
        if (!parsed) return fail(parsed.error());
        config.*member = std::move(*parsed);
        return {};
    };
}

std::function<Result<>(Config&, const std::string&)> one_of(std::string Config::*member,
                                                            std::vector<std::string> choices) {
    return [member, choices = std::move(choices)](Config& config, const std::string& value) -> Result<> {
        if (std::ranges::find(choices, value) == choices.end())
            return fail(Fault::invalid_input, "'{}' is not one of {}", value, fmt::join(choices, ", "));
        config.*member = value;
        return {};
    };
}

std::function<Result<>(Config&, const std::string&)> number(int Config::*member, int least, int most) {
    return [member, least, most](Config& config, const std::string& value) -> Result<> {
        int parsed = 0;
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
        if (error != std::errc() || end != value.data() + value.size() || parsed < least || parsed > most)
            return fail(Fault::invalid_input, "'{}' is not a whole number from {} to {}", value, least, most);
        config.*member = parsed;
        return {};
    };
}

std::function<Result<>(Config&, const std::string&)> flag(bool Config::*member) {
    return [member](Config& config, const std::string& value) -> Result<> {
        if (value != "true" && value != "false")
            return fail(Fault::invalid_input, "'{}' is neither true nor false", value);
        config.*member = value == "true";
        return {};
    };
}

Result<> set_absolute(std::filesystem::path& into, const std::string& value) {
    if (value.empty()) return fail(Fault::invalid_input, "an empty path");
    std::error_code error;
    into = std::filesystem::absolute(value, error).lexically_normal();
    if (!into.has_filename()) into = into.parent_path();
    if (error) return fail(Fault::invalid_input, "'{}': {}", value, error.message());
    return {};
}

Result<> set_size(std::uint64_t& into, const std::string& value) {
    const auto size = parse_size(value);
    if (!size) return fail(size.error());
    if (*size == 0) return fail(Fault::invalid_input, "'{}' keeps nothing; give a size above zero, like 4GiB", value);
    into = *size;
    return {};
}

Result<> set_ports(Config& config, const std::string& value) {
    constexpr unsigned fewest = 4;  // publisher, heartbeat, and one link
    const auto ports = PortRange::parse(value);
    if (!ports) return fail(ports.error());
    if (ports->count() < fewest)
        return fail(Fault::invalid_input, "{} are too few; everything but the front door takes at least {} ports", value, fewest);
    config.ports = *ports;
    return {};
}

Result<> set_fabric(Config& config, const std::string& value) {
    if (value != "auto" && value != "off") return fail(Fault::invalid_input, "'{}' is neither auto nor off", value);
    config.own_fabric = value == "auto";
    return {};
}

Result<> set_part(Config& config, const std::string& value) {
    const auto part = bitstream::parse_part(value);
    if (!part) return fail(part.error());
    if (part->family == bitstream::Family::other)
        return fail(Fault::invalid_input, "'{}' is no Zynq that fard knows", value);
    config.fabric.part = value;
    return {};
}

// Where the drivers' files of the board's fabric are.
ConfigKey root(const char* name, const char* help, std::filesystem::path zynq::Roots::*member) {
    return {name, Kind::text, "DIR", help,
            [member](Config& config, const std::string& value) { return set_absolute(config.fabric.roots.*member, value); }};
}

std::vector<ConfigKey> make_keys() {
    return {
        {"cluster", Kind::text, "ID", "cluster id; node managers of another one are refused (default)",
         [](Config& config, const std::string& value) { return set_name(config.cluster, value); }},
        {"name", Kind::text, "NAME", "the board's name (the host's name)",
         [](Config& config, const std::string& value) { return set_name(config.name, value); }},
        {"state_dir", Kind::text, "DIR",
         "where overlay packages are kept, mode 0700, on a disk ($XDG_STATE_HOME/fard, else /var/lib/fard of root, "
         "~/.local/state/fard of others)",
         [](Config& config, const std::string& value) { return set_absolute(config.state_dir, value); }},
        {"runtime_dir", Kind::text, "DIR",
         "where sockets are, mode 0700 (state_dir if that is given, else $XDG_RUNTIME_DIR/fard or /tmp/fard-UID)",
         [](Config& config, const std::string& value) { return set_absolute(config.runtime_dir, value); }},
        {"front_door", Kind::text, "ENDPOINT",
         "where clients and joining node managers knock (ipc, node.ipc in state_dir)",
         endpoint(&Config::front_door)},
        {"publisher", Kind::text, "ENDPOINT",
         "where state and commands are published (publisher.ipc in state_dir; with a tcp front door a free "
         "port of "
         "its address)",
         endpoint(&Config::publisher)},
        {"heartbeat", Kind::text, "ENDPOINT",
         "where the heartbeat thread answers (heartbeat.ipc, as publisher)", endpoint(&Config::heartbeat)},
        {"advertise", Kind::text, "ADDRESS",
         "the IP address that others use for this board, where it is not the one that is bound (0.0.0.0, NAT, containers)",
         [](Config& config, const std::string& value) -> Result<> {
             const auto parsed = Endpoint::tcp(value, 1);
             if (!parsed) return fail(parsed.error());
             if (!parsed->is_connectable())
                 return fail(Fault::invalid_input, "'{}' is an address that others cannot connect to", value);
             config.advertise = parsed->address();
             return {};
         }},
        {"ports", Kind::text, "LOW-HIGH",
         "TCP ports for everything but the front door, where a firewall lets only some through: publisher, heartbeat, and two "
         "for each link that comes in (any that are free)",
         set_ports},
        {"seeds", Kind::list, "ENDPOINT", "front doors of node managers to join",
         [](Config& config, const std::string& value) -> Result<> {
             auto seed = WrittenAddress::parse(value);
             if (!seed) return fail(seed.error());
             config.seeds.push_back(std::move(*seed));
             return {};
         }},
        {"beacon", Kind::flag, "", "find node managers of the cluster on the LAN by a UDP beacon (false)",
         flag(&Config::beacon)},
        {"insecure", Kind::flag, "", "bind off loopback without keys (false)", flag(&Config::insecure)},
        {"keys", Kind::text, "DIR", "this board's key and the keys that its cluster knows (none; `fard init` makes it)",
         [](Config& config, const std::string& value) { return set_absolute(config.keys, value); }},
        {"jobs_dir", Kind::list, "DIR", "where job programs are, searched in this order (beside fardd)",
         [](Config& config, const std::string& value) -> Result<> {
             return set_absolute(config.jobs_dirs.emplace_back(), value);
         }},
        {"link_transport", Kind::text, "ipc|tcp", "of the data links that jobs here bind (as the front door)",
         one_of(&Config::link_transport, {"ipc", "tcp"})},
        {"labels", Kind::list, "NAME", "what positions of a pipeline may ask for besides the board's name (none)",
         [](Config& config, const std::string& value) { return set_name(config.labels.emplace_back(), value); }},
        {"store_limit", Kind::text, "SIZE",
         "of all overlay packages that are kept, as 500MB or 4GiB; the least used ones go first (half of what the disk "
         "has for them)",
         [](Config& config, const std::string& value) { return set_size(config.store_limit, value); }},
        {"package_signers", Kind::list, "KEY",
         "public keys of those whose signed packages alone are taken (none: packages need no signature)",
         [](Config& config, const std::string& value) -> Result<> {
             if (!is_signer_key(value))
                 return fail(Fault::invalid_input, "'{}' is no public key (64 lower-case hex digits; `fard overlay new-key` prints one)",
                             value);
             config.package_signers.push_back(value);
             return {};
         }},
        {"slots", Kind::number, "N", "overlays that the CPU holds at once (2)",
         number(&Config::slots, 1, 1024)},
        {"profile", Kind::text, "NAME",
         "the board profile that this board emulates: zedboard, zcu102, ... (none: it is what it is)",
         [](Config& config, const std::string& value) { return set_name(config.profile, value); }},
        {"fabric_slots", Kind::number, "N", "overlays that the emulated fabric holds at once (as the profile says)",
         number(&Config::fabric_slots, 1, 16)},
        {"faults", Kind::list, "KIND@N", "what an emulated board is to do wrong, as dma@5 or freeze@3:500 (none)",
         [](Config& config, const std::string& value) -> Result<> {
             auto fault = parse_fault(value);
             if (!fault) return fail(fault.error());
             config.faults.push_back(*fault);
             return {};
         }},
        {"fabric", Kind::text, "auto|off",
         "the board's own FPGA: for runs, where its part is known and the kernel can program it, or left alone (auto)", set_fabric},
        {"part", Kind::text, "PART",
         "of the board's own FPGA, with its package, as xc7z020clg484-1 (what the device tree says of the board)", set_part},
        {"accept_parts", Kind::list, "PART",
         "other packages of the same die whose bitstreams it may be programmed with, as 7z020clg400 (none)",
         [](Config& config, const std::string& value) -> Result<> {
             const auto part = bitstream::parse_part(value);
             if (!part) return fail(part.error());
             config.fabric.accepted_parts.push_back(value);
             return {};
         }},
        {"dma_memory", Kind::text, "NAME",
         "the u-dma-buf, or the UIO device with reserved memory, that the fabric reads and writes (any u-dma-buf that is large "
         "enough)",
         [](Config& config, const std::string& value) { return set_name(config.fabric.memory, value); }},
        {"fpga_region", Kind::text, "PATH", "the device tree's node that overlays for the fabric belong to (/fpga-full)",
         [](Config& config, const std::string& value) -> Result<> {
             if (!value.starts_with('/')) return fail(Fault::invalid_input, "'{}' is no path in the device tree", value);
             config.fabric.region = value;
             return {};
         }},
        {"board_helper", Kind::text, "SOCKET",
         "where the process listens that has the rights on the board's FPGA (none: fardd starts one)",
         [](Config& config, const std::string& value) { return set_absolute(config.helper_socket, value); }},
        {"user", Kind::text, "NAME",
         "whose rights fardd goes on with when root starts it, and its jobs; it alone is to own state_dir and runtime_dir (its own)",
         [](Config& config, const std::string& value) { return set_name(config.user, value); }},
        root("sys_dir", "the kernel's files on devices and drivers (/sys)", &zynq::Roots::sys),
        root("configfs_dir", "where configfs is mounted (/sys/kernel/config)", &zynq::Roots::configfs),
        root("firmware_dir", "where the kernel looks for bitstreams (/lib/firmware)", &zynq::Roots::firmware),
        root("dev_dir", "device files (/dev)", &zynq::Roots::dev),
        root("fabric_dir", "what the fabric holds, until the next boot, and who has it (/run/fard)", &zynq::Roots::run),
        {"parked_jobs", Kind::number, "N",
         "job programs that are kept loaded, so that their next job starts sooner (8; 0: none)",
         number(&Config::parked_jobs, 0, 64)},
        {"run_memory", Kind::number, "MIB",
         "what the chunks of all runs that it coordinates may take (a quarter of the memory)",
         number(&Config::run_memory, 16, 1 << 20)},
        {"log_level", Kind::text, "LEVEL", "trace, debug, info, warning, error, critical or off (info)",
         one_of(&Config::log_level, {"trace", "debug", "info", "warning", "error", "critical", "off"})},
        {"die_with_parent", Kind::flag, "", "stop in order when the parent process ends (false)",
         flag(&Config::die_with_parent)},
        {"tag", Kind::text, "TEXT", "means nothing to fardd: for whoever reads the process list",
         [](Config& config, const std::string& value) -> Result<> {
             config.tag = value;
             return {};
         }},
        {"ready_fd", Kind::number, "N",
         "a descriptor that gets the line \"ready FRONT_DOOR\" once it is open (none)",
         number(&Config::ready_fd, 1, 1 << 20)},
    };
}

}  // namespace

std::string ConfigKey::option() const {
    static const std::map<std::string, std::string> one_of_many{
        {"seeds", "seed"}, {"labels", "label"}, {"package_signers", "package_signer"}, {"faults", "fault"},
        {"accept_parts", "accept_part"}};
    const auto one = one_of_many.find(name);
    auto text = one == one_of_many.end() ? name : one->second;
    std::ranges::replace(text, '_', '-');
    return text;
}

const std::vector<ConfigKey>& config_keys() {
    static const auto keys = make_keys();
    return keys;
}

const ConfigKey* find_config_key(const std::string& name) {
    const auto found = std::ranges::find(config_keys(), name, &ConfigKey::name);
    return found == config_keys().end() ? nullptr : &*found;
}

std::vector<std::string> config_key_names() {
    std::vector<std::string> names;
    for (const auto& key : config_keys())
        names.push_back(key.name);
    return names;
}

}  // namespace fard
