// Where chunks leave: the links to the jobs of the next position, with the rule who gets which chunk. Jobs and both ends
// of a run move chunks through one of these. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/peer/link.hpp"

namespace fard {

// Replicas get so many chunks each in turn, from the one with index `first` on.
struct Spread {
    std::uint64_t chunks = 1, first = 0;
};

class Outlet {
  public:
    enum class To {
        any,   // replicas: the one with the fewest unacknowledged chunks gets it
        each,  // parts: every one gets it
        by_index,  // replicas that get theirs in turn, by the chunk's index alone: parts must all choose the same one
    };

    Outlet() = default;  // leads nowhere
    explicit Outlet(std::vector<LinkSender> links, To to = To::any, Spread spread = {});

    bool empty() const { return links_.empty(); }
    std::size_t size() const { return links_.size(); }

    bool open();  // sends what is due of the LINK_OPENs; true once all are out

    // false: not now. With `each` some may have got it then: offer the same chunk until it says true.
    bool push(Chunk& chunk);

    void poll_credit();               // takes the credits that have come; push does what it needs
    std::uint64_t sent() const;       // chunks that have left (with `each`: to everyone)
    std::uint64_t confirmed() const;  // of these, taken (with `each`: by everyone)
    // How many of `wanted` chunks, from `index` on without a gap, may be pushed before the next credit.
    std::uint64_t room(std::uint64_t index, std::uint64_t wanted) const;
    bool has_room() const;            // a link's window is not used up (with `each`: that of every link that lacks it)
    std::optional<std::size_t> lost();  // the number of a link whose connection broke

    void flush_paced();             // as LinkSender::flush_paced, of every link
    TimePoint paced_until() const;  // of the link where it is due first
    std::size_t paced() const;      // how many wait, on all links

    // Calls `wait` with each descriptor that is readable when trying again may help, after push() or open() said false.
    void waits_for(const std::function<void(int fd)>& wait) const;
    void waits_for_credit(const std::function<void(int fd)>& wait) const;  // after poll_credit()
    void waits_for_opening(const std::function<void(int fd)>& wait);

    // `on_ready`: credits may have come, a connection came up, has place again, or broke.
    std::unique_ptr<Socket::Watch> watch(Loop& loop, const std::function<void()>& on_ready);

  private:
    bool push_to_each(Chunk& chunk);
    std::size_t by_index(std::uint64_t index) const;

    std::vector<LinkSender> links_;
    To to_ = To::any;
    Spread spread_;
    LinkSender* chosen_ = nullptr;  // where push failed; nullptr: every window is used up
    std::vector<bool> owed_;        // who lacks the chunk that is being pushed; empty: none is
};

}  // namespace fard
