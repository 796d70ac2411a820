// Numbers of bytes as people write and read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace fard {

inline constexpr const char* size_units = "B, kB, MB, GB, TB, KiB, MiB, GiB or TiB";

// "4GiB", "500 MB", "1048576"; K, M and G alone are kB, MB and GB. Errors: invalid_input (no whole number, another unit, 2^62 or more).
Result<std::uint64_t> parse_size(std::string_view text);

std::string bytes_text(std::uint64_t bytes);  // "150.5 kB"

}  // namespace fard
