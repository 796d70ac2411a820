#include "runtime/node_manager/package_fetch.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "base/alarm.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/flow_window.hpp"

namespace fard {

namespace {

constexpr Duration look_interval = std::chrono::milliseconds(500);
constexpr Duration busy_pause = std::chrono::milliseconds(50);  // for a source that could not give a piece

}  // namespace

struct PackageFetch::Source {
    Address door;
    std::unique_ptr<PieceSource> way;  // none: not knocked at, or left
    PieceSet pieces;                   // that it has, as far as we know
    FlowWindow window;
    bool asking = false;          // what it has
    std::set<std::size_t> asked;  // pieces
    bool gave = false;            // something of what has arrived
    std::optional<Error> failed;
    TimePoint left;
};

struct PackageFetch::Fetching : std::enable_shared_from_this<Fetching> {
    Fetching(Loop& loop, std::string package) : id(std::move(package)), clock(loop) {}
    std::string id;
    std::vector<std::unique_ptr<Source>> sources;
    std::map<std::size_t, TimePoint> seen;    // pieces that somebody has; since when
    std::map<std::size_t, TimePoint> coming;  // pieces that were asked for, or are being written; since when
    const Source* alone = nullptr;     // after a package of several sources was wrong: each by itself
    std::vector<std::function<void(Result<>)>> waiting;
    std::uint64_t held = 0;            // bytes, when it was last looked at
    TimePoint progress, interest;
    std::size_t start = 0;             // where in the package this board begins
    OverlayStore::WatchId watch = 0;
    OverlayStore::Hold hold;
    std::optional<Error> spoiled;
    bool over = false;
    Alarm clock;
};

template <typename Handler>
auto PackageFetch::guarded(Fetching& fetching, Handler handler) {
    return [handler = std::move(handler), weak = fetching.weak_from_this(),
            life = lifetime_.watch()](auto&&... values) {
        const auto keep = life.over() ? nullptr : weak.lock();
        if (keep && !keep->over) handler(std::forward<decltype(values)>(values)...);
    };
}

PackageFetch::PackageFetch(Loop& loop, OverlayStore& store, KnockAtSource knock, FetchLimits limits)
    : loop_(loop), store_(store), knock_(std::move(knock)), limits_(limits) {}

PackageFetch::~PackageFetch() {
    for (const auto& [id, fetching] : under_way_)
        store_.unwatch(fetching->watch);
}

// ---- the beginning and the end

void PackageFetch::fetch(const std::string& id, const std::vector<Address>& sources, Duration interest,
                         std::function<void(Result<>)> done) {
    const auto now = loop_.now();
    auto& fetching = under_way_[id];
    const bool fresh = !fetching;
    if (fresh) fetching = std::make_shared<Fetching>(loop_, id);
    for (const auto& door : sources) {
        if (door.endpoint == self_) continue;
        const auto known = std::ranges::find_if(fetching->sources, [&](const auto& s) { return s->door == door; });
        if (known == fetching->sources.end()) {
            fetching->sources.push_back(std::make_unique<Source>());
            fetching->sources.back()->door = door;
        } else if (!(*known)->way && (*known)->failed && now - (*known)->left > limits_.pause) {
            (*known)->failed.reset();
        }
    }
    fetching->interest = std::max(fetching->interest, now + interest);
    fetching->waiting.push_back(std::move(done));
    if (!fresh) return;
    fetching->progress = now;
    fetching->hold = store_.hold(id);
    fetching->start = std::stoull(random_hex(4), nullptr, 16);
    loop_.post(guarded(*fetching, [this, f = fetching.get()] { begin(*f); }));
}

// What is here already is verified first; a damaged copy makes place for a good one.
void PackageFetch::begin(Fetching& fetching) {
    if (store_.has(fetching.id)) {
        return store_.verify(fetching.id, guarded(fetching, [this, &fetching](Result<> result) {
                                 if (result || result.error().fault == Fault::io)
                                     return end(fetching, std::move(result));
                                 begin(fetching);
                             }));
    }
    fetching.watch = store_.watch(fetching.id, guarded(fetching, [this, &fetching] { pump(fetching); }));
    look(fetching);
}

// Each half second, and when something has changed: is it here, can it still come?
void PackageFetch::look(Fetching& fetching) {
    const auto now = loop_.now();
    fetching.clock.set(look_interval, guarded(fetching, [this, &fetching] { look(fetching); }));
    if (now > fetching.interest)
        return end(fetching, fail(Fault::cancelled, "nobody waits for package {} any more", fetching.id));
    std::size_t open = 0;
    for (const auto& source : fetching.sources)
        open += source->way != nullptr;
    for (const auto& source : fetching.sources) {
        if (open >= limits_.sources) break;
        if (source->way || source->failed) continue;
        knock(fetching, *source);
        open += source->way != nullptr;
    }
    const auto held = store_.held(fetching.id).held();
    if (held != fetching.held) fetching.progress = now;
    fetching.held = held;
    const bool coming = held > 0 && now - fetching.progress < limits_.patience;  // somebody offers it
    if ((open > 0 && now - fetching.progress < limits_.patience) || coming || !fetching.coming.empty())
        return pump(fetching);
    std::string report;
    Fault fault = open > 0 ? Fault::not_found : Fault::unreachable;
    for (const auto& source : fetching.sources) {
        const auto why = source->failed ? source->failed->message
                                        : fmt::format("has {} bytes of it, and no more came", source->pieces.held());
        report += fmt::format("{}{}: {}", report.empty() ? "" : "; ", source->door.endpoint, why);
        if (source->failed && source->failed->fault == Fault::corrupt) fault = Fault::corrupt;
    }
    end(fetching, fail(fault, "no board could give package {}: {}", fetching.id,
                       report.empty() ? "none that has it was named" : report));
}

// The last thing that is done with `fetching`.
void PackageFetch::end(Fetching& fetching, Result<> result) {
    store_.unwatch(fetching.watch);
    fetching.over = true;
    fetching.clock.clear();
    auto node = under_way_.extract(fetching.id);
    const auto keep = node.mapped();
    loop_.post([keep] {});  // a source's answer may have led here
    for (const auto& done : keep->waiting)
        done(result);
}

// ---- sources

void PackageFetch::knock(Fetching& fetching, Source& source) {
    auto way = knock_(source.door);
    if (!way) {
        source.failed = way.error();
        source.left = loop_.now();
        return;
    }
    source.way = std::move(*way);
    source.pieces = PieceSet();
    source.window = {};
    ask_holds(fetching, source);
}

// One question is always open at each source that has not got everything: the answer comes when it has more.
void PackageFetch::ask_holds(Fetching& fetching, Source& source) {
    if (!source.way || std::exchange(source.asking, true)) return;
    source.way->ask(wire::Holds{fetching.id, source.pieces.held(), 1000}, limits_.answer,
                    guarded(fetching, [this, &fetching, &source](const Result<wire::Body>& answer) {
                        if (source.way) told(fetching, source, answer);
                    }));
}

void PackageFetch::told(Fetching& fetching, Source& source, const Result<wire::Body>& answer) {
    source.asking = false;
    if (!answer) return leave(fetching, source, answer.error());
    const auto* held = answer->as<wire::Held>();
    auto pieces = held ? PieceSet::of(*held)
                       : Result<PieceSet>(fail(Fault::corrupt, "answered HOLDS with {}", wire::name_of(*answer)));
    if (!pieces) return leave(fetching, source, pieces.error());
    source.pieces = std::move(*pieces);
    if (!source.pieces.complete()) ask_holds(fetching, source);
    pump(fetching);
}

void PackageFetch::leave(Fetching& fetching, Source& source, const Error& why) {
    source.failed = why;
    source.left = loop_.now();
    for (const auto piece : source.asked)
        fetching.coming.erase(piece);
    fetching.progress = loop_.now();  // the others may take over
    source.asked.clear();
    source.asking = false;
    loop_.post([way = std::shared_ptr<PieceSource>(std::move(source.way))] {});
    if (fetching.alone == &source) fetching.alone = nullptr;
    look(fetching);
}

// ---- pieces

void PackageFetch::pump(Fetching& fetching) {
    if (store_.path(fetching.id)) return end(fetching, {});
    if (fetching.spoiled && !fetching.alone) {
        for (const auto& source : fetching.sources)
            if (!fetching.alone && source->way && source->pieces.complete()) fetching.alone = source.get();
    }
    for (const auto& source : fetching.sources)
        if (source->way && (!fetching.alone || fetching.alone == source.get())) ask_pieces(fetching, *source);
}

// Boards that fetch the same package at the same time share it out: each takes its own part of the pieces from who
// gives it, and the others' from them. The first source gives, and who has all of it; the rest are fellows.
PackageFetch::Share PackageFetch::share_of(const Fetching& fetching, const Source& source) const {
    const bool gives = &source == fetching.sources.front().get() || source.pieces.complete();
    if (!gives) return {};
    std::vector<Endpoint> fellows{self_};
    for (std::size_t i = 1; i < fetching.sources.size(); ++i)
        if (const auto& other = *fetching.sources[i]; other.way && !other.pieces.complete()) fellows.push_back(other.door.endpoint);
    std::ranges::sort(fellows);
    const auto rank = std::ranges::find(fellows, self_) - fellows.begin();
    return {fellows.size(), static_cast<std::size_t>(rank)};
}

// The rarest first, those from `start` on before the others.
void PackageFetch::ask_pieces(Fetching& fetching, Source& source) {
    const auto here = store_.held(fetching.id);
    const auto count = source.pieces.count();
    const auto share = share_of(fetching, source);
    while (source.asked.size() < source.window.size()) {
        std::optional<std::size_t> best;
        std::size_t fewest = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const auto piece = (fetching.start + i) % count;
            if (!source.pieces.has(piece) || here.has(piece) || source.asked.contains(piece)) continue;
            const auto seen = fetching.seen.try_emplace(piece, loop_.now()).first->second;
            if (piece % share.of != share.rank && loop_.now() - seen < limits_.grace) continue;
            const auto since = fetching.coming.find(piece);
            if (since != fetching.coming.end() && loop_.now() - since->second < limits_.overdue) continue;
            const auto owners = static_cast<std::size_t>(std::ranges::count_if(
                fetching.sources, [&](const auto& other) { return other->way && other->pieces.has(piece); }));
            if (best && owners >= fewest) continue;
            best = piece;
            fewest = owners;
            if (owners == 1) break;
        }
        if (!best) return;
        source.asked.insert(*best);
        fetching.coming[*best] = loop_.now();
        source.way->ask(wire::Fetch{fetching.id, source.pieces.offset(*best)}, limits_.piece,
                        guarded(fetching, [this, &fetching, &source, piece = *best,
                                           asked = loop_.now()](Result<wire::Body> answer) {
                            got(fetching, source, piece, asked, std::move(answer));
                        }));
    }
}

void PackageFetch::got(Fetching& fetching, Source& source, std::size_t number, TimePoint asked,
                       Result<wire::Body> answer) {
    if (source.asked.erase(number) == 0) return;  // it was left meanwhile
    if (!answer && (answer.error().fault == Fault::not_found || answer.error().fault == Fault::refused)) {
        fetching.coming.erase(number);  // it has made room, or has too much to do
        source.pieces = PieceSet();
        source.window = {};
        loop_.call_after(busy_pause, guarded(fetching, [this, &fetching, &source] { ask_holds(fetching, source); }));
        return;
    }
    if (!answer) {
        fetching.coming.erase(number);
        return leave(fetching, source, answer.error());
    }
    source.window.answered(loop_.now() - asked);
    auto* piece = answer->as<wire::Piece>();
    if (!piece || piece->package != fetching.id || piece->offset != source.pieces.offset(number)) {
        fetching.coming.erase(number);
        return leave(fetching, source, {Fault::corrupt, "it answered with another piece"});
    }
    source.gave = true;
    store_.take(std::move(*piece), guarded(fetching, [this, &fetching, number](const Result<>& result) {
                    taken(fetching, number, result);
                }));
    pump(fetching);
}

void PackageFetch::taken(Fetching& fetching, std::size_t number, const Result<>& result) {
    fetching.coming.erase(number);
    if (result) return pump(fetching);
    if (result.error().fault == Fault::corrupt) return spoiled(fetching, result.error());
    end(fetching, result);  // our own disk, or no room
}

// The whole is not what its id says. If one source gave all of it, it is that one's fault; else each source is asked
// by itself, until one has it right.
void PackageFetch::spoiled(Fetching& fetching, const Error& error) {
    fetching.spoiled = error;
    fetching.coming.clear();
    std::vector<Source*> givers;
    for (const auto& source : fetching.sources) {
        source->asked.clear();
        if (std::exchange(source->gave, false)) givers.push_back(source.get());
    }
    if (givers.size() == 1) return leave(fetching, *givers.front(), error);
    pump(fetching);
}

}  // namespace fard
