// When what is told to whom, so that all come to know the same: news at once, a digest each second (less often where
// everyone hears those of many), and the differences from a peer whose digest is another one. Without sockets, in whatever time it is told.
#pragma once

#include <optional>
#include <vector>

#include "runtime/peer/membership.hpp"

namespace fard {

class Gossip {
  public:
    explicit Gossip(Membership& membership) : membership_(membership) {}

    void begin(TimePoint first_digest) { next_digest_ = first_digest; }  // else at once

    struct Deeds {
        std::vector<wire::News> news;         // to be published
        std::optional<wire::Digest> digest;   // to be published
        std::optional<PeerId> sync_with;      // to be sent Membership::our_sync(); then answered() must be called
    };
    // To be called after anything was heard or published, and at next() at the latest.
    Deeds due(TimePoint now);
    TimePoint next() const;

    void heard(const PeerId& from, const wire::Digest& digest);
    void answered(TimePoint now);  // the SYNC, or it was not; after what came with it was given to the membership

  private:
    struct Other {
        PeerId peer;
        wire::Digest digest;
    };
    struct Tried {
        Other other;
        wire::Digest ours;
    };
    bool differs(TimePoint now);

    Membership& membership_;
    TimePoint last_digest_{}, next_digest_{}, next_news_{}, next_sync_{};
    std::optional<Other> other_;  // whose digest is not ours
    std::optional<Tried> tried_;
    wire::Digest asked_with_;
    bool asking_ = false;
};

}  // namespace fard
