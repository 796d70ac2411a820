// Rows of kernels as kernel_table's, whose matrix products are AMX's code on emulated tiles: this is how it is tested where no
// processor has tiles.
#pragma once

#include <vector>

#include "overlays/soft/kernels/kernels.hpp"

namespace fard::soft::test {

// With the sums' ends in plain C++, and as the real row has them where this processor runs AVX-512. Lives until the end.
const std::vector<Kernels>& emulated_amx_rows();

}  // namespace fard::soft::test
