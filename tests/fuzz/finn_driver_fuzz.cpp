// Any text as FINN's generated driver: what it says of an accelerator, or a reason.
#include <cstdlib>

#include "overlays/finn/driver_metadata.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto driver = fard::finn::read_driver(text, "fuzz");
    if (!driver) return driver.error().message.empty() ? std::abort(), 0 : 0;
    if (driver->inputs.empty() || driver->outputs.empty()) std::abort();
    for (const auto* streams : {&driver->inputs, &driver->outputs})
        for (const auto& stream : *streams)
            if (stream.folded.size() != stream.packed.size()) std::abort();
    return 0;
}
