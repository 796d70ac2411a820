// The program's side of a ParkedProgram.
#pragma once

#include <cstdint>

namespace fard {

// Of what the two sides say to each other (docs/protocol.md, "Parked programs"): they may be of different builds.
inline constexpr std::uint8_t parking_version = 1;
inline constexpr char park_option[] = "--parked";
inline constexpr char prepare_option[] = "--prepare";  // behind it: a directory, and what is in there is to be made ready first
inline constexpr int park_channel = 3;

// Waits to be used; call it first thing in main, with one thread and nothing open that a new process must not share.
// Returns true in each process that is made of the program, with its descriptors in place, and false in the program itself
// when its owner has no more use for it. The channel is then closed.
bool park();

}  // namespace fard
