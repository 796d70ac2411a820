// The one interface to whatever runs a stage: CPU, emulated FPGA, FPGA.
//
//   find_devices -> open_device -> load(overlay) .. loaded() -> submit(chunk) .. complete() -> unload
//
// Nothing here waits. load() begins, loaded() says whether it is over; submit() begins, complete() hands out what is done,
// in the order of submission; ready_fd() is readable when loaded() or complete() may have something new to say. Up to
// depth() chunks may be between submit() and complete(), so that pipelined hardware is kept full. One thread uses a device.
#pragma once

#include <memory>
#include <optional>
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
    std::string part = {};     // of an FPGA, emulated or not: "xc7z020clg484-1"
    std::string profile = {};  // the board profile that says what it has: "zedboard"
};

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

// What a device has done since it was opened.
struct DeviceCounts {
    std::uint64_t reloads = 0;  // overlays that it had to load because it did not hold them
    std::uint64_t late = 0;     // chunks that came after their deadline (emulated devices)
};

class Device {
  public:
    virtual ~Device() = default;
    virtual DeviceInfo info() const = 0;

    // Begins to make the overlay ready; by `deadline` it is, or has failed. A second load takes the place of the first, and
    // brings a device that was stuck back to life. Errors, here or from loaded(): unsupported (an operator that it does not
    // run), refused (it is for another part, or does not fit: what, and by how much), not_found, corrupt, timed_out (in which step), io.
    virtual Result<> load(const Package& package, TimePoint deadline) = 0;
    virtual Result<bool> loaded() = 0;
    virtual std::string waits_for() const { return {}; }  // while loading, for people: "the fabric: 180 ms of 230"
    virtual void unload() = 0;

    // Several jobs that take turns at a slot: what can be made ready for a load() to come without touching the slot; and what
    // of the slot this job has is given up, between complete() of its last chunk and its next load(), while others load. The slot
    // keeps what it holds.
    virtual Result<> prepare(const Package&) { return {}; }
    virtual void let_go() {}

    virtual std::size_t depth() const = 0;

    // Starts one chunk, which is to be done by `deadline`. `inputs` and `outputs` are one buffer per tensor of the
    // manifest, in wire form; `outputs` must stay valid until the chunk is completed or the device is loaded anew, `inputs`
    // until submit returns. Errors: refused (nothing is loaded, or depth() is reached), corrupt (buffers of other sizes), timed_out and io (the
    // device is stuck).
    virtual Result<> submit(std::uint64_t tag, std::span<const Bytes> inputs, std::span<const MutableBytes> outputs,
                            TimePoint deadline) = 0;

    // Of an emulated board, whose times are reckoned from each other and not from when somebody got round to it: when the chunk that
    // is submitted next was there, and when the one that was completed last was due. The epoch of the clock: now. And since when its
    // user takes results again, after a while in which it had no room for them: none of them is late by what they waited for it.
    virtual void came_at(TimePoint) {}
    virtual TimePoint due_at() const { return {}; }
    virtual void taken_from(TimePoint) {}
    virtual Duration tolerance() const { return std::chrono::milliseconds(2); }  // what comes later than that after it was due is late

    // The tag of the oldest chunk if it is done. Errors: refused (there is none), timed_out (its deadline has passed: the
    // device is stuck, and all its chunks are lost), failed.
    virtual Result<std::optional<std::uint64_t>> complete() = 0;

    // What to wait for now; it may be another one after each call. -1: nothing, complete() computes on the caller's thread.
    virtual int ready_fd() const = 0;

    virtual DeviceCounts counts() const { return {}; }
};

// One slot of a device, as its user has it.
struct DeviceAccess {
    std::string kind, id;
    int threads = 1;         // that compute a chunk together, on a CPU
    std::uint32_t slot = 0;  // which of the device's
    int fd = -1;             // what the node manager gives with this device; stays the caller's, -1: nothing
};

// Opens a device of a kind that find_devices lists, or "reference" (the interpreter, slow). Errors: not_found.
Result<std::unique_ptr<Device>> open_device(const DeviceAccess& access);

// ---- for those who have nothing else to do

// Until the device may have news, a signal comes, or the deadline; at once where there is nothing to wait for.
void wait_for_news(const Device& device, TimePoint deadline);
// Waits until the load that was begun is over. Errors: timed_out, and those of loaded().
Result<> await_loaded(Device& device, TimePoint deadline);
// load() and that.
Result<> load_now(Device& device, const Package& package, TimePoint deadline);
// Waits for the oldest chunk. Errors: timed_out, and those of complete().
Result<std::uint64_t> await_chunk(Device& device, TimePoint deadline);

}  // namespace fard
