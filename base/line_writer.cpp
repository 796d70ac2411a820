#include "base/line_writer.hpp"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "base/replace_file.hpp"

namespace fard {

using namespace std::chrono_literals;

struct LineWriter::State {
    explicit State(std::size_t most) : most_bytes(most) {}

    const std::size_t most_bytes;
    std::mutex mutex;
    std::condition_variable changed;
    std::string queue;
    std::size_t dropped = 0;  // lines since the last that was queued
    bool writing = false, ending = false;

    void run(int fd);
};

void LineWriter::State::run(int fd) {
    std::unique_lock lock(mutex);
    while (true) {
        changed.wait(lock, [this] { return !queue.empty() || ending; });
        if (queue.empty()) return;
        std::string text;
        text.swap(queue);
        if (dropped > 0) text += fmt::format("({} lines are missing here: nobody read them in time)\n", dropped);
        dropped = 0;
        writing = true;
        lock.unlock();
        write_all(fd, text);
        lock.lock();
        writing = false;
        changed.notify_all();
    }
}

LineWriter::LineWriter(int fd, std::size_t most_bytes) : state_(std::make_shared<State>(most_bytes)) {
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for other threads
    std::thread([state = state_, fd] { state->run(fd); }).detach();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LineWriter::~LineWriter() {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait_for(lock, 1s, [this] { return state_->queue.empty() && !state_->writing; });
    state_->ending = true;
    state_->changed.notify_all();
}

void LineWriter::write(std::string line) {
    const std::lock_guard lock(state_->mutex);
    if (state_->queue.size() + line.size() > state_->most_bytes) {
        ++state_->dropped;
        return;
    }
    state_->queue += line;
    state_->changed.notify_all();
}

}  // namespace fard
