#include "client/submission_chunks.hpp"

#include <utility>

namespace fard {

SubmissionChunks::SubmissionChunks(std::vector<std::vector<Frame>> data) : entries_(data.size()) {
    for (std::size_t index = 0; index < data.size(); ++index)
        entries_[index].input = std::move(data[index]);
}

std::optional<Chunk> SubmissionChunks::next_to_send() const {
    if (next_send_ >= entries_.size()) return std::nullopt;
    Chunk chunk;
    chunk.index = next_send_;
    for (const auto& frame : entries_[next_send_].input)
        chunk.tensors.push_back(frame.share());
    return chunk;
}

void SubmissionChunks::sent(std::uint64_t index) {
    if (index >= entries_.size()) return;
    auto& entry = entries_[index];
    if (entry.ever_sent) ++replays_;
    entry.ever_sent = true;
    next_send_ = index + 1;
    skip_answered();
}

bool SubmissionChunks::result(Chunk chunk) {
    const auto index = chunk.index;
    if (index >= entries_.size() || !entries_[index].ever_sent || entries_[index].has_result) {
        ++duplicates_;
        return false;
    }
    entries_[index].has_result = true;
    entries_[index].input.clear();
    ++results_;
    early_.emplace(index, std::move(chunk));
    skip_answered();
    return true;
}

std::optional<Chunk> SubmissionChunks::next_result() {
    const auto found = early_.find(next_result_);
    if (found == early_.end()) return std::nullopt;
    auto chunk = std::move(found->second);
    early_.erase(found);
    ++next_result_;
    return chunk;
}

void SubmissionChunks::next_attempt() {
    next_send_ = 0;
    skip_answered();
}

void SubmissionChunks::skip_answered() {
    while (next_send_ < entries_.size() && entries_[next_send_].has_result)
        ++next_send_;
}

}  // namespace fard
