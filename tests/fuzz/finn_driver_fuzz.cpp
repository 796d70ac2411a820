// Any text as FINN's generated driver: a literal, or a reason.
#include <cstdlib>

#include "overlays/finn/python_literal.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto literal = fard::finn::find_literal(text, "io_shape_dict", "fuzz");
    return !literal && literal.error().message.empty() ? std::abort(), 0 : 0;
}
