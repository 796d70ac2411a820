// The program's side of a ParkedProgram.
#pragma once

namespace fard {

inline constexpr char park_option[] = "--parked";
inline constexpr int park_channel = 3;

// Waits to be used; call it first thing in main, with one thread and nothing open that a new process must not share.
// Returns true in each process that is made of the program, with its descriptors in place, and false in the program itself
// when its owner has no more use for it. The channel is then closed.
bool park();

}  // namespace fard
