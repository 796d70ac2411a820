#include "cli/console.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace fard::cli {

using namespace std::chrono_literals;

ProgressLine::ProgressLine() : ProgressLine(isatty(STDERR_FILENO) == 1) {}
ProgressLine::~ProgressLine() {
    wipe();
}

void ProgressLine::show(const std::string& text) {
    if (!on_) return;
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (text == last_ || now - shown_ < 50ms) return;
    shown_ = now;
    last_ = text;
    dirty_ = true;
    fmt::print(stderr, "\r\033[K{}", text.substr(0, 120));
    std::fflush(stderr);
}

void ProgressLine::wipe() {
    const std::lock_guard lock(mutex_);
    if (!dirty_) return;
    dirty_ = false;
    last_.clear();
    fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
}

void note(const std::string& text) {
    fmt::print(stderr, "note: {}\n", text);
}

}  // namespace fard::cli
