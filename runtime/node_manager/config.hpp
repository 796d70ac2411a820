// What a node manager is told: a TOML file, and options that go before it. docs/fardd.md lists the keys; a
// test holds it against the table in config_keys.cpp.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/process.hpp"
#include "base/result.hpp"
#include "overlays/emulated/faults.hpp"
#include "overlays/zynq/fabric_setup.hpp"
#include "runtime/peer/resolver.hpp"

namespace fard {

struct Config {
    std::string cluster = "default";  // id: peers of another one are refused
    std::string name;                 // of the board; the host's name
    std::filesystem::path state_dir;    // what outlives the process: packages; mode 0700, one node manager's alone
    std::filesystem::path runtime_dir;  // sockets; the same
    Endpoint front_door;                // to bind
    Endpoint publisher;
    Endpoint heartbeat;
    std::string advertise;              // the address that others use for this board, "" for the front door's
    PortRange ports;                    // of everything but the front door
    std::vector<WrittenAddress> seeds;  // front doors of members
    bool beacon = false;
    bool insecure = false;
    std::filesystem::path keys;  // a directory of `fard init` or `fard join`; "" for none
    std::vector<std::filesystem::path> jobs_dirs;
    std::string link_transport;  // "ipc" or "tcp"
    std::string link_address;    // where tcp links are bound, as a link's place has it; "" with ipc
    std::vector<std::string> labels;  // what positions may ask for besides the name
    std::uint64_t store_limit = 0;  // bytes of all overlay packages; 0: half of what the disk has for them
    std::vector<std::string> package_signers;  // public keys; none: packages need no signature
    int slots = 2;               // of the CPU device
    std::string profile;         // the board profile that this board emulates, "" for none
    int fabric_slots = 0;               // of the emulated fabric; 0: as the profile says
    std::vector<EmulatedFault> faults;  // of that
    bool own_fabric = true;             // runs get the board's own FPGA, where it has one
    zynq::FabricSetup fabric;           // of that; part "": as the device tree says
    std::filesystem::path helper_socket;   // where that one's helper listens; "": a child
    std::filesystem::path helper_program;  // of the child; "": there is none
    std::string user;                   // whose rights the process keeps, "" for its own
    int parked_jobs = 8;         // job programs kept loaded, at most
    int run_memory = 0;          // MiB that the chunks of all runs coordinated here may take; a quarter of what there is
    std::string log_level = "info";
    bool die_with_parent = false;
    std::string tag;    // says nothing to us: for whoever looks at the process list
    int ready_fd = -1;  // gets "ready FRONT_DOOR\n" once, then is closed

    Parent parent;     // of the process, as it was at its start; for die_with_parent
    std::string text;  // not to be run, but to be printed: the help, or the version
};

// Reads the command line (without the program's name) and the file that it names, and fills in what follows
// from the rest. Touches nothing. Errors: invalid_input and not_found, saying which option, or which line of
// the file, and what was meant.
Result<Config> read_config(const std::vector<std::string>& args);

}  // namespace fard
