// How long tests wait for what surely comes.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "base/loop.hpp"

namespace fard {

// `usual`, FARD_TEST_PATIENCE times where that is set: tools/cross/check sets it, for processors that are emulated.
inline Duration patience(Duration usual) {
    const char* factor = std::getenv("FARD_TEST_PATIENCE");
    return factor ? usual * std::max(1, std::atoi(factor)) : usual;
}

}  // namespace fard
