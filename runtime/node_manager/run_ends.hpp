// The two ends of a run at its coordinator: chunks in from the client and on to position 0, results in from
// the last position and on to the client. Moves chunks between links and the ledger; decides nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/node_manager/chunk_ledger.hpp"
#include "runtime/node_manager/run_watch.hpp"
#include "runtime/peer/link.hpp"
#include "runtime/peer/outlet.hpp"

namespace fard {

struct RunEndsTerms {
    RunId run;
    std::uint32_t attempt = 0;
    wire::AppSpec app;
    PublicKey client;  // who may connect to the client's two links
    bool on_board = false;  // the client is on this board
};

class RunEnds {
  public:
    struct Events {
        std::function<void()> opened;              // every link of this wiring is open, in both directions
        std::function<void(const Error&)> broken;  // the client sent what does not fit (shapes, sizes)
        // A link of this wiring was lost: its connection broke a while ago, or what came by it does not fit.
        std::function<void(const Error&)> link_lost;
        std::function<void(const Error&)> client_lost;  // the same of a link to the client
    };
    virtual ~RunEnds() = default;

    // Where the coordinator waits for the client's chunks, and where for it to fetch results; empty before the first
    // bind_sinks, for a run that waits for its places holds nothing.
    virtual std::vector<wire::LinkEndpoint> client_ends() const = 0;

    // Binds the sinks of a new wiring, one per job of the last position; the former wiring's links are closed
    // after what had arrived on them was taken.
    // `senders`: the keys of these jobs, who alone may connect; empty without keys.
    virtual Result<std::vector<wire::LinkEndpoint>> bind_sinks(Epoch epoch, const std::vector<PublicKey>& senders) = 0;
    // Connects to the jobs of position 0. `spread`: how its replicas share chunks; none: who has the fewest gets the next.
    virtual Result<> connect_feeders(Epoch epoch, const std::vector<wire::LinkEndpoint>& receivers, const std::optional<Spread>& spread) = 0;
    // Chunks flow from now on (before, only links are opened; the client's are taken from the first bind_sinks on).
    virtual void start() = 0;
    // Takes what has arrived, then closes the links of the wiring.
    virtual void unwire() = 0;
    virtual RunWatch::Ends standing() const = 0;
};

// The real ones, on links; `place` as in LinkReceiver::bind. `pacer`: what this board charges for its links with the jobs, null for
// nothing; outlives them.
Result<std::unique_ptr<RunEnds>> make_link_ends(Loop& loop, SocketFactory& sockets, const std::string& place,
                                                const RunEndsTerms& terms, ChunkLedger& ledger,
                                                RunEnds::Events events, Pacer* pacer = nullptr);

}  // namespace fard
