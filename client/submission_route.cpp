#include "client/submission_route.hpp"

#include <algorithm>
#include <utility>

namespace fard {

SubmissionRoute::SubmissionRoute(std::vector<Address> doors, TimePoint now, Options options)
    : doors_(std::move(doors)), untried_(doors_), since_(now), options_(options) {}

Result<SubmissionRoute::Step> SubmissionRoute::next(TimePoint now) {
    auto when = now;
    if (untried_.empty()) {
        untried_ = doors_;
        when += options_.pause;
    }
    if (untried_.empty() || when - since_ > options_.give_up_after) {
        std::string list;
        for (const auto& tried : tried_)
            list += (list.empty() ? "" : "; ") + tried.door.endpoint.text() + ": " + tried.why;
        return fail(Fault::unreachable,
                    "no node manager takes the run ({} tried for {:.1f} s: {}); see `fard status`",
                    tried_.size(), std::chrono::duration<double>(now - since_).count(),
                    list.empty() ? "none is known" : list);
    }
    current_ = untried_.front();
    untried_.erase(untried_.begin());
    return Step{current_, when};
}

void SubmissionRoute::taken(const std::vector<wire::Member>& listed) {
    held_ = true;
    tried_.clear();
    members(listed);
}

bool SubmissionRoute::all_absent() const {
    return std::ranges::all_of(doors_, [&](const Address& door) {
        return std::ranges::any_of(tried_, [&](const Tried& tried) { return tried.door == door && tried.absent; });
    });
}

std::string SubmissionRoute::doors_text() const {
    std::string text;
    for (const auto& door : doors_)
        text += (text.empty() ? "" : ", ") + door.endpoint.text();
    return text;
}

void SubmissionRoute::lost(const std::string& why, TimePoint now, bool absent) {
    const auto same =
        std::find_if(tried_.begin(), tried_.end(), [&](const Tried& t) { return t.door == current_; });
    if (std::exchange(held_, false)) since_ = now;
    if (same != tried_.end()) {
        same->why = why;
        same->absent = absent;
    } else {
        tried_.push_back({current_, why, absent});
    }
}

void SubmissionRoute::members(const std::vector<wire::Member>& listed) {
    if (listed.empty()) return;
    std::vector<Address> doors;
    for (const auto& member : listed) {
        const bool known = std::find(doors.begin(), doors.end(), member.door()) != doors.end();
        if (!member.front_door.empty() && !known) doors.push_back(member.door());
    }
    const auto here = std::find(doors.begin(), doors.end(), current_);
    if (here != doors.end())
        std::rotate(doors.begin(), here + 1, doors.end());  // the current one last
    else
        doors.push_back(current_);  // it gives itself another address, at which we need not reach it
    doors_ = std::move(doors);
    untried_ = doors_;
}

}  // namespace fard
