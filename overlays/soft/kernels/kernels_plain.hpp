// The plain kernels, which other instruction sets fall back on for what they do not speed up.
#pragma once

#include "overlays/soft/kernels/kernels.hpp"

namespace fard::soft::plain {

void gemm_u8(const GemmU8& job);
void gemm_i16(const GemmI16& job);
void count32(const Count32& job);
void count16(const Count16& job);
void finish16(const Finish16& job);
void depthwise16(const Depthwise16& job);
void depthwise32(const Depthwise32& job);

}  // namespace fard::soft::plain
