// A board's devices as its node manager has them: which there are, and what of each outlives the jobs that use it. Knows no
// model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/owned_fd.hpp"
#include "base/result.hpp"
#include "overlays/device/device.hpp"
#include "overlays/emulated/faults.hpp"
#include "overlays/profiles/board_profile.hpp"
#include "overlays/zynq/fabric_setup.hpp"

namespace fard {

// Where the process is that has the rights on the board's own FPGA.
struct HelperPlace {
    Loop* loop = nullptr;           // the node manager's; null: there is no such process, jobs have the rights themselves
    std::filesystem::path program;  // to start
    std::filesystem::path socket;   // where one listens instead; "": none does
};

// What a board is told to have beside what it finds out by itself.
struct BoardSetup {
    int cpu_slots = 2;                      // overlays that the CPU device offers to hold at once
    std::optional<BoardProfile> emulated;   // it is to behave like such a board
    std::vector<EmulatedFault> faults = {};  // of that
    std::optional<zynq::FabricSetup> fabric = {};  // its own FPGA; part "": what can be found out; none: left alone
    HelperPlace helper = {};                                   // of that
    std::function<void(const std::string&)> note = {};  // gets what people should know
};

// What a job may have loaded.
struct JobOverlay {
    std::string id;                   // of the package, "" for none
    std::filesystem::path directory;  // where it is
};

struct PortFigures {  // 0: no limit
    std::uint64_t ps_per_byte = 0, latency_ns = 0;
};

// One device, for as long as the node manager lives. Lives on its loop; nothing waits.
class KeptDevice {
  public:
    virtual ~KeptDevice() = default;
    virtual DeviceInfo info() const = 0;

    // Whether what a job loads stays when the job goes: then placement and people are told what is loaded.
    virtual bool keeps_overlays() const { return false; }

    // What a slot holds now, by package id; "": nothing that can be used. Only for one that keeps overlays.
    virtual std::string holds(std::uint32_t) const { return {}; }

    // What a job gets with the device, as DeviceAccess::fd; none: nothing. Errors: io, and what the helper's way says.
    virtual Result<OwnedFd> for_job(const JobOverlay&) { return OwnedFd(); }

    // What every job of the board gets, whichever device it uses: where an emulated board is charged for its links. -1: there is
    // none. It stays the device's.
    virtual int board_fd() const { return -1; }
    // One direction of that board's network port, for its clients, which count as boards.
    virtual PortFigures port() const { return {}; }
};

using KeptDevices = std::vector<std::unique_ptr<KeptDevice>>;

// Every device of this machine, in a fixed order; the CPU ("cpu0") is the last and always there. The one list of kinds. Errors: invalid_input (a profile that no board can be emulated by), io.
Result<KeptDevices> find_devices(const BoardSetup& setup);

}  // namespace fard
