// The last lines about each run, kept for `fard logs`, and handed on to the process's own log.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>

#include "runtime/node_manager/log.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

class RunLog final : public Log {
  public:
    // Keeps about `most_bytes` of lines in all; when there are more, the run with the most loses its oldest. `clock`:
    // nanoseconds of the system's clock. `hand_on` gets each line.
    RunLog(std::size_t most_bytes, std::function<std::int64_t()> clock, std::function<void(LogLevel, const std::string&)> hand_on)
        : most_bytes_(most_bytes), clock_(std::move(clock)), hand_on_(std::move(hand_on)) {}

    void write(LogLevel level, const RunId& run, const std::string& who, const std::string& text) override;

    // The lines about a run (an empty id: about everything) behind number `after`, the oldest first, as many as fit into
    // an answer.
    wire::LogLines lines(const RunId& run, std::uint64_t after) const;

  private:
    void make_room();

    const std::size_t most_bytes_;
    std::function<std::int64_t()> clock_;
    std::function<void(LogLevel, const std::string&)> hand_on_;
    struct OfRun {
        std::deque<wire::LogLine> lines;
        std::size_t bytes = 0;
    };
    std::map<RunId, OfRun> runs_;
    std::size_t bytes_ = 0;
    std::uint64_t last_number_ = 0;
};

}  // namespace fard
