#include "runtime/peer/inlet.hpp"

#include <algorithm>
#include <cassert>

#include "runtime/peer/watch_each.hpp"

namespace fard {

Inlet::Inlet(std::vector<LinkReceiver> links, From from)
    : links_(std::move(links)), from_(from), held_(links_.size(), 0), ahead_(links_.size(), 0) {}

Inlet::Inlet(std::vector<LinkReceiver> links, ChannelJoin channels) : Inlet(std::move(links), From::join) {
    channels_ = std::move(channels);
}

Result<bool> Inlet::receive(Chunk& chunk) {
    if (from_ == From::join) return join(chunk);
    for (std::size_t tried = 0; tried < links_.size(); ++tried) {
        turn_ = turn_ + 1 < links_.size() ? turn_ + 1 : 0;
        const auto received = links_[turn_].receive(chunk);
        if (received && *received && links_.size() > 1) came_.push_back(turn_);
        if (!received || *received) return received;
    }
    return false;
}

Result<bool> Inlet::await(Chunk& chunk) {
    assert(links_.size() == 1);
    turn_ = 0;
    return links_.front().await(chunk);
}

// Takes what is there of every link, then the complete chunk of the lowest index.
Result<bool> Inlet::join(Chunk& chunk) {
    for (std::size_t i = 0; i < links_.size(); ++i) {
        for (Chunk part;;) {
            const auto received = links_[i].receive(part);
            if (!received) return received;
            if (!*received) break;
            auto& parts = waiting_[part.index];
            parts.chunks.resize(links_.size());
            if (parts.chunks[i].tensors.empty()) ++parts.there, ++held_[i];
            parts.chunks[i] = std::exchange(part, {});
        }
    }
    const auto complete = std::ranges::find_if(
        waiting_, [this](const auto& entry) { return entry.second.there == links_.size(); });
    if (complete == waiting_.end()) {
        if (joined_ == 0) make_place();
        chunk.tensors.clear();
        return false;
    }
    ++joined_;
    auto parts = std::move(complete->second.chunks);
    waiting_.erase(complete);
    if (channels_) {
        auto tensors = channels_->join(parts);
        chunk = std::move(parts.front());
        chunk.tensors = std::move(tensors);
        return true;
    }
    chunk = std::move(parts.front());
    for (std::size_t i = 1; i < parts.size(); ++i)
        for (auto& tensor : parts[i].tensors)
            chunk.tensors.push_back(std::move(tensor));
    return true;
}

void Inlet::reserve(std::uint64_t chunks) {
    reserved_ = true;
    for (auto& link : links_)
        link.reserve(chunks);
}

void Inlet::taken(bool waited_for) {
    ++taken_;
    if (links_.size() == 1) return links_.front().taken(waited_for);
    if (from_ == From::any) {
        links_[came_.front()].taken();
        came_.pop_front();
        return;
    }
    --joined_;
    for (std::size_t i = 0; i < links_.size(); ++i) {
        --held_[i];
        if (ahead_[i] > 0)
            --ahead_[i];
        else
            links_[i].taken();
    }
}

void Inlet::make_place() {
    for (std::size_t i = 0; i < links_.size(); ++i) {
        const auto most = reserved_ ? 1 : std::max<std::uint64_t>(2, links_[i].terms().window());
        for (; held_[i] - ahead_[i] >= most; ++ahead_[i])
            links_[i].taken();
    }
}

bool Inlet::flush_credit() {
    bool all = true;
    for (auto& link : links_)
        all = link.flush_credit() && all;
    return all;
}

bool Inlet::credit_due() const {
    return std::ranges::any_of(links_, &LinkReceiver::credit_due);
}

std::uint64_t Inlet::unopened() const {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(64, links_.size()); ++i)
        if (!links_[i].opened()) bits |= std::uint64_t{1} << i;
    return bits;
}

bool Inlet::opened() const {
    return std::ranges::all_of(links_, &LinkReceiver::opened);
}

std::optional<std::size_t> Inlet::lost() {
    for (std::size_t i = 0; i < links_.size(); ++i)
        if (links_[i].lost()) return i;
    return std::nullopt;
}

Result<> Inlet::come_in() {
    for (auto& link : links_)
        if (auto came = link.come_in(); !came) return came;
    return {};
}

TimePoint Inlet::paced_until() const {
    return earliest(links_, &LinkReceiver::paced_until);
}

void Inlet::waits_for(const std::function<void(int fd)>& wait) const {
    for (const auto& link : links_)
        wait(link.fd());
}

std::unique_ptr<Socket::Watch> Inlet::watch(Loop& loop, const std::function<void()>& on_ready) {
    return watch_each(links_, [&](auto& link) { return link.watch(loop, on_ready); });
}

}  // namespace fard
