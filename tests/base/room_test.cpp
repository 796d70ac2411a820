#include "base/room.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

#include "base/process.hpp"

using namespace fard;

namespace {

// Runs the check in a process of its own that may have no more of the resource.
template <typename Check>
bool passes_in_child(decltype(RLIMIT_NOFILE) resource, rlim_t limit, Check check) {
    const auto child = ::fork();
    if (child == 0) {
        const rlimit few{limit, limit};
        if (::setrlimit(resource, &few) != 0) ::_exit(2);
        ::_exit(check() ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 0;
}

// Of this process, in bytes.
std::uint64_t address_space() {
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

bool says(const Result<>& checked, const char* part) {
    return !checked && checked.error().fault == Fault::refused && checked.error().message.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("too few descriptors: said with the limit and what raises it") {
    CHECK(check_descriptors(8));
    CHECK(passes_in_child(RLIMIT_NOFILE, 40, [] { return says(check_descriptors(64), "of 40 are left, and 64 are needed; raise the limit (`ulimit -n"); }));
}

TEST_CASE("too few threads: said with the limits and what raises them") {
    CHECK(check_threads(4));
    CHECK(check_threads(0));
    if (address_space() > std::uint64_t{1} << 40) return;  // a sanitizer's, which lives with no such limit
    // Memory for some stacks, and not for all.
    constexpr rlim_t room = rlim_t{300} << 20;
    if (!passes_in_child(RLIMIT_AS, room, [] { return ::mmap(nullptr, 2 * room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED; })) {
        MESSAGE("skipped: no process is held to a limit of its memory here (qemu-user)");
        return;
    }
    CHECK(passes_in_child(RLIMIT_AS, room, [] {
        const auto checked = check_threads(200);
        return says(checked, "of 200 threads that are needed can be started") && says(checked, "ulimit -v");
    }));
}
