#include "runtime/peer/ids.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace fard {

std::string random_hex(std::size_t bytes) {
    std::vector<unsigned char> raw(bytes);
    std::size_t filled = 0;
    while (filled < bytes) {
        const ssize_t got = getrandom(raw.data() + filled, bytes - filled, 0);
        if (got > 0)
            filled += static_cast<std::size_t>(got);
        else if (errno != EINTR)
            std::abort();  // no kernel that runs fard is without getrandom
    }
    std::string hex;
    hex.reserve(2 * bytes);
    for (const unsigned char byte : raw) {
        hex += "0123456789abcdef"[byte >> 4];
        hex += "0123456789abcdef"[byte & 15];
    }
    return hex;
}

bool is_id(std::string_view text) {
    return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char digit) {
               return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f');
           });
}

}  // namespace fard
