// What a board's configuration says of its fabric.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fard::zynq {

// Where the drivers' files are; other roots for tests and chroots.
struct Roots {
    std::filesystem::path sys = "/sys";
    std::filesystem::path configfs = "/sys/kernel/config";
    std::filesystem::path firmware = "/lib/firmware";
    std::filesystem::path dev = "/dev";
    std::filesystem::path run = "/run/fard";  // what is loaded, until the next boot
};

// The same places below another root.
inline Roots roots_below(const std::filesystem::path& root) {
    return {root / "sys", root / "sys/kernel/config", root / "lib/firmware", root / "dev", root / "run/fard"};
}

struct FabricSetup {
    Roots roots;
    std::string part;                         // the board's: "xc7z020clg484-1"
    std::vector<std::string> accepted_parts;  // others whose bitstreams it may load (gate.hpp)
    std::string memory;                       // name of the u-dma-buf or UIO device to use, "" for any
    std::string region = "/fpga-full";        // of the device tree
};

}  // namespace fard::zynq
