// Any bytes as a packet of the board helper's: refused with a reason, or a message that comes back as it was.
#include <cstdlib>

#include "overlays/helper/messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view packet(reinterpret_cast<const char*>(data), size);
    const auto message = fard::helper::decode(packet);
    if (!message) return message.error().message.empty() ? std::abort(), 0 : 0;
    if (fard::helper::encode(*message) != packet) std::abort();
    return 0;
}
