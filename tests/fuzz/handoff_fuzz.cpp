// Any text as a hardware hand-off: blocks that do not overlap, or a reason.
#include <cstdlib>

#include "overlays/finn/handoff.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto handoff = fard::finn::read_handoff(text, "fuzz");
    if (!handoff) return handoff.error().message.empty() ? std::abort(), 0 : 0;
    for (const auto& block : handoff->blocks)
        if (block.name.empty() || !handoff->find(block.name)) std::abort();
    return 0;
}
