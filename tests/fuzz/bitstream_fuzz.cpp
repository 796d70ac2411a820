// Any bytes as a bitstream: refused with a reason, or one whose turned form is read as the same.
#include <cstdlib>

#include "overlays/bitstream/gate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace fard::bitstream;
    const std::string_view file(reinterpret_cast<const char*>(data), size);
    const auto facts = read_bitstream(file, "fuzz");
    if (!facts) return facts.error().message.empty() ? std::abort(), 0 : 0;
    const auto bin = to_bin(file, *facts);
    const auto back = read_bitstream(bin, "turned");
    if (!back || back->idcode != facts->idcode || back->sync_at != facts->sync_at || back->frame_bytes != facts->frame_bytes)
        std::abort();
    static_cast<void>(pass_gate(file, "fuzz", {"xc7z020clg484-1", {}, "", ""}));
    if (facts->header) static_cast<void>(parse_part(facts->header->part));
    return 0;
}
