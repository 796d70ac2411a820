// The configuration packets of a bitstream. Internal to bitstream.cpp.
#pragma once

#include "overlays/bitstream/bitstream.hpp"

namespace fard::bitstream {

// Goes from the sync word, the first of `words`, to the command DESYNC, and notes what registers are written. Of an
// encrypted stream only its beginning can be read. Errors: corrupt.
Result<> read_packets(std::string_view words, const std::string& where, Bitstream& out);

}  // namespace fard::bitstream
