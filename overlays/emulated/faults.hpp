// What an emulated board is told to do wrong, to see what the rest makes of it.
//
//   KIND@N        at the N-th load or chunk of the board since it was switched on, counted from 1
//   KIND@N*M      at that one and the M-1 after it ("*" alone: all after it)
//   freeze@N:MS   a freeze lasts so many milliseconds
//
//   load-request, load-init, load-write, load-complete   loading fails there, as an FPGA manager's states are named
//   load-hang     loading never ends
//   dma           the chunk's DMA never finishes; the next chunks do
//   wrong         the chunk's result has one bit that is not right
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
    enum class Kind : std::uint32_t { load_request, load_init, load_write, load_complete, load_hang, dma, wrong, freeze, stuck };
    Kind kind = Kind::dma;
    std::uint64_t from = 1, count = 1;  // occasions, from 1 on
    std::int64_t freeze_ms = 0;

    bool at_load() const { return kind <= Kind::load_hang; }
    bool meets(std::uint64_t occasion) const { return occasion >= from && occasion - from < count; }
};

// Errors: invalid_input, with what can be written.
Result<EmulatedFault> parse_fault(std::string_view text);
std::string_view name_of(EmulatedFault::Kind kind);

}  // namespace fard
