// Any text as overlay.toml or a board profile: refused with a reason, or a manifest that survives being
// written.
#include <cstdlib>

#include "overlays/profiles/board_profile.hpp"
#include "overlays/package/package.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace fard;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static_cast<void>(BoardProfile::parse(text, "fuzz"));
    const auto manifest = Manifest::parse(text, "fuzz");
    if (!manifest) return manifest.error().message.empty() ? std::abort(), 0 : 0;
    const auto written = manifest->to_toml();
    const auto back = Manifest::parse(written, "written");
    if (!back || back->to_toml() != written) std::abort();
    return 0;
}
