// Runtime weights as FINN leaves them: .dat files of hexadecimal words for registers, .npy files for memory.
#pragma once

#include <string>
#include <vector>

#include "overlays/zynq/host.hpp"

namespace fard::zynq {

// Errors: corrupt (a word that is none, more than 16 Mi of them).
Result<std::vector<std::uint32_t>> parse_weight_words(std::string_view text, const std::string& where);

// Writes them from offset 0 on and reads them back. Errors: invalid_input (more than the block has registers), io (what is
// read differs: at which word).
Result<> write_weight_words(Registers& registers, const std::vector<std::uint32_t>& words, const std::string& where);

}  // namespace fard::zynq
