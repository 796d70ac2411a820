#include "client/package_offer.hpp"

#include <algorithm>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

PackageOffer::PackageOffer(Loop& loop, const Archives& archives, Duration limit, Ask ask, Events events)
    : loop_(loop), archives_(archives), limit_(limit), ask_(std::move(ask)), events_(std::move(events)) {}

PackageOffer::Package* PackageOffer::find(const std::string& id) {
    const auto found = std::ranges::find(packages_, id, &Package::id);
    return found == packages_.end() ? nullptr : &*found;
}

void PackageOffer::want(const std::vector<std::string>& packages) {
    for (const auto& id : packages) {
        if (failed_) return;
        if (find(id)) continue;
        const auto archive = archives_.find(id);
        if (archive == archives_.end())
            return fail_with({Fault::not_found, "the node manager asks for package " + id});
        packages_.push_back({id, archive->second, false, 0, 0, PieceSet(archive->second->size())});
        look(id);
    }
    if (packages_.empty()) loop_.post(lifetime_.guarded([this] {
            if (packages_.empty() && !failed_) events_.done();
        }));
}

// What of it is there already: of an attempt before, or of another client's.
void PackageOffer::look(const std::string& id) {
    ask_(wire::Holds{id, 0, 0}, limit_, lifetime_.guarded([this, id](const Result<wire::Body>& answer) {
             auto* package = find(id);
             if (!package || failed_) return;
             if (!answer) return fail_with(answer.error());
             const auto* held = answer->as<wire::Held>();
             const auto there = held ? PieceSet::of(*held) : Result<PieceSet>(PieceSet());
             if (there && there->total() == package->archive->size()) package->there = *there;
             package->known = true;
             pump();
         }));
}

void PackageOffer::pump() {
    for (auto& package : packages_) {
        if (!package.known) break;  // in order, so that the first boards have theirs soon
        while (under_way_ < window_.size() && send_next(package)) {
        }
    }
    const bool over = std::erase_if(packages_, [](const Package& package) {
        return package.known && package.next >= package.there.count() && package.open == 0;
    }) > 0;
    if (over && packages_.empty()) events_.done();
}

// False: nothing of it is left to send. The last piece is answered when the whole is verified: it is not counted,
// so that the next package goes on meanwhile.
bool PackageOffer::send_next(Package& package) {
    while (package.there.has(package.next))
        ++package.next;
    if (package.next >= package.there.count()) return false;
    const auto number = package.next++;
    const auto offset = package.there.offset(number);
    while (package.there.has(package.next))
        ++package.next;
    const bool counted = package.next < package.there.count();
    wire::Offer offer{{package.id, offset, package.archive->size(),
                       package.archive->substr(offset, package.there.size(number))}};
    ++package.open;
    under_way_ += counted;
    ask_(std::move(offer), limit_,
         lifetime_.guarded([this, id = package.id, sent = loop_.now(), counted](const Result<wire::Body>& answer) {
             answered(id, sent, counted, answer);
         }));
    return true;
}

void PackageOffer::answered(const std::string& id, TimePoint sent, bool counted, const Result<wire::Body>& answer) {
    if (failed_) return;
    under_way_ -= counted;
    if (!answer) return fail_with(answer.error());
    if (counted) window_.answered(loop_.now() - sent);
    if (auto* package = find(id)) --package->open;
    pump();
}

void PackageOffer::fail_with(const Error& why) {
    failed_ = true;
    loop_.post(lifetime_.guarded([this, why] { events_.failed(why); }));
}

}  // namespace fard
