// Gets packages that this board lacks from those who have them, whole or in part: from all of them at once, each
// piece from one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/lifetime.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/node_manager/overlay_store.hpp"
#include "runtime/peer/courier.hpp"
#include "runtime/peer/ids.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// Somebody who has packages. Destroying it drops what was asked for.
class PieceSource {
  public:
    virtual ~PieceSource() = default;
    // `answer` is called from the loop, once, not from within ask; it may destroy the source.
    virtual void ask(wire::Body question, Duration deadline, Answer answer) = 0;
};
using KnockAtSource = std::function<Result<std::unique_ptr<PieceSource>>(const Address& front_door)>;

// The real sources: front doors of other node managers.
KnockAtSource front_door_sources(Loop& loop, SocketFactory& sockets);

// No limit on the whole: a package may take as long as its pieces keep coming.
struct FetchLimits {
    Duration answer = std::chrono::seconds(5);    // of a source, to HOLDS; then it is left
    Duration piece = std::chrono::seconds(30);    // of a source, to FETCH
    Duration grace = std::chrono::seconds(2);     // for a piece to come from another board that fetches the package too
    Duration overdue = std::chrono::seconds(10);  // then a piece is asked of another source too
    Duration pause = std::chrono::seconds(2);     // before a source that failed is tried again, if it is named again
    Duration patience = std::chrono::seconds(20); // with sources that are there and have nothing that is missing
    std::size_t sources = 6;                      // at a time, for one package
};

// Lives on the node manager's loop.
class PackageFetch {
  public:
    PackageFetch(Loop& loop, OverlayStore& store, KnockAtSource knock, FetchLimits limits = {});
    ~PackageFetch();  // pending callbacks are dropped

    // Brings the package into the store, verified. The sources: who gives it first, then who is getting it too. What is being fetched already is waited for, from these
    // sources too; what comes in otherwise (OFFER) counts. `done` is called from the loop. If `interest` passes
    // without another call the fetch is dropped, with `cancelled`. Errors: corrupt (no source has it as its id
    // says), unreachable, not_found, refused, io; they name every source and what came of it.
    void fetch(const std::string& id, const std::vector<Address>& sources, Duration interest,
               std::function<void(Result<>)> done);

    // This board's own front door, which is no source for it.
    void set_self(Endpoint front_door) { self_ = std::move(front_door); }

    std::size_t under_way() const { return under_way_.size(); }

  private:
    struct Fetching;
    struct Source;
    void begin(Fetching& fetching);
    void look(Fetching& fetching);
    void knock(Fetching& fetching, Source& source);
    void ask_holds(Fetching& fetching, Source& source);
    void told(Fetching& fetching, Source& source, const Result<wire::Body>& answer);
    void pump(Fetching& fetching);
    struct Share {
        std::size_t of = 1, rank = 0;
    };
    Share share_of(const Fetching& fetching, const Source& source) const;
    void ask_pieces(Fetching& fetching, Source& source);
    void got(Fetching& fetching, Source& source, std::size_t number, TimePoint asked, Result<wire::Body> answer);
    void taken(Fetching& fetching, std::size_t number, const Result<>& result);
    void spoiled(Fetching& fetching, const Error& error);
    void leave(Fetching& fetching, Source& source, const Error& why);
    void end(Fetching& fetching, Result<> result);
    // A handler that does nothing once this fetching, or all of us, is over.
    template <typename Handler>
    auto guarded(Fetching& fetching, Handler handler);

    Loop& loop_;
    OverlayStore& store_;
    KnockAtSource knock_;
    FetchLimits limits_;
    Endpoint self_;
    std::map<std::string, std::shared_ptr<Fetching>> under_way_;
    Lifetime lifetime_;
};

}  // namespace fard
