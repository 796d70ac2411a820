// Xilinx bitstreams of the 7 series and UltraScale+: their containers and what their configuration packets say.
//
//   .bit    9 bytes of preamble, fields 'a' design, 'b' part, 'c' date, 'd' time, 'e' length, then the words
//   .bin    the words alone, big-endian as Vivado's -bin_file writes them, or each turned round as Linux's FPGA
//           managers take them
//
// The words: padding, the sync word AA995566, packets that write registers, at last the command DESYNC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace fard::bitstream {

struct BitHeader {
    std::string design;  // with what the tools append: "top;UserID=0XFFFFFFFF;Version=2018.2"
    std::string part;    // "7z020clg400"
    std::string date;    // "2018/09/20"
    std::string time;    // "18:16:46"
};

struct Bitstream {
    std::optional<BitHeader> header;  // of a .bit
    bool swapped = false;             // each word turned round, as the drivers want them
    std::uint64_t offset = 0;         // of the words in the file
    std::uint64_t bytes = 0;          // of the words
    std::uint64_t sync_at = 0;        // of the sync word, from the first word on
    std::uint32_t idcode = 0;         // of the die it is for, without the silicon's revision; 0 where it does not say
    std::uint64_t frame_bytes = 0;    // configuration frames that are written
    bool compressed = false;          // frames are written more than once each
    bool encrypted = false;
    bool partial = false;             // of a region (its header says so)
};

// Drivers look for the sync word in this many bytes (Linux: initial_header_size of zynq-fpga).
inline constexpr std::uint64_t driver_looks_at = 128;
inline constexpr std::uint64_t max_file_bytes = std::uint64_t{512} << 20;

// `file` is the whole file, `where` its name in messages. Errors: corrupt (truncated, no end, damaged packets);
// invalid_input (no bitstream: what it looks like instead).
Result<Bitstream> read_bitstream(std::string_view file, const std::string& where);

// The words as the FPGA manager takes them: turned round where they are not yet.
std::string to_bin(std::string_view file, const Bitstream& bitstream);

}  // namespace fard::bitstream
