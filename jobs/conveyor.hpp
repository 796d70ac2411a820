// What works on a job's chunks beside the job's thread: a device. A job that has one gives it to its container, which keeps
// it full. Nothing here waits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/link.hpp"

namespace fard {

// What a job's device has come to, for its node manager.
struct DeviceNews {
    enum class State : std::uint8_t { loading = 1, loaded = 2, stuck = 3 };
    State state = State::loading;
    std::string why;  // what a loading one waits for; why it is stuck
};

class Conveyor {
  public:
    virtual ~Conveyor() = default;

    virtual std::size_t depth() const = 0;  // chunks that may be in it

    // A chunk goes in; fewer than depth() are in it. Errors: those of the device.
    virtual Result<> put(Chunk chunk) = 0;
    // The result for the oldest, if it is done, with its index. Called again and again, it also brings the device on: out of
    // loading, and back to work after it was stuck. Errors: those of the device.
    virtual Result<std::optional<Chunk>> take() = 0;

    virtual void taken_from(TimePoint time) = 0;  // as Device::taken_from
    virtual bool loaded() const = 0;                  // as of the last take()
    virtual std::optional<DeviceNews> news() = 0;     // what has changed, once each
    virtual int fd() const = 0;                       // as Device::ready_fd
    virtual std::uint64_t reloads() const = 0;        // as DeviceCounts
    virtual Duration tolerance() const = 0;  // as Device::tolerance, once it is loaded
};

}  // namespace fard
