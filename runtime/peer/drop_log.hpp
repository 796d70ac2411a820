// Messages that were dropped: counted, and logged at most once a second, so that a peer that sends rubbish
// cannot fill the log.
#pragma once

#include <cstdint>
#include <string>

#include "base/loop.hpp"
#include "base/result.hpp"

namespace fard {

// One thread.
class DropLog {
  public:
    explicit DropLog(std::string where) : where_(std::move(where)) {}

    // A message that the codec refused: unsupported counts as unknown, everything else as malformed.
    void note(TimePoint now, const Error& error);

    struct Counters {
        std::uint64_t malformed = 0, unknown = 0;
    };
    const Counters& counters() const { return counters_; }

  private:
    std::string where_;
    Counters counters_;
    std::uint64_t unlogged_ = 0;
    TimePoint next_log_{};
};

}  // namespace fard
