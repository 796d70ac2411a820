#include "base/process.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace fard {

Parent find_parent() {
    const pid_t pid = ::getppid(), session = ::getsid(0);
    const bool leads_session = session == ::getpid();
    return {pid, !leads_session && pid != 0 && ::getsid(pid) != session};
}

void prepare_process() {
    for (int fd = 0; fd <= 2; ++fd)
        if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", O_RDWR);  // takes the lowest free number: this one
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    std::signal(SIGCHLD, SIG_DFL);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
}

int raise_descriptor_limit(int most) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    const auto wanted = std::min<rlim_t>(limit.rlim_max, static_cast<rlim_t>(most));
    if (limit.rlim_cur < wanted) {
        const auto before = limit.rlim_cur;
        limit.rlim_cur = wanted;
        if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
    }
    return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1'000'000));
}

bool run_before_others() {
    const sched_param lowest{.sched_priority = 1};
    return ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest) == 0;
}

int descriptors_left() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);  // the lowest free number
    if (next < 0) return 0;
    ::close(next);
    return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1'000'000)) - next;
}

}  // namespace fard
