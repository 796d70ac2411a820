#include "overlays/device/background.hpp"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

namespace fard {
namespace {

// No exception ends a thread.
Result<> guarded(const std::function<Result<>()>& work) {
    try {
        return work();
    } catch (const std::bad_alloc&) {
        return fail(Fault::io, "found no memory");
    } catch (const std::system_error& error) {
        const bool no_thread = error.code() == std::errc::resource_unavailable_try_again;
        return fail(Fault::failed, "{}{}", error.what(), no_thread ? " (threads, processes or memory are limited: ulimit -u, ulimit -v)" : "");
    } catch (const std::exception& error) {
        return fail(Fault::failed, "{}", error.what());
    }
}

}  // namespace

Background::Background() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Background::~Background() {
    join();
}

void Background::join() {
    if (!thread_.joinable()) return;
    thread_.join();
    eventfd_t count = 0;
    ::eventfd_read(fd_.get(), &count);
}

void Background::wait() {
    join();
}

Result<> Background::begin(std::function<Result<>()> work) {
    join();
    if (fd_.get() < 0) return fail(Fault::io, "no descriptor for a thread: {}", std::strerror(errno));
    over_ = false;
    try {
        thread_ = std::thread([this, work = std::move(work)] {
            result_.emplace(guarded(work));
            over_.store(true, std::memory_order_release);
            ::eventfd_write(fd_.get(), 1);
        });
    } catch (const std::system_error& error) {
        return fail(Fault::io, "no thread: {}", error.what());
    }
    return {};
}

std::optional<Result<>> Background::end() {
    if (!thread_.joinable() || !over_.load(std::memory_order_acquire)) return std::nullopt;
    join();
    return std::move(result_);
}

}  // namespace fard
