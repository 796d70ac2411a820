// The one interface to whatever runs a stage: CPU, emulated FPGA, FPGA.
//
//   discover -> fingerprint -> load(overlay) -> submit(chunk) ... complete(chunk) -> unload
//
// submit and complete are separate so that pipelined hardware is kept full: up to depth() chunks may be
// between the two; completions come in the order of submission. One thread uses a device.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "overlays/package/package.hpp"

namespace fard {

struct DeviceInfo {
    std::string id;      // stable over restarts, unique on the board: "cpu0"
    std::string kind;    // "soft", "reference", ...
    int slots = 1;       // overlays that it holds at once
    std::string detail;  // for people: "AVX2, 2 cores"
};

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

class Device {
  public:
    virtual ~Device() = default;
    virtual DeviceInfo info() const = 0;

    // Makes the overlay ready. Errors: unsupported (an operator it does not run), timed_out, corrupt.
    virtual Result<> load(const Package& package, TimePoint deadline) = 0;
    virtual void unload() = 0;

    virtual std::size_t depth() const = 0;

    // Starts one chunk. `inputs` and `outputs` are one buffer per tensor of the manifest, in wire form;
    // `outputs` must stay valid until the chunk is completed, `inputs` until submit returns. Errors: refused
    // (depth reached).
    virtual Result<> submit(std::uint64_t tag, std::span<const Bytes> inputs,
                            std::span<const MutableBytes> outputs) = 0;

    // The tag of the oldest chunk once it is done; waits for it until `deadline`. Errors: timed_out, failed.
    virtual Result<std::uint64_t> complete(TimePoint deadline) = 0;
};

// Every device of this machine, in a fixed order; the CPU ("cpu0") is the last and always there.
// `cpu_slots`: how many overlays the CPU device offers to hold at once.
std::vector<DeviceInfo> discover_devices(int cpu_slots);

// Opens a device of a kind from discover_devices, or "reference" (the interpreter, slow). Errors: not_found.
Result<std::unique_ptr<Device>> open_device(const std::string& kind, const std::string& id, int threads = 1);

}  // namespace fard
