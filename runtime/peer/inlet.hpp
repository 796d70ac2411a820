// Where chunks come in: the links from the jobs of the position before, with the rule what makes a chunk. Jobs and both
// ends of a run take chunks through one of these. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/peer/channel_join.hpp"
#include "runtime/peer/link.hpp"

namespace fard {

class Inlet {
  public:
    enum class From {
        any,   // replicas: each chunk comes from one of them; they are asked in turn
        join,  // parts: a chunk is made of one from each, with the same index; its tensors are theirs, in link order
    };

    Inlet() = default;  // nothing comes
    explicit Inlet(std::vector<LinkReceiver> links, From from = From::any);
    Inlet(std::vector<LinkReceiver> links, ChannelJoin channels);  // `join`, and the tensors are those of the whole

    bool empty() const { return links_.empty(); }
    std::size_t size() const { return links_.size(); }
    void admit(std::size_t link, const PublicKey& sender) { links_[link].admit(sender); }  // see LinkReceiver::admit
    const LinkReceiver& link(std::size_t number) const { return links_[number]; }

    // The next chunk, if one is there, into memory that is used again; false: none, and `chunk` is empty. Several
    // may be asked for before one is taken. Errors: those of LinkReceiver::receive.
    Result<bool> receive(Chunk& chunk);

    // The same, but waits for it, or until a signal interrupts the wait. Only with one link.
    Result<bool> await(Chunk& chunk);

    // On each link; see LinkReceiver::reserve. Who sends then waits for room for many chunks at once: pieces of which none is complete
    // take none of it.
    void reserve(std::uint64_t chunks);
    // Of the chunks that came, the next one was handed on or kept: counts towards the credits. `waited_for`: see
    // LinkReceiver::taken; only with one link.
    void taken(bool waited_for = false);
    bool flush_credit();        // tells all that was taken; false: some could not be told yet
    bool credit_due() const;    // telling one was tried and has not succeeded since
    std::uint64_t count() const { return taken_; }  // chunks taken

    std::uint64_t unopened() const;       // bit i: link i is not open (the first 64)
    bool opened() const;                  // every link is
    std::optional<std::size_t> lost();    // the number of a link whose connection broke

    Result<> come_in();             // as LinkReceiver::come_in, of every link
    TimePoint paced_until() const;  // of the link where it is due first
    void waits_for(const std::function<void(int fd)>& wait) const;  // descriptors, readable when a chunk may be there
    std::unique_ptr<Socket::Watch> watch(Loop& loop, const std::function<void()>& on_ready);

  private:
    struct Parts {
        std::vector<Chunk> chunks;  // by link; one that is there has tensors
        std::size_t there = 0;
    };
    Result<bool> join(Chunk& chunk);
    void make_place();

    std::vector<LinkReceiver> links_;
    From from_ = From::any;
    std::size_t turn_ = 0;                    // the link that was asked last
    std::deque<std::size_t> came_;            // with several links: where each chunk came from that is not taken yet
    std::optional<ChannelJoin> channels_;
    std::map<std::uint64_t, Parts> waiting_;  // by index
    // Of each link: chunks of its that wait, and how many of these its sender has been told are taken, because they fill its
    // window while none is complete, nor is one that was yet to be taken. Parts that were fed by replicas, or that feed them, may each hold what the others lack; so
    // nobody waits for ever, and what waits here is no more than what may lie between the parts and who feeds them.
    std::vector<std::uint64_t> held_, ahead_;
    std::uint64_t joined_ = 0;  // complete chunks that are not taken yet
    bool reserved_ = false;
    std::uint64_t taken_ = 0;
};

}  // namespace fard
