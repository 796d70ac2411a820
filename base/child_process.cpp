#include "base/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "base/owned_fd.hpp"

namespace fard {

namespace {

constexpr std::size_t kept_bytes = 8 * 1024;
constexpr std::size_t kept_lines = 40;
constexpr std::size_t longest_line = 4 * 1024;  // the rest of a longer one is left out

// Everything that the child needs between fork and exec, made beforehand: nothing there may allocate.
struct Plan {
    const char* program;
    char* const* args;
    char* const* env;
    struct Move {
        int from;  // ours; above every `to` after the first pass
        int to;    // in the child
    };
    Move* moves;  // ascending in `to`
    std::size_t move_count;
    int report_fd;  // gets errno if exec does not come about
    int fd_limit;
    int niceness;
    pid_t parent;
    bool set_niceness, die_with_parent, own_session, no_new_privileges;
};

[[noreturn]] void give_up(int report_fd) {
    const int cause = errno;
    [[maybe_unused]] const auto written = ::write(report_fd, &cause, sizeof cause);
    ::_exit(127);
}

void close_between(int first, int last, int limit) {
    if (first > last) return;
    if (::syscall(SYS_close_range, static_cast<unsigned>(first), static_cast<unsigned>(last), 0) == 0) return;
    for (int fd = first; fd <= std::min(last, limit); ++fd)
        ::close(fd);  // kernels before 5.9
}

// Puts each listed descriptor at its place and closes all others but the report, which exec closes.
void arrange_descriptors(Plan& plan) {
    const int top = plan.moves[plan.move_count - 1].to;
    for (std::size_t i = 0; i < plan.move_count; ++i) {
        plan.moves[i].from = ::fcntl(plan.moves[i].from, F_DUPFD_CLOEXEC, top + 1);
        if (plan.moves[i].from < 0) give_up(plan.report_fd);
    }
    const int report = ::fcntl(plan.report_fd, F_DUPFD_CLOEXEC, top + 1);
    if (report < 0) give_up(plan.report_fd);
    plan.report_fd = report;
    int next = 0;
    for (std::size_t i = 0; i < plan.move_count; ++i) {
        close_between(next, plan.moves[i].to - 1, plan.fd_limit);
        if (::dup2(plan.moves[i].from, plan.moves[i].to) < 0) give_up(plan.report_fd);
        next = plan.moves[i].to + 1;
    }
    close_between(next, report - 1, plan.fd_limit);
    close_between(report + 1, std::numeric_limits<int>::max(), plan.fd_limit);
}

// Runs in the child, in the parent's memory: system calls alone.
[[noreturn]] __attribute__((noinline)) void run_child(Plan& plan) {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal)
        ::sigaction(signal, &standard, nullptr);

    if (plan.own_session) {
        ::setsid();
    } else {
        ::setpgid(0, 0);
    }
    if (plan.die_with_parent) {
        if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(plan.report_fd);
        if (::getppid() != plan.parent) ::_exit(127);  // it died before the line above
    }
    if (plan.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(plan.report_fd);
    if (plan.set_niceness) ::setpriority(PRIO_PROCESS, 0, plan.niceness);
    arrange_descriptors(plan);

    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(plan.program, plan.args, plan.env);
    give_up(plan.report_fd);
}

// vfork, because copying the page tables of a large process would cost more than all the rest. Signals are
// blocked meanwhile, so that no handler of ours runs in the child. The plan is the child's to write to.
__attribute__((noinline)) pid_t fork_child(Plan& plan) {
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::vfork();
    if (pid == 0) run_child(plan);
    const int cause = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = cause;
    return pid;
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& changes) {
    std::vector<std::string> merged;
    for (char** entry = ::environ; entry && *entry; ++entry) {
        const std::string_view text = *entry;
        if (!changes.contains(std::string(text.substr(0, text.find('='))))) merged.emplace_back(text);
    }
    for (const auto& [name, value] : changes)
        merged.push_back(name + "=" + value);
    return merged;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (auto& text : texts)
        result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

int descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1'000'000) return 1'000'000;
    return static_cast<int>(limit.rlim_cur);
}

ChildExit reap(pid_t pid) {
    int status = 0;
    pid_t reaped = 0;
    while ((reaped = ::waitpid(pid, &status, 0)) < 0 && errno == EINTR) {
    }
    if (reaped < 0) return ChildExit{-1, 0};  // the kernel reaps by itself where SIGCHLD is ignored
    if (WIFSIGNALED(status)) return ChildExit{-1, WTERMSIG(status)};
    return ChildExit{WEXITSTATUS(status), 0};
}

tl::unexpected<Error> cannot_start(const ChildSpec& spec, int cause) {
    return fail(cause == ENOENT ? Fault::not_found : Fault::io, "cannot start {}: {}", spec.program.string(),
                std::strerror(cause));
}

}  // namespace

std::string ChildExit::text() const {
    if (signal == 0 && code < 0) return "its end is not known: this process ignores SIGCHLD";
    if (signal == 0) return fmt::format("exit code {}", code);
    const char* name = ::sigabbrev_np(signal);
    return name ? fmt::format("signal {} (SIG{})", signal, name) : fmt::format("signal {}", signal);
}

void LineSplitter::add(std::string_view bytes, const std::function<void(std::string_view)>& take) {
    while (!bytes.empty()) {
        const auto newline = bytes.find('\n');
        const auto part = bytes.substr(0, newline);
        const auto room = longest_line - std::min(longest_line, line_.size());
        line_ += part.substr(0, room);
        if (newline == std::string_view::npos) return;
        if (!line_.empty() && line_.back() == '\r') line_.pop_back();
        take(line_);
        line_.clear();
        bytes.remove_prefix(newline + 1);
    }
}

void LineSplitter::finish(const std::function<void(std::string_view)>& take) {
    if (!line_.empty()) take(line_);
    line_.clear();
}

void LastWords::add(std::string_view bytes) {
    if (bytes.size() > kept_bytes) bytes.remove_prefix(bytes.size() - kept_bytes);
    tail_.append(bytes);
    if (tail_.size() > kept_bytes) tail_.erase(0, tail_.size() - kept_bytes);
}

std::string LastWords::text() const {
    std::string_view rest = tail_;
    while (!rest.empty() && rest.back() == '\n')
        rest.remove_suffix(1);
    std::size_t start = rest.size();
    for (std::size_t lines = 0; lines < kept_lines && start > 0; ++lines) {
        const auto newline = rest.rfind('\n', start - 1);
        start = newline == std::string_view::npos ? 0 : newline;
    }
    if (start < rest.size() && rest[start] == '\n') ++start;
    return std::string(rest.substr(start));
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(Loop& loop, const ChildSpec& spec, OnExit on_exit) {
    auto report = make_pipe();
    if (!report) return fail_in("cannot start " + spec.program.string(), report.error());
    Pipe errors;
    if (spec.capture_stderr) {
        auto pipe = make_capture_pipe();
        if (!pipe) return fail_in("cannot start " + spec.program.string(), pipe.error());
        errors = std::move(*pipe);
    }
    OwnedFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (null.get() < 0) return fail(Fault::io, "cannot open /dev/null: {}", std::strerror(errno));

    std::map<int, int> descriptors = spec.descriptors;
    descriptors.emplace(0, null.get());
    descriptors.emplace(1, spec.capture_stderr ? errors.write_end.get() : 1);
    descriptors.emplace(2, spec.capture_stderr ? errors.write_end.get() : 2);
    for (auto& [number, ours] : descriptors) {
        if (number <= 2 && ::fcntl(ours, F_GETFD) < 0) ours = null.get();  // we have none ourselves
    }
    std::vector<Plan::Move> moves;
    for (const auto& [number, ours] : descriptors)
        moves.push_back({ours, number});

    std::string program = spec.program.string();
    std::vector<std::string> args{program};
    args.insert(args.end(), spec.args.begin(), spec.args.end());
    std::vector<std::string> env = merged_environment(spec.env);
    const auto arg_pointers = pointers(args);
    const auto env_pointers = pointers(env);
    const int niceness = ::getpriority(PRIO_PROCESS, 0) + spec.nice;
    Plan plan{.program = program.c_str(),
              .args = arg_pointers.data(),
              .env = env_pointers.data(),
              .moves = moves.data(),
              .move_count = moves.size(),
              .report_fd = report->write_end.get(),
              .fd_limit = descriptor_limit(),
              .niceness = niceness,
              .parent = ::getpid(),
              .set_niceness = spec.nice != 0,
              .die_with_parent = spec.die_with_parent,
              .own_session = spec.own_session,
              .no_new_privileges = spec.no_new_privileges};
    const pid_t pid = fork_child(plan);
    if (pid < 0) return cannot_start(spec, errno);

    report->write_end = OwnedFd();
    int cause = 0;
    ssize_t got = 0;
    while ((got = ::read(report->read_end.get(), &cause, sizeof cause)) < 0 && errno == EINTR) {
    }
    if (got == sizeof cause) {
        reap(pid);
        return cannot_start(spec, cause);
    }
    auto child = adopt(loop, pid, std::move(errors.read_end), std::move(on_exit));
    return child ? std::move(child) : fail_in("cannot start " + program, child.error());
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::adopt(Loop& loop, pid_t pid, OwnedFd standard_error,
                                                          OnExit on_exit) {
    OwnedFd pid_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (pid_fd.get() < 0) {
        const int why = errno;
        ::kill(-pid, SIGKILL);
        reap(pid);
        return fail(Fault::io, "cannot watch process {}: {}", pid, std::strerror(why));
    }
    return std::unique_ptr<ChildProcess>(
        new ChildProcess(loop, pid, pid_fd.release(), standard_error.release(), std::move(on_exit)));
}

ChildProcess::ChildProcess(Loop& loop, pid_t pid, int pid_fd, int stderr_fd, OnExit on_exit)
    : loop_(loop), pid_(pid), pid_fd_(pid_fd), stderr_fd_(stderr_fd), on_exit_(std::move(on_exit)) {
    exit_watch_ = loop_.watch_readable(pid_fd_, [this] { exited(); });
    if (stderr_fd_ < 0) return;
    stderr_watch_ = loop_.watch_readable(stderr_fd_, [this] {
        if (read_stderr()) return;
        loop_.unwatch(stderr_watch_);
        stderr_watch_ = 0;
    });
}

ChildProcess::~ChildProcess() {
    if (!running()) return;
    kill(SIGKILL);
    pollfd wait{pid_fd_, POLLIN, 0};
    const int ended = ::poll(&wait, 1, 2000);
    if (ended > 0) reap(pid_);
    close_all();
}

void ChildProcess::kill(int signal) {
    if (running()) ::kill(-pid_, signal);  // not reaped yet, so the number is still its own
}

void ChildProcess::release() {
    close_all();
}

// Reads what is there, at most what a pipe holds. False: the end.
bool ChildProcess::read_stderr() {
    std::array<char, 16 * 1024> buffer;
    for (int round = 0; round < 4; ++round) {
        const auto got = ::read(stderr_fd_, buffer.data(), buffer.size());
        if (got > 0) {
            words_.add({buffer.data(), static_cast<std::size_t>(got)});
            if (listener_) listener_({buffer.data(), static_cast<std::size_t>(got)});
        } else if (got == 0) {
            return false;
        } else if (errno != EINTR) {
            return errno == EAGAIN;
        }
    }
    return true;
}

void ChildProcess::exited() {
    ::kill(-pid_, SIGKILL);  // what its group has left; the zombie keeps the number ours
    const ChildExit exit = reap(pid_);
    if (stderr_fd_ >= 0) read_stderr();
    close_all();
    const auto on_exit = std::move(on_exit_);
    if (on_exit) on_exit(exit);
}

void ChildProcess::close_all() {
    loop_.unwatch(exit_watch_);
    loop_.unwatch(stderr_watch_);
    exit_watch_ = stderr_watch_ = 0;
    if (stderr_fd_ >= 0) ::close(stderr_fd_);
    if (pid_fd_ >= 0) ::close(pid_fd_);
    stderr_fd_ = pid_fd_ = -1;
}

}  // namespace fard
