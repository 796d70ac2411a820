#include "tests/jobs/driven_job.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

#include "base/owned_fd.hpp"
#include "runtime/peer/codec.hpp"

namespace fard::testing {

namespace {

// The same file under a number that is none of the child's.
int moved_up(int fd) {
    const int high = ::fcntl(fd, F_DUPFD_CLOEXEC, 20);
    ::close(fd);
    return high;
}

JobPage* map_page(int fd) {
    if (::ftruncate(fd, job_page_bytes) != 0) return nullptr;
    void* const at = ::mmap(nullptr, job_page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) return nullptr;
    auto* const page = new (at) JobPage{};
    page->version = JobPage::current_version;
    return page;
}

}  // namespace

Result<DrivenJob> DrivenJob::start(const std::filesystem::path& program, const std::map<int, int>& more) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(Fault::io, "socketpair: {}", std::strerror(errno));
    const int theirs = moved_up(ends[1]);
    const int page = moved_up(::memfd_create("page", MFD_CLOEXEC));
    DrivenJob job;
    job.control_ = std::make_unique<ControlChannel>(ends[0]);
    job.page_ = map_page(page);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs, job_control_fd);
    posix_spawn_file_actions_adddup2(&actions, page, job_page_fd);
    std::vector<OwnedFd> copies;  // under numbers that are none of the child's, either
    for (const auto& [number, fd] : more) {
        copies.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 20));
        posix_spawn_file_actions_adddup2(&actions, copies.back().get(), number);
    }
    std::string name = program.filename();
    char* args[] = {name.data(), nullptr};
    const int error = ::posix_spawn(&job.pid_, program.c_str(), &actions, nullptr, args, environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(theirs);
    ::close(page);
    if (error != 0) job.pid_ = -1;
    if (error != 0)
        return fail(Fault::not_found, "cannot start {}: {}", program.string(), std::strerror(error));
    return job;
}

DrivenJob::DrivenJob(DrivenJob&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      control_(std::move(other.control_)),
      page_(std::exchange(other.page_, nullptr)) {}

DrivenJob::~DrivenJob() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        wait();
    }
    if (page_ != nullptr) ::munmap(page_, job_page_bytes);
}

Result<wire::Body> DrivenJob::hear_any(Duration patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < deadline) {
        auto message = control_->hear(deadline - std::chrono::steady_clock::now());
        if (!message) return fail(message.error());
        if (*message) return std::move(**message);
    }
    return fail(Fault::timed_out, "the job said nothing");
}

tl::unexpected<Error> DrivenJob::unexpected(const wire::Body& body) {
    if (const auto* failed = body.as<wire::JobFailed>()) return fail(Fault::failed, "{}", failed->reason);
    return fail(Fault::failed, "the job said {}", wire::name_of(body));
}

void DrivenJob::tell_raw(std::string_view packet) const {
    if (::send(control_->fd(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0) std::perror("control channel");
}

int DrivenJob::wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
}

void DrivenJob::kill(int signal) {
    ::kill(pid_, signal);
}

wire::JobConfig copy_config(std::uint32_t position, std::uint32_t positions,
                            const std::vector<TensorDesc>& tensors, const std::string& transport,
                            const std::string& place, std::uint64_t link_bytes) {
    wire::JobConfig config;
    config.job = {{"00112233445566778899aabbccddeeff"}, {1, 1}, position, 0};
    config.app = "chain";
    config.board = "here";
    config.spec.position = position;
    config.spec.positions = positions;
    config.spec.device = "cpu0";
    config.spec.spec = {.name = "copy", .program = "copy", .inputs = tensors, .outputs = tensors};
    config.device_kind = "soft";
    config.link_transport = transport;
    config.link_place = place;
    config.link_bytes = link_bytes;
    return config;
}

}  // namespace fard::testing
