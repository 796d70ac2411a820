// What a command says when there is no memory left, instead of "terminate called".
#pragma once

namespace fard {

// From now on an allocation that fails, on whatever thread, ends the process with exit code 1 and these words on
// standard error. `words` lives as long as the process.
void end_when_out_of_memory(const char* words);

}  // namespace fard
