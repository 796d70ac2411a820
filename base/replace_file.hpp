// A small file that is written anew as a whole: who reads it finds the old text or the new one, never half of it.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.hpp"

namespace fard {

// `on_disk`: returns once the text would survive the loss of power, which may take a slow disk a while.
enum class Durability { none, on_disk };

// Writes FILE.new with mode 0600 and renames it. Errors: io; the old file is still there then.
Result<> replace_file(const std::filesystem::path& file, std::string_view text, Durability durability = Durability::none);

// All of it; what somebody made non-blocking is waited for. False: errno says why.
bool write_all(int fd, std::string_view bytes);

}  // namespace fard
