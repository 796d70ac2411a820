// What people see while they wait.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

namespace fard::cli {

// Text for standard output and standard error, with control characters shown: names in it are others'. A text that cannot be
// written is no reason to end: what failed is remembered for standard output, and standard error has nobody else to tell; it
// gets a second, and what it then does not take is lost.
void put_out(std::string_view text);
void put_err(std::string_view text);
template <typename... Args>
void out(fmt::format_string<Args...> format, Args&&... args) {
    put_out(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void err(fmt::format_string<Args...> format, Args&&... args) {
    put_err(fmt::format(format, std::forward<Args>(args)...));
}

// Writes out what is buffered; the first errno of standard output, 0 if everything went out.
int flush_output();

// One line on standard error that is written over again; nothing at all unless that is a terminal.
// Thread-safe.
class ProgressLine {
  public:
    ProgressLine();
    explicit ProgressLine(bool on) : on_(on) {}
    ~ProgressLine();  // wipes the line
    void show(const std::string& text);
    void wipe();

  private:
    std::mutex mutex_;
    bool on_;
    bool dirty_ = false;
    std::string last_;
    std::chrono::steady_clock::time_point shown_{};
};

void note(const std::string& text);  // a remark on standard error

}  // namespace fard::cli
