// Any text as a schedule: refused with a reason, or one that reads as it is written.
#include <cstdlib>

#include "planner/schedule.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace fard::planner;
    const auto schedule = parse_schedule({reinterpret_cast<const char*>(data), size});
    if (!schedule) return schedule.error().message.empty() ? std::abort(), 0 : 0;
    const auto again = parse_schedule(text_of(*schedule));
    if (!again || *again != *schedule) std::abort();
    return 0;
}
