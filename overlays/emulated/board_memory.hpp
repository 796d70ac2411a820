// What the devices, jobs and links of one emulated board share: its clock, and what its fabric holds. A piece of memory
// that the node manager keeps, and hands to its jobs as a descriptor: it outlives them, as a fabric does.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/owned_fd.hpp"
#include "base/result.hpp"
#include "overlays/emulated/faults.hpp"
#include "overlays/profiles/board_profile.hpp"

namespace fard {

// The board as its profile has it, in the units that are computed with. Set once.
struct BoardFigures {
    std::uint64_t place = 0;  // which board this memory is; two pieces of memory never have the same
    std::array<char, 64> part{};
    std::array<char, 96> title{};
    std::array<std::int64_t, 5> resources{};  // lut, ff, bram18, uram, dsp of one slot
    std::uint32_t slots = 1;
    std::int64_t host_ns_per_chunk = 0;  // what one end of a link costs the processor
    double host_ns_per_byte = 0;
    double way_ns_per_byte = 0;  // of payload on the wire; 0: a way without a limit
    std::int64_t way_latency_ns = 0;
    std::int64_t reload_ns = 0;  // of one slot's bitstream
};

// What is free again when: nanoseconds of CLOCK_MONOTONIC. Shared by processes.
class Reserved {
  public:
    // Takes the thing for `duration` from `earliest` on, as soon as it is free; returns the end.
    std::int64_t take(std::int64_t earliest, std::int64_t duration);
    std::int64_t free_at() const { return free_at_.load(std::memory_order_relaxed); }
    void free_not_before(std::int64_t time);

  private:
    std::atomic<std::int64_t> free_at_{0};
};

enum class SlotStep : std::uint32_t { idle = 0, loading = 1, loaded = 2, stuck = 3 };

class BoardMemory {
  public:
    static constexpr std::size_t most_slots = 16;
    static constexpr std::size_t most_faults = 16;

    struct Slot {
        std::atomic<std::uint32_t> step;        // SlotStep
        std::array<char, 72> overlay;           // package id, valid while loading and loaded; written by the slot's holder
        Reserved fabric;                        // when the next chunk may start
        std::atomic<std::uint64_t> loads;       // since the board came up
    };
    struct Layout {
        std::atomic<std::uint64_t> version;
        BoardFigures figures;
        Reserved processor, way_in, way_out, port;  // port: the one that bitstreams go through
        std::array<std::atomic<std::uint64_t>, 5> occasions;  // so far, on all slots, which faults count by: by EmulatedFault::Occasion
        std::array<Slot, most_slots> slots;
        std::array<EmulatedFault, most_faults> faults;
        std::uint32_t fault_count;
    };

    // A new board, switched on: its slots are idle. Errors: io, invalid_input (more slots or faults than there is place for).
    static Result<BoardMemory> make(const BoardProfile& profile, const std::vector<EmulatedFault>& faults);
    // One that is there; `fd` stays the caller's. Errors: io, corrupt (it is no board's, or another version's).
    static Result<BoardMemory> attach(int fd);
    BoardMemory(BoardMemory&& other) noexcept;
    BoardMemory& operator=(BoardMemory&&) = delete;
    ~BoardMemory();

    int fd() const { return fd_.get(); }  // to hand on; -1 for an attached one
    Layout* operator->() const { return layout_; }
    const BoardFigures& figures() const { return layout_->figures; }

    // The fault that the next occasion of this kind meets, if one does. Counts it.
    std::optional<EmulatedFault> next(EmulatedFault::Occasion occasion) const;

  private:
    BoardMemory(OwnedFd fd, Layout* layout) : fd_(std::move(fd)), layout_(layout) {}
    OwnedFd fd_;
    Layout* layout_;
};

// The figures of a profile. Errors: invalid_input (a profile without a fabric, a network, host costs or reload times).
Result<BoardFigures> figures_of(const BoardProfile& profile);

}  // namespace fard
