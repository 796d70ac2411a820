// Whether a wiring of a run gets on, from what its boards tell of its jobs each second: links that do not open although
// both ends are there, chunks that do not move although nobody computes. Such a standstill breaks no connection and ends
// no process (a way between two boards that swallows packets, a job that was stopped), so nothing else tells of it.
// Pure: time is passed in.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "runtime/peer/message_parts.hpp"

namespace fard {

class RunWatch {
  public:
    using Job = std::pair<std::uint32_t, std::uint32_t>;  // position, replica

    // What the coordinator knows of the two ends itself, in this wiring.
    struct Ends {
        std::uint64_t fed = 0;                       // chunks that went to position 0
        std::uint64_t taken = 0;                     // results that came from the last position
        std::vector<std::uint32_t> unopened_sinks;   // jobs of the last position whose links are not open
        bool client_open = true;                     // the links to the client are
    };
    struct Standstill {
        std::string what;           // for people
        std::uint32_t position = 0;  // which stands still
        // The jobs between which nothing comes through; nothing: the coordinator. With several jobs on a side it is
        // not known which, and `between` is not set.
        bool between = false;
        std::optional<Job> from, to;
        bool unopened = false;  // it is a link that does not open
        bool client = false;    // it is the client that has not come
    };

    explicit RunWatch(const wire::AppSpec& app);

    // A new wiring: nothing is known of its jobs. `turns`: so long may jobs that share slots wait for others to give way.
    void begin(TimePoint now, Duration turns = {});
    void heard(const std::vector<wire::JobProgress>& jobs);

    // While links are being opened, and while chunks flow. Called a few times a second.
    std::optional<Standstill> check_links(TimePoint now, const Ends& ends);
    std::optional<Standstill> check_flow(TimePoint now, const Ends& ends);

  private:
    std::optional<Standstill> unopened_link(const Ends& ends) const;
    std::string called(std::uint32_t position) const;
    std::uint64_t handed_on(std::uint32_t position) const;
    std::vector<std::uint64_t> counts(const Ends& ends) const;
    Standstill at(std::uint32_t position) const;

    const wire::AppSpec& app_;
    std::size_t jobs_wanted_ = 0;
    Duration longest_transfer_{}, turns_{};
    std::map<Job, wire::JobProgress> jobs_;
    TimePoint began_, moved_;
    std::optional<TimePoint> loaded_;     // every device is
    std::vector<std::uint64_t> counted_;  // when something moved last: fed, handed on by each position, taken
};

}  // namespace fard
