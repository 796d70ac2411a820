#include "runtime/node_manager/package_service.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

constexpr Duration longest_wait = 1s;    // before HOLDS and GATHER are answered with what there is
constexpr Duration gather_interest = 15s;  // a package is fetched so long after a GATHER that named it

// Answers once: when something has come about, or after a while with what there is.
struct Waiting {
    Reply reply;
    OverlayStore::WatchId watch = 0;
    Loop::TimerId timer = 0;
    bool over = false;
};

}  // namespace

wire::Body answer_of(const Result<>& result) {
    return result ? wire::Body(wire::Done{}) : wire::Body(refused(result.error()));
}

PackageService::PackageService(Loop& loop, OverlayStore& store, PackageFetch& fetch)
    : loop_(loop), store_(store), fetch_(fetch), kept_alarm_(loop) {}

bool PackageService::serve(const wire::Body& body, Reply& reply) {
    if (const auto* fetch = body.as<wire::Fetch>()) {
        store_.piece(*fetch, [reply = std::move(reply)](Result<wire::Piece> piece) {
            reply(piece ? wire::Body(std::move(*piece)) : wire::Body(refused(piece.error())));
        });
    } else if (const auto* asked = body.as<wire::Holds>()) {
        holds(*asked, std::move(reply));
    } else if (const auto* offer = body.as<wire::Offer>()) {
        store_.take(offer->piece,
                    [reply = std::move(reply)](const Result<>& result) { reply(answer_of(result)); });
    } else if (const auto* wish = body.as<wire::Gather>()) {
        gather(*wish, std::move(reply));
    } else {
        return false;
    }
    return true;
}

void PackageService::holds(const wire::Holds& holds, Reply reply) {
    if (!store_.has(holds.package)) return tell_held(holds, std::move(reply));
    // Nobody is told of a package that may be damaged.
    store_.verify(holds.package, [this, holds, reply = std::move(reply), life = lifetime_.watch()](const Result<>&) {
        if (!life.over()) tell_held(holds, reply);
    });
}

void PackageService::tell_held(const wire::Holds& holds, Reply reply) {
    const auto id = holds.package;
    if (const auto here = store_.held(id); here.held() > holds.known || holds.wait_ms == 0)
        return reply(here.to_held(id));
    auto waiting = std::make_shared<Waiting>();
    waiting->reply = std::move(reply);
    const auto answer = [this, id, waiting, life = lifetime_.watch()] {
        if (life.over() || std::exchange(waiting->over, true)) return;
        store_.unwatch(waiting->watch);
        loop_.cancel(waiting->timer);
        waiting->reply(store_.held(id).to_held(id));
    };
    waiting->watch = store_.watch(id, [this, id, known = holds.known, answer] {
        if (store_.held(id).held() != known) answer();
    });
    const auto wait = std::chrono::milliseconds(std::min<std::uint64_t>(holds.wait_ms, 1000));
    waiting->timer = loop_.call_after(std::min<Duration>(longest_wait, wait), answer);
}

wire::GatheredPackage PackageService::state(const std::string& id) const {
    const auto here = store_.held(id);
    return {id, store_.path(id).has_value(), here.held(), here.total(), 0, {}};
}

void PackageService::gather(const wire::Gather& gather, Reply reply) {
    struct Gathering : Waiting {
        std::vector<std::string> ids;
        std::map<std::string, Error> failed;
        std::size_t missing = 1;
        std::vector<OverlayStore::WatchId> watches;
    };
    auto gathering = std::make_shared<Gathering>();
    gathering->reply = std::move(reply);
    const auto answer = [this, gathering, life = lifetime_.watch()] {
        if (life.over() || std::exchange(gathering->over, true)) return;
        loop_.cancel(gathering->timer);
        for (const auto watch : gathering->watches)
            store_.unwatch(watch);
        wire::Gathered gathered;
        for (const auto& id : gathering->ids) {
            auto& row = gathered.packages.emplace_back(state(id));
            if (const auto failed = gathering->failed.find(id); failed != gathering->failed.end()) {
                row.fault = static_cast<std::uint8_t>(failed->second.fault);
                row.reason = failed->second.message;
            }
        }
        gathering->reply(std::move(gathered));
    };
    const auto one_less = [gathering, answer] {
        if (--gathering->missing == 0) answer();
    };
    gathering->timer = loop_.call_after(longest_wait, answer);
    for (const auto& wish : gather.packages) {
        gathering->ids.push_back(wish.package);
        keep_for_a_while(wish.package);
        ++gathering->missing;  // one that is here is looked at once more
        if (store_.held(wish.package).total() == 0)  // how large it is, is worth an answer
            gathering->watches.push_back(store_.watch(wish.package, [this, id = wish.package, answer] {
                if (store_.held(id).total() > 0) answer();
            }));
        fetch_.fetch(wish.package, wish.sources, gather_interest,
                     [id = wish.package, gathering, one_less](const Result<>& result) {
                         if (!result) gathering->failed.emplace(id, result.error());
                         one_less();
                     });
    }
    one_less();
}

void PackageService::keep_for_a_while(const std::string& id) {
    kept_[id] = {store_.hold(id), loop_.now() + gather_interest};
    if (!kept_alarm_.is_set()) kept_alarm_.set(gather_interest, [this] { let_go(); });
}

void PackageService::let_go() {
    std::erase_if(kept_, [now = loop_.now()](const auto& entry) { return entry.second.until <= now; });
    if (!kept_.empty()) kept_alarm_.set(gather_interest, [this] { let_go(); });
}

}  // namespace fard
