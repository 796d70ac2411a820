// A device with a board's manners: it computes exact results on this machine's CPU, and hands them out when the board
// would. What the fabric holds outlives it (board_memory.hpp).
//
//   chunk k starts at   max(when it came, start of chunk k-1 + initiation interval, when chunk k-depth() left)
//   and is due at       its start + latency, both in cycles at the package's clock
//
// Times are absolute: a chunk that is handed out late delays none behind it. It counts as late when it comes more than
// 2 ms (or a tenth of the interval, if that is more) after it was due; what it waited for its user to have room for it is no
// part of that.
#pragma once

#include "overlays/device/device.hpp"
#include "overlays/emulated/board_memory.hpp"
#include "overlays/emulated/emulated_time.hpp"

namespace fard {

// `access.fd` is the board's memory. Errors: invalid_input (it is none; no such slot), and those of opening the CPU.
Result<std::unique_ptr<Device>> open_emulated_device(const DeviceAccess& access);

// The same with another clock. `computes` is used on a thread of its own.
std::unique_ptr<Device> make_emulated_device(std::string id, std::uint32_t slot, BoardMemory memory,
                                             std::unique_ptr<Device> computes, std::unique_ptr<EmulatedTime> time);

// Whether a build fits into one slot of the board. Errors: refused: what does not fit, and by how much.
Result<> check_fits(const Hardware& build, const BoardFigures& figures);

}  // namespace fard
