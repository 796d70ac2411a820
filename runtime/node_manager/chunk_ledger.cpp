#include "runtime/node_manager/chunk_ledger.hpp"

#include <algorithm>

namespace fard {

ChunkLedger::ChunkLedger(std::uint64_t window_bytes, std::uint64_t chunk_bytes, std::uint64_t chunks)
    : window_bytes_(window_bytes), chunk_bytes_(std::max<std::uint64_t>(1, chunk_bytes)), chunks_(chunks) {}

bool ChunkLedger::may_admit() const {
    return entries_.empty() || entries_.size() < window_bytes_ / chunk_bytes_;
}

bool ChunkLedger::admit(Chunk chunk) {
    const auto index = chunk.index;
    const bool no_index = index == std::numeric_limits<std::uint64_t>::max();  // there is none behind it
    if (no_index || admitted_ >= chunks_ || (last_admitted_ && index <= *last_admitted_)) {
        ++duplicates_;
        return false;
    }
    last_admitted_ = index;
    Entry entry;
    entry.input = std::move(chunk);
    entries_.emplace(index, std::move(entry));
    unsent_.insert(index);
    ++admitted_;
    return true;
}

std::optional<Chunk> ChunkLedger::next_to_send() const {
    if (unsent_.empty()) return std::nullopt;
    return entries_.at(*unsent_.begin()).input.share();
}

void ChunkLedger::sent(std::uint64_t index) {
    if (unsent_.erase(index) == 0) return;
    auto& entry = entries_.at(index);
    if (entry.ever_sent) ++replays_;
    entry.sent = entry.ever_sent = true;
}

bool ChunkLedger::result(Chunk chunk) {
    const auto found = entries_.find(chunk.index);
    if (found == entries_.end() || found->second.result) {
        ++duplicates_;
        return false;
    }
    auto& entry = found->second;
    entry.input = {};
    entry.result = std::move(chunk);
    unsent_.erase(found->first);  // a late result of the former wiring answers it
    ++results_;
    return true;
}

std::optional<Chunk> ChunkLedger::next_result() const {
    const auto next = entries_.lower_bound(next_out_);
    if (next == entries_.end() || !next->second.result) return std::nullopt;
    return next->second.result->share();
}

void ChunkLedger::handed_over(std::uint64_t index) {
    const auto found = entries_.find(index);
    if (found == entries_.end()) return;
    found->second.handed_over = true;
    next_out_ = index + 1;
}

void ChunkLedger::acknowledged(std::uint64_t count) {
    while (acknowledged_ < count && !entries_.empty() && entries_.begin()->second.handed_over) {
        entries_.erase(entries_.begin());
        ++acknowledged_;
    }
}

std::uint64_t ChunkLedger::first_left() const {
    for (const auto& [index, entry] : entries_)
        if (!entry.result) return index;
    return last_admitted_ ? *last_admitted_ + 1 : 0;
}

void ChunkLedger::rewire() {
    for (auto& [index, entry] : entries_) {
        if (entry.result || !entry.sent) continue;
        entry.sent = false;
        unsent_.insert(index);
    }
}

}  // namespace fard
