#include "runtime/peer/link.hpp"

#include <algorithm>

#include "runtime/peer/link_frames.hpp"

namespace fard {

Chunk Chunk::share() const {
    Chunk other;
    other.index = index;
    other.trace = trace;
    other.tensors.reserve(tensors.size());
    for (const auto& tensor : tensors)
        other.tensors.push_back(tensor.share());
    return other;
}

std::uint64_t LinkTerms::chunk_bytes() const {
    const auto form = HeaderForm::of(run, epoch, tensors, positions);
    return wire_bytes(tensors) + (form ? form->bytes() : 0);
}

std::uint64_t LinkTerms::window() const {
    return std::max<std::uint64_t>(1, budget_bytes / std::max<std::uint64_t>(1, chunk_bytes()));
}

std::vector<std::size_t> LinkTerms::tensor_bytes() const {
    std::vector<std::size_t> bytes;
    for (const auto& tensor : tensors)
        bytes.push_back(tensor.wire_bytes());
    return bytes;
}

Result<> LinkTerms::check(const Chunk& chunk) const {
    if (chunk.tensors.size() != tensors.size())
        return fail(Fault::failed, "chunk {} has {} tensors instead of {}", chunk.index, chunk.tensors.size(),
                    tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i)
        if (chunk.tensors[i].size() != tensors[i].wire_bytes())
            return fail(Fault::failed, "chunk {}: tensor '{}' ({}) has {} bytes instead of {}", chunk.index,
                        tensors[i].name, short_form(tensors[i]), chunk.tensors[i].size(),
                        tensors[i].wire_bytes());
    return {};
}

std::uint64_t LinkTerms::lead() const {
    return std::max<std::uint64_t>(2, window()) + links::half_window(window()) - 1;
}

LinkSender* fewest_unacknowledged(std::vector<LinkSender>& senders) {
    LinkSender* best = nullptr;
    for (auto& sender : senders) {
        if (senders.size() > 1 || !sender.has_room()) sender.poll_credit();
        if (!sender.has_room()) continue;
        if (best == nullptr || sender.unacknowledged() < best->unacknowledged()) best = &sender;
    }
    return best;
}

}  // namespace fard
