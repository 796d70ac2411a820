// What there is to tell of runs, by whoever has it to tell: the parts of a node manager are given a Log and know nothing of
// where it goes.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>

#include "runtime/peer/ids.hpp"

namespace fard {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

// Lives on one loop.
class Log {
  public:
    virtual ~Log() = default;

    // `run`: which run it is about, empty for none; `who`: the part that speaks ("run", "p0 'stem'").
    virtual void write(LogLevel level, const RunId& run, const std::string& who, const std::string& text) = 0;

    template <typename... Args>
    void info(const RunId& run, const std::string& who, fmt::format_string<Args...> format, Args&&... args) {
        write(LogLevel::info, run, who, fmt::format(format, std::forward<Args>(args)...));
    }
    template <typename... Args>
    void warn(const RunId& run, const std::string& who, fmt::format_string<Args...> format, Args&&... args) {
        write(LogLevel::warning, run, who, fmt::format(format, std::forward<Args>(args)...));
    }

    static Log& none();  // says nothing
};

const char* name_of(LogLevel level);

}  // namespace fard
