#include "base/room.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "base/process.hpp"

namespace fard {

namespace {

std::string limit_of(decltype(RLIMIT_NOFILE) resource, rlim_t unit) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return "unlimited";
    return std::to_string(limit.rlim_cur / unit);
}

}  // namespace

Result<> check_descriptors(std::size_t needed) {
    const auto left = static_cast<std::size_t>(std::max(0, descriptors_left()));
    if (left >= needed) return {};
    return fail(Fault::refused, "only {} descriptors (open files) of {} are left, and {} are needed; raise the limit (`ulimit -n 1024`, "
                                "LimitNOFILE= of a service)",
                left, limit_of(RLIMIT_NOFILE, 1), needed);
}

Result<> check_threads(std::size_t needed) {
    std::atomic<bool> over = false;
    std::vector<std::thread> threads;
    std::string cause;
    sigset_t all, before;  // signals are for the threads that stay
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        threads.reserve(needed);
        while (threads.size() < needed)
            threads.emplace_back([&over] { over.wait(false); });
    } catch (const std::system_error& error) {
        cause = error.code().message();
    } catch (const std::bad_alloc&) {
        cause = "no memory";
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    over = true;
    over.notify_all();
    for (auto& thread : threads)
        thread.join();
    if (cause.empty()) return {};
    return fail(Fault::refused, "only {} of {} threads that are needed can be started: {}; raise the limits of processes (`ulimit -u`, now "
                                "{}; TasksMax= of a service) and of memory (`ulimit -v`, now {} KiB)",
                threads.size(), needed, cause, limit_of(RLIMIT_NPROC, 1), limit_of(RLIMIT_AS, 1024));
}

}  // namespace fard
