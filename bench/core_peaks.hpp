// What one core of this machine can do at most, measured now.
#pragma once

namespace fard::bench {

struct CorePeaks {
    double vnni = 0;      // multiplications of vpdpbusd, in 10^9 a second; 0 where the processor has none
    double popcount = 0;  // one-bit multiplications by vpandq, vpopcntq, vpaddq, in 10^9 a second; 0 likewise
};
CorePeaks measure_core_peaks();

}  // namespace fard::bench
