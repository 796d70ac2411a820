#include "bench/core_peaks.hpp"

namespace fard::bench {

CorePeaks measure_core_peaks() {
    return {};
}

}  // namespace fard::bench
