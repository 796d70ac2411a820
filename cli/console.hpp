// What people see while they wait.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

namespace fard::cli {

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
