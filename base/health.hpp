// What is looked at on a machine before people look for a fault: limits, disks, rights, the kernel. For `fard doctor`, on the
// user's machine and on every board.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace fard {

struct Finding {
    enum class Level : std::uint8_t { fine, warning, fault };
    Level level = Level::fine;
    std::string what;    // what was looked at: "open files"
    std::string text;    // what was found
    std::string remedy;  // what to do; "" where all is fine
};

const char* name_of(Finding::Level level);  // "ok", "warning", "fault"

Finding check_open_files();                                             // how many this process may have, and has
Finding check_kernel();                                                 // that it has what fard needs
Finding check_file_size();                                              // that files may grow
Finding check_disk(const std::string& what, const std::filesystem::path& directory);     // room, and whether it is memory
Finding check_writable(const std::string& what, const std::filesystem::path& directory);  // that we may write there
Finding check_memory();                                                 // what is available

}  // namespace fard
