#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

#include "base/health.hpp"
#include "base/line_writer.hpp"
#include "base/owned_fd.hpp"
#include "base/process.hpp"
#include "base/supervisor.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

// Runs `action` in a process of its own; its exit code.
template <typename Action>
int in_a_child(Action action) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(action());
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("what a parent left does not matter: closed descriptors, blocked and ignored signals") {
    CHECK(in_a_child([] {
              for (const int fd : {0, 1, 2})
                  ::close(fd);
              sigset_t all, now;
              ::sigfillset(&all);
              ::sigprocmask(SIG_SETMASK, &all, nullptr);
              std::signal(SIGCHLD, SIG_IGN);
              std::signal(SIGPIPE, SIG_DFL);
              prepare_process();
              const int next = ::open("/dev/null", O_RDONLY);
              ::sigprocmask(SIG_SETMASK, nullptr, &now);
              struct sigaction child {}, pipe {};
              ::sigaction(SIGCHLD, nullptr, &child);
              ::sigaction(SIGPIPE, nullptr, &pipe);
              if (next < 3) return 1;
              if (::sigismember(&now, SIGTERM) || ::sigismember(&now, SIGINT)) return 2;
              if (child.sa_handler != SIG_DFL || pipe.sa_handler != SIG_IGN) return 3;
              return ::write(2, "x", 1) == 1 ? 0 : 4;
          }) == 0);
}

TEST_CASE("the limit of open files goes up to the hard one, and what is left of it is known") {
    CHECK(in_a_child([] {
              rlimit limit{};
              ::getrlimit(RLIMIT_NOFILE, &limit);
              if (limit.rlim_max < 128) return 0;
              limit.rlim_cur = 64;
              ::setrlimit(RLIMIT_NOFILE, &limit);
              const int before = descriptors_left();
              if (before <= 0 || before > 64) return 1;
              if (raise_descriptor_limit(128) != 128) return 2;
              if (descriptors_left() != before + 64) return 3;
              return raise_descriptor_limit(100) == 128 ? 0 : 4;  // never lower
          }) == 0);
}

TEST_CASE("a parent that has ended before we looked is noticed, one that lives is not") {
    CHECK(in_a_child([] { return find_parent().gone ? 1 : 0; }) == 0);
    CHECK(find_parent().pid == ::getppid());
    auto report = make_pipe();
    REQUIRE(report);
    // A session of its own, so that whoever adopts the orphan is of another one.
    in_a_child([&] {
        ::setsid();
        const pid_t between = ::fork();
        if (between == 0) {
            if (::fork() == 0) {
                while (::getppid() == ::getsid(0)) {
                }
                ::usleep(20'000);
                const char gone = find_parent().gone ? 'y' : 'n';
                ::_exit(::write(report->write_end.get(), &gone, 1) == 1 ? 0 : 1);
            }
            ::_exit(0);
        }
        ::waitpid(between, nullptr, 0);
        return 0;
    });
    report->write_end = OwnedFd();
    char gone = '?';
    CHECK(::read(report->read_end.get(), &gone, 1) == 1);
    CHECK(gone == 'y');
}

TEST_CASE("lines are written in order by the end") {
    auto pipe = make_pipe();
    REQUIRE(pipe);
    {
        LineWriter writer(pipe->write_end.get());
        for (int i = 0; i < 3; ++i)
            writer.write(std::to_string(i) + "\n");
    }
    char text[16] = {};
    CHECK(::read(pipe->read_end.get(), text, sizeof text) == 6);
    CHECK(std::string(text) == "0\n1\n2\n");
}

TEST_CASE("a reader that is gone to sleep holds nobody up, and is told what it missed") {
    auto pipe = make_pipe();
    REQUIRE(pipe);
    const int room = ::fcntl(pipe->write_end.get(), F_SETPIPE_SZ, 4096);
    REQUIRE(room >= 4096);
    const int reader = ::dup(pipe->read_end.get());
    std::string read;
    {
        LineWriter writer(pipe->write_end.get(), 10'000);
        const std::string line(99, 'x');
        for (int i = 0; i < 1000; ++i)  // 100 kB: more than the pipe and the queue hold together
            writer.write(line + "\n");
        char buffer[65536];
        while (read.find("missing") == std::string::npos) {
            const auto got = ::read(reader, buffer, sizeof buffer);
            REQUIRE(got > 0);
            read.append(buffer, static_cast<std::size_t>(got));
        }
    }
    CHECK(read.find("lines are missing here") != std::string::npos);
    {
        LineWriter stuck(pipe->write_end.get());
        std::string line(100'000, 'y');
        line += '\n';
        stuck.write(line);
    }  // its end does not wait for the reader
    ::close(reader);
}

TEST_CASE("whoever waits for it hears that we are ready, by a path or an abstract name, and our children do not") {
    for (const std::string name : {"@fard-test-notify", "/tmp/fard-test-notify"}) {
        const auto own = name + std::to_string(::getpid());
        const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        own.copy(address.sun_path, own.size());
        if (own.front() == '@') address.sun_path[0] = 0;
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + own.size());
        REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0);
        ::setenv("NOTIFY_SOCKET", own.c_str(), 1);
        const auto supervisor = Supervisor::from_environment();
        CHECK(std::getenv("NOTIFY_SOCKET") == nullptr);
        supervisor.tell("READY=1");
        char text[16] = {};
        CHECK(::recv(fd, text, sizeof text, MSG_DONTWAIT) == 7);
        CHECK(std::string(text) == "READY=1");
        ::close(fd);
        if (own.front() == '/') ::unlink(own.c_str());
        supervisor.tell("STOPPING=1");  // nobody listens any more
    }
    Supervisor::from_environment().tell("READY=1");  // nobody asked
}

TEST_CASE("a machine is looked over, and what is wrong has a remedy") {
    CHECK(check_kernel().level == Finding::Level::fine);
    CHECK(check_open_files().level != Finding::Level::fault);
    CHECK(check_writable("tmp", "/tmp").level == Finding::Level::fine);
    for (const auto& finding : {check_disk("store", "/no/such/place"), check_writable("store", "/no/such/place")}) {
        CHECK(finding.level == Finding::Level::fault);
        CHECK(finding.text.find("/no/such/place") != std::string::npos);
        CHECK_FALSE(finding.remedy.empty());
    }
    const auto room = check_disk("store", "/");
    CHECK(room.text.find("MiB left in /") != std::string::npos);
    CHECK((room.level == Finding::Level::fine) == room.remedy.empty());
    CHECK(check_memory().text.find("available") != std::string::npos);
}

TEST_CASE("a thread that goes before others makes ordinary threads and processes, and goes on as it was where it must not") {
    CHECK(in_a_child([] {
              if (!run_before_others()) return 0;
              if (::sched_getscheduler(0) != (SCHED_FIFO | SCHED_RESET_ON_FORK)) return 1;
              int of_thread = -1;
              std::thread([&] { of_thread = ::sched_getscheduler(0); }).join();
              if (of_thread != SCHED_OTHER) return 2;
              return in_a_child([] { return ::sched_getscheduler(0); }) == SCHED_OTHER ? 0 : 3;
          }) == 0);
    CHECK(in_a_child([] {
              const rlimit none{0, 0};
              const int before = ::sched_getscheduler(0);
              if (::setrlimit(RLIMIT_RTPRIO, &none) != 0 || ::setuid(65534) != 0) return 0;
              return !run_before_others() && ::sched_getscheduler(0) == before ? 0 : 1;
          }) == 0);
}
