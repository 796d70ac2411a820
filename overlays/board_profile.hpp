// What a kind of board has, as data: overlays/boards/NAME.toml. Every constant says where it comes from.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace fard {

// `source` begins with one of "measured: ", "paper: ", "FINN: ", "data sheet: ", "fitted: ".
template <typename T>
struct Sourced {
    T value{};
    std::string source;
};

struct BoardProfile {
    struct Cpu {
        std::string model;  // "Cortex-A9"
        Sourced<std::int64_t> cores;
        Sourced<double> mhz;
    };
    std::string name;                                        // the file's, without .toml
    std::string title;                                       // for people
    Sourced<std::string> part;                               // FPGA part
    std::map<std::string, Sourced<std::int64_t>> resources;  // lut, ff, bram18, uram, dsp: all five
    std::optional<Cpu> cpu;                                  // none: a card in a host
    std::optional<Sourced<double>> mbit_per_s;               // line rate of its network; none: unknown
    std::optional<Sourced<double>> reload_ms;  // of one full bitstream, from request to ready; none: unknown
    std::optional<Sourced<double>> watts;      // of the board at work; none: unknown

    // Errors: invalid_input, with the line and what was meant.
    static Result<BoardProfile> parse(std::string_view toml, const std::string& where);
};

// The profile `name` of a directory of them. Errors: not_found (with the nearest name there is), those of
// parse; invalid_input also where the file is another board's.
Result<BoardProfile> load_board_profile(const std::filesystem::path& directory, const std::string& name);

}  // namespace fard
