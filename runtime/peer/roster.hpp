// The members of the mesh in the order of their ids, which is also the ring that heartbeats go around, with a digest by
// which two peers see whether they know the same, and in which part they differ. docs/protocol.md says how it is made.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "runtime/peer/messages_mesh.hpp"

namespace fard {

// Copies share their records.
class Roster {
  public:
    using Entry = std::shared_ptr<const wire::Record>;
    static constexpr std::size_t buckets = 64;

    std::size_t size() const { return entries_.size(); }
    const wire::Record& operator[](std::size_t place) const { return *entries_[place]; }
    const wire::Record* find(const PeerId& peer) const;  // until the next change
    std::size_t place_of(const PeerId& peer) const;      // of the first one that is not before it

    void put(wire::Record record);  // in place of the one of the same peer
    void erase(const PeerId& peer);

    std::vector<Entry>::const_iterator begin() const { return entries_.begin(); }
    std::vector<Entry>::const_iterator end() const { return entries_.end(); }

    wire::Digest digest() const;
    const std::array<std::uint64_t, buckets>& sums() const { return sums_; }
    static std::size_t bucket_of(const PeerId& peer);

  private:
    void count(const wire::Record& record, bool in);

    std::vector<Entry> entries_;
    std::array<std::uint64_t, buckets> sums_{};  // of the hashes of their members
};

}  // namespace fard
