// Which chunks of a run were admitted, sent, answered and acknowledged: exactly one result per chunk, in
// order.
//
//   admit -> unsent -> sent -> result -> handed over -> acknowledged (forgotten)
//              ^--------+  a loss: every chunk without a result is unsent again
//
// Pure bookkeeping; owns the chunks' frames. The bytes of all chunks without an acknowledged result stay within the
// window (or one chunk, if that alone is larger), each counted as its input or its result, whichever is larger: first
// the one is held, then the other.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "runtime/peer/link.hpp"

namespace fard {

class ChunkLedger {
  public:
    // `chunk_bytes`: of an input or of a result. `chunks`: how many will be admitted.
    ChunkLedger(std::uint64_t window_bytes, std::uint64_t chunk_bytes,
                std::uint64_t chunks = std::numeric_limits<std::uint64_t>::max());

    bool may_admit() const;
    // false: the index was admitted before, or is lower than one that was (clients send in ascending order), or there
    // are more of them than were announced; dropped and counted as a duplicate.
    bool admit(Chunk chunk);

    // The lowest chunk that was not sent in this wiring, as another reference to its bytes; nothing if there
    // is none.
    std::optional<Chunk> next_to_send() const;
    void sent(std::uint64_t index);

    // Takes a result once per index; false: a duplicate or a chunk that nobody admitted, dropped and counted.
    bool result(Chunk chunk);

    // The next result in order that was not handed over, as another reference; nothing if it is not there
    // yet.
    std::optional<Chunk> next_result() const;
    void handed_over(std::uint64_t index);

    // The client has the first `count` results that were handed over: their bytes leave the window.
    void acknowledged(std::uint64_t count);

    // The lowest index of a chunk that has no result, as far as is known.
    std::uint64_t first_left() const;

    // A new wiring: chunks without a result are to be sent again.
    void rewire();

    std::uint64_t admitted() const { return admitted_; }
    std::uint64_t results() const { return results_; }
    std::uint64_t acknowledged() const { return acknowledged_; }
    std::uint64_t replays() const { return replays_; }
    std::uint64_t duplicates() const { return duplicates_; }

  private:
    struct Entry {
        Chunk input;
        std::optional<Chunk> result;  // then `input` is empty
        bool sent = false;
        bool ever_sent = false;
        bool handed_over = false;
    };
    std::uint64_t window_bytes_, chunk_bytes_, chunks_;
    std::map<std::uint64_t, Entry> entries_;  // admitted and not acknowledged
    std::set<std::uint64_t> unsent_;
    std::optional<std::uint64_t> last_admitted_;
    std::uint64_t next_out_ = 0;  // lowest index that may still be handed over
    std::uint64_t admitted_ = 0, results_ = 0, acknowledged_ = 0, replays_ = 0, duplicates_ = 0;
};

}  // namespace fard
