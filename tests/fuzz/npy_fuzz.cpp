// Any bytes as an .npy file: refused, or an array whose bytes fill its shape, with a header that we can write
// again.
#include <cstdlib>

#include "base/npy_header.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace fard;
    const auto array = parse_npy({reinterpret_cast<const std::byte*>(data), size}, "fuzz");
    if (!array) return array.error().message.empty() ? std::abort(), 0 : 0;
    const auto bytes = npy_data_bytes(array->type, array->shape);
    if (!bytes || *bytes != array->bytes.size()) std::abort();
    if (const auto header = npy_header(array->type, array->shape); !header) std::abort();
    return 0;
}
