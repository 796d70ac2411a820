#include "runtime/node_manager/job_process.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <set>
#include <utility>

#include "base/park.hpp"
#include "base/suggest.hpp"
#include "runtime/node_manager/parked_jobs.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/job_page.hpp"
#include "runtime/peer/messages_job.hpp"

namespace fard {

namespace {

constexpr int channel_bytes = 2 * 1024 * 1024;  // asked of the kernel, so that the largest JOB_CONFIG fits
constexpr std::size_t most_programs = 1024;  // that a board tells of
constexpr std::size_t longest_from_job = 128 * 1024;  // the caps of JOB_UP and JOB_FAILED are 64 KiB

bool is_program_name(const std::string& name) {
    return !name.empty() && name.size() <= 64 && name.front() != '.' && name.front() != '-' &&
           std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-' || c == '.';
           });
}

// The page that a job writes and we read, mapped for as long as the job lives.
class Page {
  public:
    static Result<Page> make() {
        Page page;
        page.fd_ = ::memfd_create("fard-job-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (page.fd_ < 0 || ::ftruncate(page.fd_, job_page_bytes) != 0)
            return fail(Fault::io, "cannot make a job page: {}", std::strerror(errno));
        ::fcntl(page.fd_, F_ADD_SEALS,
                F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);  // reading it can never fault
        void* at = ::mmap(nullptr, job_page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, page.fd_, 0);
        if (at == MAP_FAILED) return fail(Fault::io, "cannot map a job page: {}", std::strerror(errno));
        page.page_ = new (at) JobPage{};
        page.page_->version = JobPage::current_version;
        return page;
    }
    Page(Page&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), page_(std::exchange(other.page_, nullptr)) {}
    Page& operator=(Page&&) = delete;
    ~Page() {
        if (page_) ::munmap(page_, job_page_bytes);
        if (fd_ >= 0) ::close(fd_);
    }
    int fd() const { return fd_; }
    const JobPage& operator*() const { return *page_; }

  private:
    Page() = default;
    int fd_ = -1;
    JobPage* page_ = nullptr;
};

// The state in /proc/PID/stat is the letter behind the command, which may hold anything but ends with the last ')'.
bool is_stopped(pid_t pid) {
    std::array<char, 512> text{};
    const int fd = ::open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const auto got = ::read(fd, text.data(), text.size());
    ::close(fd);
    const std::string_view words(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    const auto end = words.rfind(')');
    if (end == std::string_view::npos || end + 2 >= words.size()) return false;
    return words[end + 2] == 'T' || words[end + 2] == 't';
}

// A directory for one job's sockets; a job that is killed cannot remove them itself.
class LinkPlace {
  public:
    explicit LinkPlace(std::string place, bool is_directory)
        : place_(std::move(place)), owned_(is_directory) {
        std::error_code ignored;  // the job says what is wrong when it cannot bind there
        // Its parent, too: cleaners of /tmp remove directories that were empty for long.
        if (owned_) std::filesystem::create_directories(place_, ignored);
    }
    LinkPlace(LinkPlace&& other) noexcept
        : place_(std::move(other.place_)), owned_(std::exchange(other.owned_, false)) {}
    LinkPlace& operator=(LinkPlace&&) = delete;
    ~LinkPlace() {
        std::error_code ignored;
        if (owned_) std::filesystem::remove_all(place_, ignored);
    }
    const std::string& text() const { return place_; }

  private:
    std::string place_;
    bool owned_;
};

class RealJob final : public JobProcess {
  public:
    RealJob(Loop& loop, std::string program, Events events, Page page, LinkPlace place, int channel)
        : loop_(loop),
          program_(std::move(program)),
          events_(std::move(events)),
          page_(std::move(page)),
          place_(std::move(place)),
          channel_(channel) {}

    ~RealJob() override { close_channel(); }  // then child_ kills and reaps, then the sockets' directory goes

    // Starts the program, or takes a process of `parked` where there is one.
    Result<> start(const std::filesystem::path& file, int child_end, const JobStart& more, int nice,
                   ParkedProgram* parked) {
        std::map<int, int> descriptors{{job_control_fd, child_end}, {job_page_fd, page_.fd()}};
        if (more.device >= 0) descriptors[job_device_fd] = more.device;
        if (more.board >= 0) descriptors[job_board_fd] = more.board;
        const auto on_exit = [this](const ChildExit& exit) { exited(exit); };
        auto child =
            parked
                ? parked->start_child(descriptors, on_exit)
                : ChildProcess::start(
                      loop_,
                      {.program = file, .descriptors = descriptors, .nice = nice, .no_new_privileges = true},
                      on_exit);
        if (!child) return fail(child.error());
        child_ = std::move(*child);
        child_->listen([this](std::string_view bytes) {
            printed_.add(bytes, [this](std::string_view line) { print(line); });
        });
        watch_ = loop_.watch_readable(channel_, [this] { receive(); });
        return {};
    }

    Result<> tell(const wire::Body& body) override {
        const auto bytes = wire::encode({}, body);
        if (::send(channel_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return {};
        return fail(Fault::io, "cannot send {} ({} bytes) to job {}: {}", wire::name_of(body), bytes.size(),
                    program_, std::strerror(errno));
    }

    void kill() override { child_->kill(SIGKILL); }

    std::optional<Busy> busy() const override {
        const auto since = (*page_).busy_since_ns.load(std::memory_order_acquire);
        if (since == 0) return std::nullopt;
        return Busy{TimePoint(std::chrono::nanoseconds(since)), (*page_).busy_index.load()};
    }

    Signs signs() const override {
        return {(*page_).looked_ns, static_cast<std::uint8_t>((*page_).step), (*page_).unopened,
                is_stopped(child_->pid())};
    }

    wire::JobStats totals() const override {
        wire::JobStats stats;
        stats.chunks = (*page_).chunks;
        stats.compute_ns = (*page_).compute_ns;
        stats.wait_ns = (*page_).wait_ns;
        stats.bytes_out = (*page_).bytes_out;
        return stats;
    }

    const std::string& link_place() const override { return place_.text(); }

  private:
    // Takes one message; false when there is none, or the job closed its end. The event may destroy us only
    // from `exited`, not from `said`.
    bool receive() {
        if (channel_ < 0) return false;
        static thread_local std::array<char, longest_from_job> buffer;
        iovec into{buffer.data(), buffer.size()};
        msghdr header{};
        header.msg_iov = &into;
        header.msg_iovlen = 1;
        const auto got = ::recvmsg(channel_, &header, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
        if (got <= 0) {
            close_channel();  // its exit follows
            return false;
        }
        if (header.msg_flags & MSG_TRUNC) {
            spdlog::warn("dropped a message of more than {} bytes from job {}", buffer.size(), program_);
            return true;
        }
        const auto decoded = wire::decode({buffer.data(), static_cast<std::size_t>(got)});
        if (decoded) {
            events_.said(decoded->body);
        } else if (decoded.error().fault == Fault::unsupported) {
            const wire::JobFailed failed{"it speaks another fard's messages: " + decoded.error().message,
                                         static_cast<std::uint8_t>(Fault::unsupported)};
            events_.said(failed);
            child_->kill(SIGKILL);
        } else {
            spdlog::warn("dropped a message from job {}: {}", program_, decoded.error().message);
        }
        return true;
    }

    void exited(const ChildExit& exit) {
        while (receive()) {
        }
        close_channel();
        printed_.finish([this](std::string_view line) { print(line); });
        const auto exited = std::move(events_.exited);
        exited(exit, child_->last_words());
    }

    void print(std::string_view line) {
        if (events_.printed && !line.empty()) events_.printed(std::string(line));
    }

    void close_channel() {
        loop_.unwatch(watch_);
        watch_ = 0;
        if (channel_ >= 0) ::close(channel_);
        channel_ = -1;
    }

    Loop& loop_;
    std::string program_;
    Events events_;
    Page page_;
    LinkPlace place_;
    int channel_;
    LineSplitter printed_;
    Loop::WatchId watch_ = 0;
    std::unique_ptr<ChildProcess> child_;
};

class ProcessSpawner final : public JobSpawner {
  public:
    ProcessSpawner(Loop& loop, ProcessSpawnerOptions options)
        : loop_(loop),
          options_(std::move(options)),
          parked_(loop, {.most = options_.parked_jobs, .nice = options_.nice}) {}

    Result<std::unique_ptr<JobProcess>> spawn(const std::string& program, const JobStart& more,
                                              JobProcess::Events events) override {
        auto file = find(program);
        if (!file) return fail(file.error());
        const auto prepares = std::make_shared<bool>(false);
        events.said = [this, file = *file, prepares, said = std::move(events.said)](const wire::Body& body) {
            if (const auto* up = body.as<wire::JobUp>(); up && up->parking == parking_version) {
                parked_.allow(file);
                *prepares = up->prepares;
            }
            said(body);
        };
        const ParkedJob wanted{*file, more.overlay};
        events.exited = [this, wanted, prepares, exited = std::move(events.exited)](const ChildExit& exit, const std::string& words) {
            if (*prepares && !wanted.overlay.empty() && exit.clean()) parked_.keep(wanted);
            exited(exit, words);
        };
        auto page = Page::make();
        if (!page) return fail(page.error());
        auto channel = make_channel();
        if (!channel) return fail_in("job " + program, channel.error());
        ::setsockopt(channel->ours.get(), SOL_SOCKET, SO_SNDBUF, &channel_bytes, sizeof channel_bytes);
        auto place = options_.link_directories ? fmt::format("{}/{}", options_.link_place, ++last_place_)
                                               : options_.link_place;
        auto job = std::make_unique<RealJob>(loop_, program, std::move(events), std::move(*page),
                                             LinkPlace(std::move(place), options_.link_directories),
                                             channel->ours.release());
        auto* parked = parked_.find(wanted);
        auto started = job->start(*file, channel->theirs.get(), more, options_.nice, parked);
        if (!started && parked) {
            spdlog::warn("job {}: {}", program, started.error().message);
            parked_.give_up(wanted);
            started = job->start(*file, channel->theirs.get(), more, options_.nice, nullptr);
        }
        if (!started) return fail(started.error());
        return job;
    }

    // Read anew when a directory has changed, because it is asked for at every change of the board's state.
    std::vector<std::string> programs() override {
        std::vector<std::filesystem::file_time_type> times;
        std::error_code ignored;
        for (const auto& dir : options_.jobs_dirs)
            times.push_back(std::filesystem::last_write_time(dir, ignored));
        if (times == programs_of_ && !times.empty()) return programs_;
        std::set<std::string> names;
        for (const auto& dir : options_.jobs_dirs)
            for (const auto& entry : std::filesystem::directory_iterator(dir, ignored))
                if (const auto name = entry.path().filename().string(); names.size() < most_programs && find(name))
                    names.insert(name);
        programs_of_ = std::move(times);
        programs_.assign(names.begin(), names.end());
        return programs_;
    }

  private:
    Result<std::filesystem::path> find(const std::string& program) const {
        if (!is_program_name(program))
            return fail(Fault::invalid_input, "'{}' is not the name of a job program", program);
        std::string looked;
        for (const auto& dir : options_.jobs_dirs) {
            const auto file = dir / program;
            std::error_code ignored;
            if (std::filesystem::is_regular_file(file, ignored)) {
                if (::access(file.c_str(), X_OK) == 0) return file;
                return fail(Fault::not_found, "job program {} cannot be executed: {}; chmod +x it", file.string(),
                            std::strerror(errno));
            }
            looked += (looked.empty() ? "" : ", ") + dir.string();
        }
        return fail(Fault::not_found, "no job program '{}'{} (looked in {})", program,
                    did_you_mean(program, executables()),
                    looked.empty() ? "no directory: jobs_dir is not set" : looked);
    }

    std::vector<std::string> executables() const {
        std::vector<std::string> names;
        for (const auto& dir : options_.jobs_dirs) {
            std::error_code error;
            for (auto entry = std::filesystem::directory_iterator(dir, error);
                 !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
                if (::access(entry->path().c_str(), X_OK) == 0) names.push_back(entry->path().filename().string());
        }
        return names;
    }

    Loop& loop_;
    ProcessSpawnerOptions options_;
    ParkedJobs parked_;
    std::uint64_t last_place_ = 0;
    std::vector<std::string> programs_;
    std::vector<std::filesystem::file_time_type> programs_of_;  // when the directories had changed last
};

}  // namespace

std::unique_ptr<JobSpawner> make_process_spawner(Loop& loop, ProcessSpawnerOptions options) {
    return std::make_unique<ProcessSpawner>(loop, std::move(options));
}

}  // namespace fard
