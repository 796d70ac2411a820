#include "cli/console.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "base/printable.hpp"

namespace fard::cli {

using namespace std::chrono_literals;

namespace {

int output_error = 0;  // the first errno of standard output

std::size_t terminal_columns() {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col;
}

// As much as standard error takes within a moment: nobody's run waits because nobody reads it, or a terminal is held (Ctrl-S).
// Where something can be written, a pipe takes PIPE_BUF bytes.
void write_err(std::string_view text) {
    static std::mutex mutex;
    static bool stuck = false;
    const std::lock_guard lock(mutex);
    while (!text.empty()) {
        pollfd writable{STDERR_FILENO, POLLOUT, 0};
        const int limit_ms = stuck ? 0 : 1000;
        const int ready = ::poll(&writable, 1, limit_ms);
        if (ready < 0 && errno == EINTR) continue;
        stuck = ready == 0;
        if (ready <= 0) return;
        const auto count = ::write(STDERR_FILENO, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

}  // namespace

void put_out(std::string_view text) {
    const auto shown = printable_text(text);
    if (output_error == 0 && std::fwrite(shown.data(), 1, shown.size(), stdout) != shown.size())
        output_error = errno ? errno : EIO;
}

void put_err(std::string_view text) {
    write_err(printable_text(text));
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
    // A line that wraps would leave its first half.
    write_err("\r\033[K" + printable_line(text).substr(0, terminal_columns() - 1));
}

void ProgressLine::wipe() {
    const std::lock_guard lock(mutex_);
    if (!dirty_) return;
    dirty_ = false;
    last_.clear();
    write_err("\r\033[K");
}

void note(const std::string& text) {
    err("note: {}\n", text);
}

}  // namespace fard::cli
