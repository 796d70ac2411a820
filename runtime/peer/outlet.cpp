#include "runtime/peer/outlet.hpp"

#include <algorithm>
#include <limits>

#include "runtime/peer/watch_each.hpp"

namespace fard {

Outlet::Outlet(std::vector<LinkSender> links, To to, Spread spread) : links_(std::move(links)), to_(to), spread_(spread) {
    spread_.chunks = std::max<std::uint64_t>(1, spread_.chunks);
}

bool Outlet::open() {
    bool all = true;
    for (auto& link : links_)
        all = link.open() && all;
    return all;
}

bool Outlet::push(Chunk& chunk) {
    if (to_ == To::each) return push_to_each(chunk);
    chosen_ = to_ == To::by_index ? &links_[by_index(chunk.index)] : fewest_unacknowledged(links_);
    return chosen_ != nullptr && chosen_->open() && chosen_->send(chunk);
}

std::size_t Outlet::by_index(std::uint64_t index) const {
    return (index - std::min(index, spread_.first)) / spread_.chunks % links_.size();
}

bool Outlet::push_to_each(Chunk& chunk) {
    if (owed_.empty()) owed_.assign(links_.size(), true);
    bool all = true;
    for (std::size_t i = 0; i < links_.size(); ++i) {
        if (!owed_[i]) continue;
        auto copy = chunk.share();  // of the references; the bytes are one
        owed_[i] = !(links_[i].open() && links_[i].send(copy));
        all = all && !owed_[i];
    }
    if (all) owed_.clear();
    return all;
}

void Outlet::poll_credit() {
    for (auto& link : links_)
        link.poll_credit();
}

namespace {

template <typename Count>
std::uint64_t over(const std::vector<LinkSender>& links, Outlet::To to, Count count) {
    std::uint64_t all = 0, least = links.empty() ? 0 : count(links.front());
    for (const auto& link : links) {
        all += count(link);
        least = std::min(least, count(link));
    }
    return to == Outlet::To::each ? least : all;
}

}  // namespace

std::uint64_t Outlet::sent() const {
    return over(links_, to_, [](const LinkSender& link) { return link.sent(); });
}

std::uint64_t Outlet::confirmed() const {
    return over(links_, to_, [](const LinkSender& link) { return link.confirmed(); });
}

std::uint64_t Outlet::room(std::uint64_t index, std::uint64_t wanted) const {
    std::uint64_t all = 0, least = links_.empty() ? 0 : std::numeric_limits<std::uint64_t>::max();
    std::vector<std::uint64_t> rooms;
    for (const auto& link : links_) {
        rooms.push_back(link.limit() - std::min(link.limit(), link.sent()));
        all += rooms.back();
        least = std::min(least, rooms.back());
    }
    if (to_ != To::by_index || links_.empty()) return std::min(wanted, to_ == To::each ? least : all);
    std::uint64_t found = 0;
    while (found < wanted) {
        const auto at = index + found - std::min(index + found, spread_.first);
        const auto row = std::min(wanted - found, spread_.chunks - at % spread_.chunks);
        auto& room = rooms[by_index(index + found)];
        const auto goes = std::min(row, room);
        room -= goes;
        found += goes;
        if (goes < row) break;
    }
    return found;
}

bool Outlet::has_room() const {
    if (to_ != To::each) return std::ranges::any_of(links_, &LinkSender::has_room);
    for (std::size_t i = 0; i < links_.size(); ++i)
        if ((owed_.empty() || owed_[i]) && !links_[i].has_room()) return false;
    return true;
}

std::optional<std::size_t> Outlet::lost() {
    for (std::size_t i = 0; i < links_.size(); ++i)
        if (links_[i].lost()) return i;
    return std::nullopt;
}

void Outlet::flush_paced() {
    for (auto& link : links_)
        link.flush_paced();
}

std::size_t Outlet::paced() const {
    std::size_t waiting = 0;
    for (const auto& link : links_)
        waiting += link.paced();
    return waiting;
}

TimePoint Outlet::paced_until() const {
    return earliest(links_, &LinkSender::paced_until);
}

void Outlet::waits_for(const std::function<void(int fd)>& wait) const {
    if (chosen_ != nullptr) return wait(chosen_->blocked_fd());
    for (std::size_t i = 0; i < links_.size(); ++i)
        if (to_ != To::each || owed_.empty() || owed_[i])
            wait(to_ != To::each ? links_[i].credit_fd() : links_[i].blocked_fd());
}

void Outlet::waits_for_credit(const std::function<void(int fd)>& wait) const {
    for (const auto& link : links_)
        wait(link.credit_fd());
}

void Outlet::waits_for_opening(const std::function<void(int fd)>& wait) {
    for (auto& link : links_)
        if (!link.open()) wait(link.blocked_fd());
}

std::unique_ptr<Socket::Watch> Outlet::watch(Loop& loop, const std::function<void()>& on_ready) {
    return watch_each(links_, [&](auto& link) { return link.watch_credit(loop, on_ready); });
}

}  // namespace fard
