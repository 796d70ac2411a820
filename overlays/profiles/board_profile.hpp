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
        std::optional<Sourced<double>> mmac_per_s;  // million products of a network's layers; none: unknown
    };
    struct Fabric {
        Sourced<double> clock_mhz;   // of the accelerators that are built for it
        Sourced<std::int64_t> slots;  // overlays that it holds at once
    };
    struct Host {  // what one end of a link costs the processor
        Sourced<double> us_per_chunk;
        Sourced<double> ns_per_byte;
    };
    struct Network {
        Sourced<double> mbit_per_s;  // line rate
        Sourced<double> latency_us;  // of its half of a way to another board
    };
    struct Reload {  // of one bitstream: base, and its bytes at this rate
        Sourced<double> base_ms;
        Sourced<double> mbyte_per_s;
        Sourced<std::int64_t> bytes;  // of a full bitstream

        double ms() const { return base_ms.value + static_cast<double>(bytes.value) / mbyte_per_s.value / 1e3; }
    };
    struct Power {  // of the board
        Sourced<double> watts;                      // at work, all together
        std::optional<Sourced<double>> idle_watts;  // always; these four: none where unknown
        std::optional<Sourced<double>> compute_watts;  // more while a fabric or the processor computes
        std::optional<Sourced<double>> network_watts;  // more while a way is in use
        std::optional<Sourced<double>> reload_watts;   // more while a fabric is loaded
    };
    std::string name;                                        // the file's, without .toml
    std::string title;                                       // for people
    Sourced<std::string> part;                               // FPGA part
    std::map<std::string, Sourced<std::int64_t>> resources;  // lut, ff, bram18, uram, dsp: all five
    std::optional<Cpu> cpu;                                  // none: a card in a host
    std::optional<Fabric> fabric;                            // these five: none where nothing is known
    std::optional<Host> host;
    std::optional<Network> network;
    std::optional<Reload> reload;
    std::optional<Power> power;

    // Errors: invalid_input, with the line and what was meant.
    static Result<BoardProfile> parse(std::string_view toml, const std::string& where);
};

// The profile `name` of a directory of them. Errors: not_found (with the nearest name there is), those of
// parse; invalid_input also where the file is another board's.
Result<BoardProfile> load_board_profile(const std::filesystem::path& directory, const std::string& name);

// The directory of the profiles that came with this program: $FARD_BOARDS, else beside where it is installed or was built.
// Errors: not_found, with the places that were looked at.
Result<std::filesystem::path> find_board_profiles();
Result<std::filesystem::path> find_board_profiles_from(const std::filesystem::path& executable, const std::string& given);

}  // namespace fard
