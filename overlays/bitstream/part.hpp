// Names of Xilinx parts as tools write them: "7z020clg400" (header of a bitstream), "xc7z020clg484-1" (board
// files), "xczu9eg-ffvb1156-2-e". A bitstream fits a die; the package decides which pins its design reaches.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace fard::bitstream {

enum class Family : unsigned char { zynq7000, zynqmp, other };
std::string_view name_of(Family family);  // "Zynq-7000"

struct Part {
    std::string die;      // "7z020", "zu9eg", "k26"
    std::string package;  // "clg400", "" where the name says none
    Family family = Family::other;

    std::string name() const { return die + package; }
};

// Upper or lower case. Errors: invalid_input (no name of a part).
Result<Part> parse_part(std::string_view name);

// The code that configuration logic holds against a bitstream's, without the silicon's revision (28 bits). Dies
// that share their silicon (zu3cg, zu3eg) share it. None: a die that fard does not know.
std::optional<std::uint32_t> idcode_of(const Part& part);

// The dies of a code, for people: "7z020"; "" for none that fard knows.
std::string dies_of(std::uint32_t idcode);

// Whether two names mean dies that take the same bitstreams.
bool same_die(const Part& a, const Part& b);

}  // namespace fard::bitstream
