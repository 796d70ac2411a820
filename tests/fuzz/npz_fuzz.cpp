// Any bytes as a .npz file: refused, or arrays whose bytes fill their shapes.
#include <cstdlib>

#include "base/npy_header.hpp"
#include "client/npz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace fard;
    const auto arrays = parse_npz({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (!arrays) return arrays.error().message.empty() ? std::abort(), 0 : 0;
    for (const auto& [name, array] : *arrays) {
        const auto bytes = npy_data_bytes(array.type, array.shape);
        if (!bytes || *bytes != array.bytes.size()) std::abort();
    }
    return 0;
}
