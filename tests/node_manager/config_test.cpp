#include "runtime/node_manager/config.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include "runtime/node_manager/config_keys.hpp"
#include "tests/overlays/scratch.hpp"

using namespace fard;

namespace {

std::string write_file(const Scratch& scratch, const std::string& text) {
    const auto file = scratch / "fardd.toml";
    std::ofstream(file) << text;
    return file.string();
}

Config read(const std::vector<std::string>& args) {
    auto config = read_config(args);
    REQUIRE_MESSAGE(config, config.error().message);
    return *config;
}

std::vector<WrittenAddress> seeds(const std::vector<std::string>& texts) {
    std::vector<WrittenAddress> all;
    for (const auto& text : texts)
        all.push_back(WrittenAddress::parse(text).value());
    return all;
}

}  // namespace

TEST_CASE("without anything, a board stands in the user's own directory") {
    ::setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    ::setenv("XDG_STATE_HOME", "/home/x/state", 1);
    const auto config = read({});
    CHECK(config.cluster == "default");
    CHECK_FALSE(config.name.empty());
    CHECK(config.runtime_dir == "/run/user/7/fard");
    CHECK(config.state_dir == "/home/x/state/fard");  // packages are no temporary files
    CHECK(config.store_limit == 0);
    CHECK(config.front_door.text() == "ipc:///run/user/7/fard/node.ipc");
    CHECK(config.publisher.text() == "ipc:///run/user/7/fard/publisher.ipc");
    CHECK(config.heartbeat.text() == "ipc:///run/user/7/fard/heartbeat.ipc");
    CHECK(config.link_transport == "ipc");
    CHECK(config.slots == 2);
    CHECK(config.ready_fd == -1);
    CHECK(config.text.empty());
    ::unsetenv("XDG_RUNTIME_DIR");
    CHECK(read({}).runtime_dir == fmt::format("/tmp/fard-{}", ::getuid()));
    ::unsetenv("XDG_STATE_HOME");
    if (::getuid() == 0) CHECK(read({}).state_dir == "/var/lib/fard");
    CHECK(read({"--state-dir", "/srv/x"}).runtime_dir == "/srv/x");
    CHECK(read({"--state-dir", "/srv/x", "--runtime-dir", "/run/x"}).front_door.text() == "ipc:///run/x/node.ipc");
}

TEST_CASE("with a tcp front door, everything is bound to its address") {
    const auto config = read({"--front-door", "tcp://192.168.2.99:5555", "--state-dir", "/var/lib/fard/"});
    CHECK(config.state_dir == "/var/lib/fard");
    CHECK(config.publisher.text() == "tcp://192.168.2.99:0");
    CHECK(config.heartbeat.text() == "tcp://192.168.2.99:0");
    CHECK(config.link_transport == "tcp");
    CHECK(config.link_address == "192.168.2.99");
    CHECK(read({"--front-door", "tcp://[fe80::1]:5555"}).link_address == "fe80::1");
    CHECK(read({"--link-transport", "tcp"}).link_address == "127.0.0.1");
    CHECK(read({"--front-door", "tcp://0.0.0.0:5555", "--advertise", "10.0.0.7"}).link_address == "0.0.0.0,10.0.0.7");
}

TEST_CASE("all sockets but the front door keep to the ports that a firewall lets through") {
    const auto config = read({"--front-door", "tcp://192.168.2.99:7000", "--ports", "7001-7010"});
    CHECK(config.publisher.text() == "tcp://192.168.2.99:7001");
    CHECK(config.heartbeat.text() == "tcp://192.168.2.99:7002");
    CHECK(config.link_address == "192.168.2.99,,7003-7010");
    CHECK(read({"--front-door", "tcp://0.0.0.0:5555", "--advertise", "10.0.0.7", "--ports", "7001-7010"}).link_address ==
          "0.0.0.0,10.0.0.7,7003-7010");
    for (const auto& [ports, why] : {std::pair{"7001", "'7001' is not a range of ports, as 7001-7100"},
                                     std::pair{"7010-7001", "'7010-7001' is not a range of ports, as 7001-7100"},
                                     std::pair{"0-7001", "'0-7001' is not a range of ports, as 7001-7100"},
                                     std::pair{"7001-70000", "'7001-70000' is not a range of ports, as 7001-7100"},
                                     std::pair{"7001-7003", "7001-7003 are too few"}}) {
        const auto refused = read_config({"--front-door", "tcp://192.168.2.99:7000", "--ports", ports});
        REQUIRE(!refused);
        CHECK_MESSAGE(refused.error().message.find(why) != std::string::npos, refused.error().message);
    }
}

TEST_CASE("every key can be given in the file, and its option goes before it") {
    Scratch scratch;
    const auto file = write_file(scratch, R"(
cluster = "lab"
name = "zedboard-3"
state_dir = "/srv/fard"
front_door = "tcp://10.0.0.3:5555"
publisher = "tcp://10.0.0.3:5556"
heartbeat = "tcp://10.0.0.3:5557"
seeds = ["tcp://10.0.0.1:5555", "tcp://10.0.0.2:5555"]
beacon = true
insecure = true
jobs_dir = ["/opt/jobs", "/opt/more"]
link_transport = "ipc"
runtime_dir = "/run/fard"
store_limit = "3 GiB"
slots = 4
log_level = "debug"
die_with_parent = true
tag = "anything at all"
ready_fd = 5
)");
    const auto config = read({"--config", file});
    CHECK(config.cluster == "lab");
    CHECK(config.name == "zedboard-3");
    CHECK(config.state_dir == "/srv/fard");
    CHECK(config.front_door.text() == "tcp://10.0.0.3:5555");
    CHECK(config.publisher.text() == "tcp://10.0.0.3:5556");
    CHECK(config.heartbeat.text() == "tcp://10.0.0.3:5557");
    CHECK(config.seeds == seeds({"tcp://10.0.0.1:5555", "tcp://10.0.0.2:5555"}));
    CHECK(config.beacon);
    CHECK(config.insecure);
    CHECK(config.jobs_dirs == std::vector<std::filesystem::path>{"/opt/jobs", "/opt/more"});
    CHECK(config.link_transport == "ipc");
    CHECK(config.link_address.empty());
    CHECK(config.runtime_dir == "/run/fard");
    CHECK(config.store_limit == std::uint64_t{3} << 30);
    CHECK(config.slots == 4);
    CHECK(config.log_level == "debug");
    CHECK(config.die_with_parent);
    CHECK(config.tag == "anything at all");
    CHECK(config.ready_fd == 5);

    const auto changed = read({"--config=" + file, "--seed=tcp://10.0.0.9:1", "--jobs-dir", "/a",
                               "--jobs-dir", "/b", "--beacon=false", "--slots", "1", "--name", "other"});
    CHECK(changed.seeds == seeds({"tcp://10.0.0.9:1"}));  // the whole list
    CHECK(changed.jobs_dirs == std::vector<std::filesystem::path>{"/a", "/b"});
    CHECK_FALSE(changed.beacon);
    CHECK(changed.slots == 1);
    CHECK(changed.name == "other");
    CHECK(changed.cluster == "lab");
    CHECK(read({"--front-door", "tcp://10.0.0.1:7000", "--insecure", "--beacon", "--die-with-parent"}).beacon);
}

TEST_CASE("wrong options say which, and what was meant") {
    struct Case {
        std::vector<std::string> args;
        std::string message;
    };
    const Case cases[] = {
        {{"--slotz", "2"}, "there is no option --slotz (did you mean --slots?); see fardd --help"},
        {{"--front_dor=x"}, "there is no option --front_dor (did you mean --front-door?); see fardd --help"},
        {{"--xyzzy"}, "there is no option --xyzzy; see fardd --help"},
        {{"start"}, "fardd takes options alone, and each begins with two dashes; see fardd --help"},
        {{"--slots", "0"}, "--slots: '0' is not a whole number from 1 to 1024"},
        {{"--slots", "2x"}, "--slots: '2x' is not a whole number from 1 to 1024"},
        {{"--slots", "99999999999999999999"},
         "--slots: '99999999999999999999' is not a whole number from 1 to 1024"},
        {{"--name", "a b"}, "--name: 'a b' is not a name (1 to 64 letters, digits, '.', '_' and '-'; neither '-' nor '.' in front)"},
        {{"--name=.."}, "--name: '..' is not a name (1 to 64 letters, digits, '.', '_' and '-'; neither '-' nor '.' in front)"},
        {{"--name=-x"}, "--name: '-x' is not a name (1 to 64 letters, digits, '.', '_' and '-'; neither '-' nor '.' in front)"},
        {{"--store-limit", "0"}, "--store-limit: '0' keeps nothing; give a size above zero, like 4GiB"},
        {{"--cluster", ""}, "--cluster: '' is not a name (1 to 64 letters, digits, '.', '_' and '-'; neither '-' nor '.' in front)"},
        {{"--front-door", "localhost"},
         "--front-door: 'localhost' is not an endpoint (ipc:///DIRECTORY/NAME or tcp://ADDRESS:PORT)"},
        {{"--front-door", "tcp://:1"},
         "--front-door: 'tcp://:1' is not an endpoint (ipc:///DIRECTORY/NAME or tcp://ADDRESS:PORT)"},
        {{"--front-door", "tcp://10.0.0.1:x"},
         "--front-door: 'tcp://10.0.0.1:x' has no port from 0 to 65535 (0: any that is free)"},
        {{"--front-door", "tcp://10.0.0.1:65536"},
         "--front-door: 'tcp://10.0.0.1:65536' has no port from 0 to 65535 (0: any that is free)"},
        {{"--front-door", "tcp://0.0.0.0:5555"},
         "tcp://0.0.0.0:5555 has no address that others can connect to; give the board's own, or say in advertise which "
         "of its addresses others use"},
        {{"--front-door", "tcp://0.0.0.0:5555", "--advertise", "zed1"}, "--advertise: 'zed1' is not an IP address in digits"},
        {{"--front-door", "tcp://0.0.0.0:5555", "--advertise", "0.0.0.0"},
         "--advertise: '0.0.0.0' is an address that others cannot connect to"},
        {{"--front-door", "tcp://eth0:5555"},
         "--front-door: 'tcp://eth0:5555' has no address in digits (an IPv6 one is written in brackets, [::1])"},
        {{"--beacon", "--front-door", "tcp://127.0.0.1:5555"},
         "beacon: it would tell the LAN of tcp://127.0.0.1:5555, which no other machine can reach; give a front_door at "
         "this board's own address, or leave the beacon off"},
        {{"--publisher", "ipc://here"},
         "--publisher: 'ipc://here' does not name an absolute path (ipc:///DIRECTORY/NAME)"},
        {{"--heartbeat", "ipc:///" + std::string(110, 'x')},
         "--heartbeat: 'ipc:///" + std::string(110, 'x') +
             "' is longer than a socket's path can be (107 bytes)"},
        {{"--seed", "tcp://10.0.0.1"},
         "--seed: 'tcp://10.0.0.1' is not a node's address; give HOST:PORT, tcp://HOST:PORT or ipc:///PATH"},
        {{"--link-transport", "udp"}, "--link-transport: 'udp' is not one of ipc, tcp"},
        {{"--log-level", "loud"},
         "--log-level: 'loud' is not one of trace, debug, info, warning, error, critical, off"},
        {{"--beacon=maybe"}, "--beacon: 'maybe' is neither true nor false"},
        {{"--state-dir", "/" + std::string(80, 'd')},
         "state_dir: /" + std::string(80, 'd') + " is too long for sockets to lie in it (at most 70 bytes); give a runtime_dir"},
        {{"--store-limit", "much"},
         "--store-limit: 'much' is not a size (a whole number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, like 4GiB)"},
    };
    for (const auto& wrong : cases) {
        const auto config = read_config(wrong.args);
        REQUIRE_FALSE(config);
        CHECK(config.error().message == wrong.message);
        CHECK(exit_code(config.error().fault) == 2);
    }
    const auto no_value = read_config({"--name"});
    REQUIRE_FALSE(no_value);
    CHECK(no_value.error().message.find("--name") != std::string::npos);
    CHECK_FALSE(read_config({"--name", "a", "--name"}));
}

TEST_CASE("wrong files say which line, and what was meant") {
    struct Case {
        std::string text;
        std::string message;  // after the file's name
    };
    const Case cases[] = {
        {"name = \"a\"\n\nslotts = 3\n", ":3: there is no key 'slotts' (did you mean slots?)"},
        {"[slots]\nn = 3\n", ":1: slots: expected a whole number, not a table"},
        {"slots = \"3\"\n", ":1: slots: expected a whole number, not a string"},
        {"slots = 2.5\n", ":1: slots: expected a whole number, not 2.5"},
        {"\nslots = 0\n", ":2: slots: '0' is not a whole number from 1 to 1024"},
        {"name = 3\n", ":1: name: expected a string, not 3"},
        {"beacon = 1\n", ":1: beacon: expected true or false, not 1"},
        {"seeds = \"tcp://10.0.0.1:1\"\n", ":1: seeds: expected an array of strings, not a string"},
        {"seeds = [1]\n", ":1: seeds: expected an array of strings, not an array with an integer"},
        {"name = zed1\n", ":1: Error while parsing value: could not determine value type; a text stands in quotes, like \"zed1\""},
        {"name = \"zed1\n", ":1: Error while parsing string: unescaped control characters other than TAB (U+0009) are explicitly prohibited; is its closing quote missing?"},
        {"store_limit = 8 MiB\n", ":1: Error while parsing key-value pair: expected a comment or whitespace, saw 'M'; a text stands in quotes, like \"8 MiB\""},
        {"beacon = True\n", ":1: Error while parsing boolean: expected 'true', saw 'T'; it is true or false, in small letters, and a text stands in quotes"},
        {"name: \"zed1\"\n", ":1: Error while parsing key-value pair: expected '=', saw ':'; a line is KEY = VALUE"},
        {"name =\n", ":1: Error while parsing key-value pair: expected value, saw '\\n'; a key needs a value: KEY = VALUE"},
        {"seeds = [\"x\"]\n",
         ":1: seeds: 'x' is not a node's address; give HOST:PORT, tcp://HOST:PORT or ipc:///PATH"},
    };
    Scratch scratch;
    for (const auto& wrong : cases) {
        const auto file = write_file(scratch, wrong.text);
        const auto config = read_config({"--config", file});
        REQUIRE_FALSE(config);
        CHECK(config.error().message == file + wrong.message);
        CHECK(exit_code(config.error().fault) == 2);
    }
    const auto file = write_file(scratch, "name = \"a\"\nslots = = 2\n");
    const auto grammar = read_config({"--config", file});
    REQUIRE_FALSE(grammar);
    CHECK(grammar.error().message.starts_with(file + ":2: "));
    CHECK(grammar.error().fault == Fault::invalid_input);
    const auto missing = read_config({"--config", "/nowhere/fardd.toml"});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().message == "there is no configuration file /nowhere/fardd.toml");
    CHECK(exit_code(missing.error().fault) == 2);
}

TEST_CASE("the board's own FPGA") {
    const auto plain = read({});
    CHECK(plain.own_fabric);
    CHECK(plain.fabric.part.empty());
    CHECK(plain.fabric.roots.sys == "/sys");
    CHECK(plain.fabric.roots.run == "/run/fard");
    CHECK_FALSE(read({"--fabric", "off"}).own_fabric);
    const auto board = read({"--part", "xc7z020clg484-1", "--accept-part", "7z020clg400", "--accept-part", "7z020clg484", "--dma-memory", "udmabuf1",
                             "--fpga-region", "/amba/fpga", "--sys-dir", "/x/sys", "--configfs-dir", "/config", "--firmware-dir",
                             "/lib/firmware/updates", "--dev-dir", "/x/dev", "--fabric-dir", "/x/run", "--board-helper", "/run/helper"});
    CHECK(board.fabric.part == "xc7z020clg484-1");
    CHECK(board.fabric.accepted_parts == std::vector<std::string>{"7z020clg400", "7z020clg484"});
    CHECK(board.fabric.memory == "udmabuf1");
    CHECK(board.fabric.region == "/amba/fpga");
    CHECK(board.fabric.roots.sys == "/x/sys");
    CHECK(board.fabric.roots.configfs == "/config");
    CHECK(board.fabric.roots.firmware == "/lib/firmware/updates");
    CHECK(board.fabric.roots.dev == "/x/dev");
    CHECK(board.fabric.roots.run == "/x/run");
    CHECK(board.helper_socket == "/run/helper");
    for (const auto& [option, value, why] : {std::tuple{"--fabric", "on", "neither auto nor off"}, {"--part", "zedboard", "no name of a Xilinx part"},
                                             {"--part", "xc7a35tcpg236-1", "no Zynq"}, {"--accept-part", "x", "no name of a Xilinx part"},
                                             {"--fpga-region", "fpga", "no path in the device tree"}}) {
        const auto refused = read_config({option, value});
        REQUIRE_FALSE(refused);
        CHECK_MESSAGE(refused.error().message.find(why) != std::string::npos, refused.error().message);
    }
    CHECK(read_config({"--part", "xc7z020clg484-1", "--fabric", "off"}).error().message.find("left alone") != std::string::npos);
    CHECK(read_config({"--user", "nobody-of-that-name"}).has_value() == (::geteuid() != 0));
}

TEST_CASE("help and version are printed, whatever else is there") {
    const auto help = read({"--slots", "0", "--help"}).text;
    for (const auto& key : config_keys())
        CHECK(help.find("--" + key.option()) != std::string::npos);
    CHECK(read({"--version"}).text.starts_with("fardd 0."));
}

TEST_CASE("docs/fardd.md lists every key and no other") {
    const char* root = std::getenv("FARD_SOURCE_ROOT");
    REQUIRE_MESSAGE(root, "FARD_SOURCE_ROOT is not set; run by `meson test`");
    std::ifstream page(std::string(root) + "/docs/fardd.md");
    REQUIRE(page);
    std::vector<std::string> documented, known;
    const std::regex row(R"(^\| `([a-z_]+)` \| `--([a-z-]+)`.*)");
    for (std::string line; std::getline(page, line);) {
        std::smatch found;
        if (std::regex_match(line, found, row)) documented.push_back(found[1].str() + " " + found[2].str());
    }
    for (const auto& key : config_keys())
        known.push_back(key.name + " " + key.option());
    CHECK(documented == known);
}
