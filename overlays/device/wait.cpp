// Waiting for a device, for programs without a loop.
#include <poll.h>

#include <algorithm>

#include "overlays/device/device.hpp"

namespace fard {
namespace {

using namespace std::chrono;

}  // namespace

void wait_for_news(const Device& device, TimePoint deadline) {
    if (device.ready_fd() < 0) return;
    constexpr nanoseconds longest = seconds(60);
    const auto left = deadline - steady_clock::now();
    pollfd polled{device.ready_fd(), POLLIN, 0};
    ::poll(&polled, 1, static_cast<int>(ceil<milliseconds>(std::clamp<nanoseconds>(left, nanoseconds::zero(), longest)).count()));
}

Result<> await_loaded(Device& device, TimePoint deadline) {
    for (;;) {
        const auto loaded = device.loaded();
        if (!loaded) return fail(loaded.error());
        if (*loaded) return {};
        if (steady_clock::now() >= deadline)
            return fail(Fault::timed_out, "device {} is not loaded in time; it waits for {}", device.info().id, device.waits_for());
        wait_for_news(device, deadline);
    }
}

Result<> load_now(Device& device, const Package& package, TimePoint deadline) {
    if (auto begun = device.load(package, deadline); !begun) return begun;
    return await_loaded(device, deadline);
}

Result<std::uint64_t> await_chunk(Device& device, TimePoint deadline) {
    for (;;) {
        const auto done = device.complete();
        if (!done) return fail(done.error());
        if (*done) return **done;
        if (steady_clock::now() >= deadline)
            return fail(Fault::timed_out, "device {} has not completed its chunk in time", device.info().id);
        wait_for_news(device, deadline);
    }
}

}  // namespace fard
