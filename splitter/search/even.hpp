// Of all plans that are as fast as the one found: the one that shares the work most evenly.
#pragma once

#include "splitter/search/search.hpp"

namespace fard::splitter {

// For boards without a fabric that are all alike, and a plan with one stage on each: the same number of stages, no longer a
// period, and the least sum of squares of what their processors are busy with. Any other plan stays as it is. The search stops at
// the shortest period, which one slow layer may decide: then it does not care how the rest is cut.
Found evenly(const Network& network, const Cluster& cluster, Found found);

}  // namespace fard::splitter
