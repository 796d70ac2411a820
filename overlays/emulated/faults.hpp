// What an emulated board is told to do wrong, to see what the rest makes of it.
//
//   KIND@N        at the N-th occasion of that kind since the board was switched on, counted from 1
//   KIND@N*M      at that one and the M-1 after it ("*" alone: all after it)
//   freeze@N:MS   a freeze lasts so many milliseconds
//
// at a piece of a package that comes in:
//   fetch         it cannot be stored
// at a block of a package that is read, to verify it or to pass it on:
//   verify        one bit of it is not right
// at an overlay that gives way to another, or is not to be trusted any more:
//   unload        it cannot be taken out
// at a load:
//   load-request, load-init, load-write, load-complete   it fails there, as an FPGA manager's states are named
//   load-hang     it never ends
//   map           the fabric is programmed, but its registers cannot be mapped
// at a chunk:
//   dma-start     its DMA cannot be started
//   dma           its DMA never finishes; those of the next chunks do
//   wrong         its result has one bit that is not right
//   freeze        the board stands still for a while, then goes on
//   stuck         no chunk finishes any more, until the overlay is loaded anew
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace fard {

struct EmulatedFault {  // lies in memory that processes share
    enum class Kind : std::uint32_t {
        fetch, verify, unload, load_request, load_init, load_write, load_complete, load_hang, map, dma_start, dma, wrong, freeze, stuck
    };
    enum class Occasion : std::uint32_t { piece, block, unload, load, chunk };  // that faults count
    Kind kind = Kind::dma;
    std::uint64_t from = 1, count = 1;  // occasions, from 1 on
    std::int64_t freeze_ms = 0;

    Occasion at() const;
    bool meets(std::uint64_t occasion) const { return occasion >= from && occasion - from < count; }
};

// Errors: invalid_input, with what can be written.
Result<EmulatedFault> parse_fault(std::string_view text);
std::string_view name_of(EmulatedFault::Kind kind);

}  // namespace fard
