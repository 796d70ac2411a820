// A directory that goes away with the test, and a small package to put into it.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <string>

#include "overlays/package/package.hpp"

namespace fard {

class Scratch {
  public:
    Scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "fard-overlays-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir_ = name;
    }
    ~Scratch() { std::filesystem::remove_all(dir_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    std::filesystem::path operator/(const std::string& name) const { return dir_ / name; }
    bool is_empty() const { return std::filesystem::is_empty(dir_); }
    std::size_t entries() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(dir_), {}));
    }

  private:
    std::filesystem::path dir_;
};

inline Manifest small_manifest() {
    Manifest manifest;
    manifest.name = "first stage";
    manifest.inputs = {{"pixels", {1, 32, 32, 3}, "NHWC", DataType::uint(8), "FLOAT32"}};
    manifest.outputs = {{"scores", {1, 10}, "NC", DataType::sint(16), "FLOAT32"}};
    manifest.layers = {"conv \"0\"", "back\\slash"};
    auto& build = manifest.hardware.emplace_back();
    build.part = "xc7z020clg400-1";
    build.figures = "post-synthesis";
    build.resources = {{"lut", 18814}, {"bram18", 202}};
    build.latency_cycles = 150671;
    build.interval_cycles = 139202;
    build.clock_mhz = 187.5;
    build.watts = 2.25;
    build.folding["MVAU_hls_0"] = {{"PE", 16}, {"SIMD", 3}, {"ram_style", "block"}};
    build.registers = {{"idma0", "xilinx.com:hls:IODMA_hls_0:1.0", 0x40000000, 0x10000}, {"odma0", "", 0x40010000, 0x1000}};
    build.inputs = {{{1, 32, 32, 3}, {1, 32, 32, 1, 3}, {1, 32, 32, 1, 3}, "", "idma0"}};
    build.outputs = {{{1, 10}, {1, 5, 2}, {1, 5, 2}, "UINT8", "odma0"}};
    return manifest;
}

inline std::map<std::string, std::string> small_files() {
    return {{"stage.onnx", std::string("\0onnx\n", 6)},
            {"finn-accel.bit", std::string(100'000, 'b')},
            {"empty", ""}};
}

}  // namespace fard
