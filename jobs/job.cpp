#include "jobs/job.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/park.hpp"
#include "jobs/container.hpp"
#include "jobs/control_channel.hpp"
#include "runtime/peer/job_page.hpp"

namespace fard {

Result<> Job::parse_config(const JobConfig& config) {
    config_ = config;
    return {};
}

namespace {

// The page that the node manager gave; without one, a page that nobody reads.
JobPage& job_page() {
    static JobPage private_page{};
    struct stat info {};
    if (::fstat(job_page_fd, &info) != 0 || !S_ISREG(info.st_mode) ||
        info.st_size < static_cast<off_t>(job_page_bytes))
        return private_page;
    void* const at = ::mmap(nullptr, job_page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, job_page_fd, 0);
    if (at == MAP_FAILED) return private_page;
    auto* const page = static_cast<JobPage*>(at);
    if (page->version.load(std::memory_order_relaxed) == JobPage::current_version) return *page;
    ::munmap(at, job_page_bytes);
    return private_page;
}

// A job allocates and frees memory for the same few sizes of chunks all its life. Left alone, malloc gives the
// memory of each large chunk back to the kernel and takes it anew for the next one, a page fault for every
// 4 KiB. What a job holds at most is bounded by its links' windows, and it lives for one run only.
void keep_freed_memory() {
    constexpr int largest_from_heap = 32 << 20;  // bytes; the most that malloc takes
    constexpr int most_kept = 1 << 30;
    ::mallopt(M_MMAP_THRESHOLD, largest_from_heap);
    ::mallopt(M_TRIM_THRESHOLD, most_kept);
}

}  // namespace

int run_job(int argc, char** argv, const std::function<std::unique_ptr<Job>()>& make, Parking parking,
            const std::function<Result<>(const std::string&)>& prepare) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);  // what a job prints is in the log when it prints it
    if (!ControlChannel::usable(job_control_fd)) {
        fmt::print(
            stderr,
            "{} is a job of fard: a node manager starts it, with its control channel as descriptor {}.\n"
            "Name it in an app file and use `fard submit APP.toml`.\n",
            argc > 0 ? argv[0] : "this", job_control_fd);
        return 2;
    }
    keep_freed_memory();
    if (argc > 1 && std::string_view(argv[1]) == park_option) {
        if (parking == Parking::never) {
            fmt::print(stderr, "{} does not say that it may be parked (fard::Parking)\n", argv[0]);
            return 2;
        }
        if (prepare && argc > 3 && std::string_view(argv[2]) == prepare_option) {
            if (const auto done = prepare(argv[3]); !done) {
                fmt::print(stderr, "{}: {}\n", argv[3], done.error().message);
                return 1;
            }
            ::malloc_trim(0);  // what it took for that meanwhile is no copy's
        }
        if (!park()) return 0;
        for (int i = 1; i < argc; ++i)
            std::memset(argv[i], 0, std::strlen(argv[i]));  // in the process list a job is not parked
    }
    const Container::Parked parked{parking == Parking::allowed, prepare != nullptr};
    return Container(ControlChannel(job_control_fd), job_page(), make(), parked).run();
}

}  // namespace fard
