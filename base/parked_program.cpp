#include "base/parked_program.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

#include "base/park.hpp"
#include "base/park_messages.hpp"

namespace fard {

namespace {

constexpr Duration report_limit = std::chrono::milliseconds(500);

bool is_child(pid_t pid) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

Result<> send_request(int channel, const std::map<int, int>& descriptors) {
    parked::Request request;
    int ours[parked::most_descriptors];
    for (const auto& [number, descriptor] : descriptors) {
        request.numbers[request.count] = number;
        ours[request.count++] = descriptor;
    }
    const auto bytes = static_cast<std::size_t>(request.count) * sizeof(int);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof ours)] = {};
    iovec text{&request, sizeof request};
    msghdr header{};
    header.msg_iov = &text;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(bytes);
    auto* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(part), ours, bytes);
    if (::sendmsg(channel, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return {};
    return fail(errno == EPIPE ? Fault::unreachable : Fault::io,
                "cannot ask a parked program for a process: {}", std::strerror(errno));
}

// Who sent it; nothing there yet: 0.
Result<pid_t> take_report(int channel) {
    parked::Report report;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    iovec text{&report, sizeof report};
    msghdr header{};
    header.msg_iov = &text;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const auto got = ::recvmsg(channel, &header, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) return fail(Fault::unreachable, "a parked program is gone");
    if (report.error != 0)
        return fail(Fault::io, "a parked program cannot make a process: {}", std::strerror(report.error));
    ucred sender{};
    for (auto* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_CREDENTIALS)
            std::memcpy(&sender, CMSG_DATA(part), sizeof sender);
    if (got != sizeof report || sender.pid <= 0) return fail(Fault::io, "a parked program talks nonsense");
    return sender.pid;
}

}  // namespace

Result<std::unique_ptr<ParkedProgram>> ParkedProgram::start(Loop& loop, ChildSpec spec,
                                                            std::function<void()> gone) {
    auto channel = make_channel();
    if (!channel) return fail_in("cannot park " + spec.program.string(), channel.error());
    const int ours = channel->ours.get(), yes = 1;
    std::unique_ptr<ParkedProgram> parked(new ParkedProgram(loop, std::move(channel->ours)));
    ::setsockopt(ours, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes);
    spec.args.insert(spec.args.begin(), park_option);
    spec.descriptors[park_channel] = channel->theirs.get();
    auto program = ChildProcess::start(loop, spec, [gone = std::move(gone)](const ChildExit&) { gone(); });
    if (!program) return fail(program.error());
    parked->program_ = std::move(*program);
    parked->watch_ = loop.watch_readable(ours, [self = parked.get()] {
        const auto from = take_report(self->channel_.get());
        if (from && *from == 0) return;
        self->ready_ = from.has_value();  // else its end follows
        self->loop_.unwatch(std::exchange(self->watch_, 0));
    });
    return parked;
}

ParkedProgram::~ParkedProgram() {
    loop_.unwatch(watch_);
}

Result<pid_t> ParkedProgram::await_report(Duration patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
        auto from = take_report(channel_.get());
        if (!from || *from != 0) return from;
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return fail(Fault::timed_out, "a parked program does not answer");
        pollfd polled{channel_.get(), POLLIN, 0};
        ::poll(&polled, 1, static_cast<int>(left.count()));
    }
}

Result<std::unique_ptr<ChildProcess>> ParkedProgram::start_child(const std::map<int, int>& descriptors,
                                                                 ChildProcess::OnExit on_exit) {
    auto capture = make_capture_pipe();
    if (!capture) return fail(capture.error());
    auto all = descriptors;
    all[1] = all[2] = capture->write_end.get();
    if (auto sent = send_request(channel_.get(), all); !sent) return fail(sent.error());
    auto pid = await_report(report_limit);
    if (!pid && pid.error().fault == Fault::timed_out) {
        ready_ = false;
        program_->kill();
        pid = await_report(report_limit);  // of a process that it made after all; else the end of the channel
    }
    if (!pid) return fail(pid.error());
    if (*pid == program_->pid() || !is_child(*pid))
        return fail(Fault::io, "a parked program reports process {}, which is none of ours", *pid);
    return ChildProcess::adopt(loop_, *pid, std::move(capture->read_end), std::move(on_exit));
}

}  // namespace fard
