#include "runtime/node_manager/package_fetch.hpp"

#include <algorithm>
#include <deque>

#include "base/alarm.hpp"

namespace fard {

struct PackageFetch::Fetching {
    Fetching(Loop& loop, std::string package) : id(std::move(package)), deadline(loop) {}
    std::string id;
    std::vector<Address> sources;
    std::size_t tried = 0;  // sources that were begun with
    std::unique_ptr<PieceSource> source;
    PieceAssembly pieces;
    Fault fault = Fault::unreachable;
    std::string report;  // what came of each source so far
    std::vector<std::function<void(Result<>)>> waiting;
    Alarm deadline;
};

PackageFetch::PackageFetch(Loop& loop, OverlayStore& store, KnockAtSource knock, FetchLimits limits)
    : loop_(loop), store_(store), knock_(std::move(knock)), limits_(limits) {}

PackageFetch::~PackageFetch() = default;

void PackageFetch::fetch(const std::string& id, const std::vector<Address>& sources,
                         std::function<void(Result<>)> done) {
    auto& fetching = under_way_[id];
    const bool fresh = !fetching;
    if (fresh) fetching = std::make_unique<Fetching>(loop_, id);
    for (const auto& source : sources) {
        if (std::ranges::find(fetching->sources, source) == fetching->sources.end())
            fetching->sources.push_back(source);
    }
    fetching->waiting.push_back(std::move(done));
    if (!fresh) return;
    fetching->deadline.set(limits_.whole, [this, f = fetching.get()] {
        const auto whole = std::chrono::duration<double>(limits_.whole).count();
        end(*f, fail(Fault::timed_out, "package {} did not come within {:g} s ({} of {} bytes){}{}", f->id,
                     whole, f->pieces.held(), f->pieces.total(), f->report.empty() ? "" : ": ", f->report));
    });
    loop_.post([this, f = fetching.get(), alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) next_source(*f);
    });
}

void PackageFetch::next_source(Fetching& fetching) {
    fetching.source.reset();
    fetching.pieces = {};
    while (fetching.tried < fetching.sources.size()) {
        const auto& door = fetching.sources[fetching.tried++];
        auto source = knock_(door);
        if (source) {
            fetching.source = std::move(*source);
            return next_piece(fetching);
        }
        fetching.report +=
            fmt::format("{}{}: {}", fetching.report.empty() ? "" : "; ", door.endpoint, source.error().message);
    }
    end(fetching, fail(fetching.fault, "no board could give package {}: {}", fetching.id,
                       fetching.report.empty() ? "none that has it was named" : fetching.report));
}

void PackageFetch::next_piece(Fetching& fetching) {
    fetching.source->ask({fetching.id, fetching.pieces.next_missing()}, limits_.piece,
                         [this, &fetching](Result<wire::Piece> piece) { got(fetching, std::move(piece)); });
}

void PackageFetch::got(Fetching& fetching, Result<wire::Piece> piece) {
    if (!piece) return source_failed(fetching, piece.error());
    if (piece->package != fetching.id || piece->offset != fetching.pieces.next_missing())
        return source_failed(fetching, {Fault::corrupt, "it answered with another piece"});
    if (auto added = fetching.pieces.add(std::move(*piece)); !added)
        return source_failed(fetching, added.error());
    if (!fetching.pieces.complete()) return next_piece(fetching);
    const auto archive = std::move(fetching.pieces).join();
    if (auto stored = store_.add(fetching.id, archive); !stored)
        return source_failed(fetching, stored.error());
    end(fetching, {});
}

void PackageFetch::source_failed(Fetching& fetching, const Error& error) {
    if (error.fault == Fault::corrupt) fetching.fault = Fault::corrupt;
    if (error.fault == Fault::io) fetching.fault = Fault::io;  // our own disk, most likely
    fetching.report += fmt::format("{}{}: {}", fetching.report.empty() ? "" : "; ",
                                   fetching.sources[fetching.tried - 1].endpoint, error.message);
    next_source(fetching);
}

// The last thing that is done with `fetching`.
void PackageFetch::end(Fetching& fetching, Result<> result) {
    const auto node = under_way_.extract(fetching.id);
    for (const auto& done : node.mapped()->waiting)
        done(result);
}

}  // namespace fard
