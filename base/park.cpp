#include "base/park.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/park_messages.hpp"

namespace fard {

namespace {

using parked::most_descriptors;
using parked::Report;
using parked::Request;

constexpr std::size_t name_bytes = 16;  // of a process, as prctl has it

struct Order {
    Request request;
    int descriptors[most_descriptors];
    int received = 0;  // of them
};

void report(int channel, int error) {
    const Report text{error};
    ::send(channel, &text, sizeof text, MSG_NOSIGNAL);
}

void close_all(const Order& order) {
    for (int i = 0; i < order.received; ++i)
        ::close(order.descriptors[i]);
}

// False: the other end is closed.
bool take_order(int channel, Order& order) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof order.descriptors)];
    for (;;) {
        iovec into{&order.request, sizeof order.request};
        msghdr header{};
        header.msg_iov = &into;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        const auto got = ::recvmsg(channel, &header, MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        order.received = 0;
        for (auto* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
            if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
            const auto bytes = part->cmsg_len - CMSG_LEN(0);
            std::memcpy(order.descriptors, CMSG_DATA(part), bytes);
            order.received = static_cast<int>(bytes / sizeof(int));
        }
        if (got == sizeof order.request && order.request.count == order.received) return true;
        close_all(order);
        report(channel, EBADMSG);
    }
}

// Puts the order's descriptors, and nothing else, at their places. The channel's is free for one of them; returns where the
// channel is now, or -1.
int arrange(const Order& order) {
    const int channel = ::fcntl(park_channel, F_DUPFD_CLOEXEC, parked::lowest_spare);
    if (channel < 0) return -1;
    int spare[most_descriptors];
    for (int i = 0; i < order.received; ++i) {
        spare[i] = ::fcntl(order.descriptors[i], F_DUPFD_CLOEXEC, parked::lowest_spare);
        if (spare[i] < 0) return -1;
    }
    ::close(park_channel);
    close_all(order);
    for (int i = 0; i < order.received; ++i) {
        if (::dup2(spare[i], order.request.numbers[i]) < 0) return -1;
        ::close(spare[i]);
    }
    return channel;
}

// In the new process.
void become(const Order& order, pid_t owner, const char* name) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != owner) ::_exit(127);  // it died before the line above
    ::setpgid(0, 0);
    ::prctl(PR_SET_NAME, name);
    const int channel = arrange(order);
    if (channel < 0) ::_exit(127);
    report(channel, 0);
    ::close(channel);
}

}  // namespace

bool park() {
    char name[name_bytes] = {};
    ::prctl(PR_GET_NAME, name);
    ::prctl(PR_SET_NAME, "parked");
    const pid_t owner = ::getppid();
    report(park_channel, 0);
    for (Order order; take_order(park_channel, order); close_all(order)) {
        // The C library's fork cannot make a sibling. What it does besides is for programs with more than one thread.
        const auto pid = ::syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        if (pid == 0) {
            become(order, owner, name);
            return true;
        }
        if (pid < 0) report(park_channel, errno);
    }
    ::close(park_channel);
    return false;
}

}  // namespace fard
