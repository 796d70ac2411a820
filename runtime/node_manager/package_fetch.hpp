// Gets packages that this board lacks from the boards that have them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/node_manager/overlay_store.hpp"
#include "runtime/peer/ids.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// Somebody who has packages. Destroying it drops what was asked for.
class PieceSource {
  public:
    virtual ~PieceSource() = default;
    // `answer` is called from the loop, once, not from within ask; it may destroy the source.
    virtual void ask(const wire::Fetch& fetch, Duration deadline,
                     std::function<void(Result<wire::Piece>)> answer) = 0;
};
using KnockAtSource = std::function<Result<std::unique_ptr<PieceSource>>(const Address& front_door)>;

// The real sources: front doors of other node managers. `self` is who asks.
KnockAtSource front_door_sources(Loop& loop, SocketFactory& sockets);

struct FetchLimits {
    Duration piece = std::chrono::seconds(2);  // for one piece of one source; then the next source
    Duration whole = std::chrono::seconds(9);  // for the package
};

// Lives on the node manager's loop.
class PackageFetch {
  public:
    PackageFetch(Loop& loop, OverlayStore& store, KnockAtSource knock, FetchLimits limits = {});
    ~PackageFetch();  // pending callbacks are dropped

    // Brings the package into the store, trying the sources in order; what is being fetched already is waited
    // for (its sources first, then these). `done` is called from the loop. Errors: timed_out, corrupt (no
    // source has it as its id says), unreachable; they name every source and what came of it.
    void fetch(const std::string& id, const std::vector<Address>& sources,
               std::function<void(Result<>)> done);

    std::size_t under_way() const { return under_way_.size(); }

  private:
    struct Fetching;
    void next_source(Fetching& fetching);
    void next_piece(Fetching& fetching);
    void got(Fetching& fetching, Result<wire::Piece> piece);
    void source_failed(Fetching& fetching, const Error& error);
    void end(Fetching& fetching, Result<> result);

    Loop& loop_;
    OverlayStore& store_;
    KnockAtSource knock_;
    FetchLimits limits_;
    std::map<std::string, std::unique_ptr<Fetching>> under_way_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace fard
