// Where this process's log goes: to standard error, by a thread of its own, so that the loop never waits for a reader.
#pragma once

#include <string>

namespace fard {

// `level` as in the configuration; `name` is the board's, on each line.
void start_logging(const std::string& name, const std::string& level);

}  // namespace fard
