// Any bytes as a control message: decoded or refused. What is decoded is encoded again and comes back the
// same.
#include <cstdint>
#include <cstdlib>

#include "runtime/peer/codec.hpp"

using namespace fard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto decoded = wire::decode({reinterpret_cast<const char*>(data), size});
    if (!decoded) {
        if (decoded.error().message.empty()) std::abort();
        wire::envelope_of({reinterpret_cast<const char*>(data), size});
        return 0;
    }
    // Held memory stays within a fixed multiple of the input.
    if (wire::footprint(decoded->body) > 128 * size + 16'384) std::abort();
    const auto bytes = wire::encode(decoded->envelope, decoded->body);
    const auto again = wire::decode(bytes);
    // Keys that the input left out are written, so what was within its cap may grow over it.
    if (!again && bytes.size() <= wire::cap_of(decoded->body)) std::abort();
    if (again && !(again->envelope == decoded->envelope && again->body == decoded->body)) std::abort();
    return 0;
}
