// The same campaign on boards with fabrics of their own, which are plain files: soak-faults --zynq.
#pragma once

#include <string>

namespace fard::soak {

struct FaultOptions {
    int times = 20, chunks = 8;
    unsigned seed = 1;
    std::string only;  // a kind; "": all
};

// 0, or 1 where a run went wrong.
int run_zynq_faults(const FaultOptions& options);

}  // namespace fard::soak
