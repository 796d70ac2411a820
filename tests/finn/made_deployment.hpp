// A deployment in the exact form that FINN leaves for a Zynq: bitfile/finn-accel.{bit,hwh}, driver/driver.py,
// driver/runtime_weights/. Shapes are made from a folding as FINN makes them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/data_type.hpp"
#include "tests/bitstream/made_bitstream.hpp"

namespace fard::test {

struct MadeStream {
    DataType type;
    std::vector<std::int64_t> normal;  // NHWC, the leading extent 1
    std::int64_t inner = 1;            // PE or SIMD: what a word carries
};

struct MadeDeployment {
    std::vector<MadeStream> inputs, outputs;
    MadeBitstream bitstream;
    std::string device = "7z020", package = "clg484", arch = "zynq";
    double clock_mhz = 100;
    std::uint64_t first_address = 0x40000000;
    bool lists = true;  // what FINN writes since it takes several inputs; older ones have no lists and no names of DMAs
    int partitions = 1;
    std::map<std::string, std::string> runtime_weights;  // file name -> content

    std::string driver() const;                        // driver.py
    std::string handoff() const;                       // finn-accel.hwh
    std::map<std::string, std::string> files() const;  // path in deploy/ -> content
};

}  // namespace fard::test
