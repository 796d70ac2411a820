#include "cli/console.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace fard::cli {

using namespace std::chrono_literals;

namespace {

int output_error = 0;  // the first errno of standard output

std::size_t terminal_columns() {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col;
}

}  // namespace

void put_out(std::string_view text) {
    if (output_error == 0 && std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
        output_error = errno ? errno : EIO;
}

void put_err(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
}

int flush_output() {
    if (std::fflush(stdout) != 0 && output_error == 0) output_error = errno ? errno : EIO;
    return output_error;
}

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
    err("\r\033[K{}", text.substr(0, terminal_columns() - 1));  // a line that wraps would leave its first half
}

void ProgressLine::wipe() {
    const std::lock_guard lock(mutex_);
    if (!dirty_) return;
    dirty_ = false;
    last_.clear();
    put_err("\r\033[K");
}

void note(const std::string& text) {
    err("note: {}\n", text);
}

}  // namespace fard::cli
