// The client's side of "every chunk exactly one result, in order": which chunks of a run are still to be sent
// in this attempt, and which results are there. Pure bookkeeping; owns the chunks' frames until their results
// are there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "runtime/peer/link.hpp"

namespace fard {

class SubmissionChunks {
  public:
    // Chunk i of the run has the tensors data[i].
    explicit SubmissionChunks(std::vector<std::vector<Frame>> data);

    // The lowest chunk without a result that was not sent in this attempt, as another reference to its bytes.
    std::optional<Chunk> next_to_send() const;
    void sent(std::uint64_t index);

    // Takes a result once per index; false: a duplicate, or an index that the run does not have: dropped and
    // counted.
    bool result(Chunk chunk);
    // The next result in order, once; nothing if it is not there yet.
    std::optional<Chunk> next_result();

    // Another coordinator: every chunk without a result is to be sent again.
    void next_attempt();

    std::uint64_t size() const { return entries_.size(); }
    std::uint64_t results() const { return results_; }
    std::uint64_t remaining() const { return size() - results_; }
    std::uint64_t duplicates() const { return duplicates_; }
    std::uint64_t replays() const {
        return replays_;
    }  // chunks sent in more than one attempt, once per repetition

  private:
    struct Entry {
        std::vector<Frame> input;  // empty once the result is there
        bool ever_sent = false;
        bool has_result = false;
    };
    void skip_answered();

    std::vector<Entry> entries_;
    std::map<std::uint64_t, Chunk> early_;  // results that came before one with a lower index
    std::uint64_t next_send_ = 0;
    std::uint64_t next_result_ = 0;
    std::uint64_t results_ = 0, duplicates_ = 0, replays_ = 0;
};

}  // namespace fard
