// What a package's bitstream would make of a fabric: the package's own stage, on this machine's processor.
#pragma once

#include "overlays/package/package.hpp"
#include "tests/zynq/fake_fabric.hpp"

namespace fard::test {

// Of its first build. The stage is loaded on the thread that first computes; what goes wrong there ends the process.
FakeDesign design_of_package(const Package& package);

}  // namespace fard::test
