// What a process needs of its system, looked for before it is taken: where there is none left, libzmq and the C++ library end
// the process.
#pragma once

#include <cstddef>

#include "base/result.hpp"

namespace fard {

// That so many more can be opened. Errors: refused, with how many there are and what helps.
Result<> check_descriptors(std::size_t needed);

// That so many more can run now; starts them, to find out. Errors: refused, with what helps.
Result<> check_threads(std::size_t needed);

}  // namespace fard
