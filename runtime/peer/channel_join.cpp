#include "runtime/peer/channel_join.hpp"

#include <optional>

#include "base/copy_bits.hpp"

namespace fard {
namespace {

std::size_t product(const std::vector<std::int64_t>& shape, std::size_t begin, std::size_t end) {
    std::size_t all = 1;
    for (auto i = begin; i < end; ++i)
        all *= static_cast<std::size_t>(shape[i]);
    return all;
}

// The dimension in which a part differs from the whole; none: it is not a part of it.
std::optional<std::size_t> cut_dimension(const TensorDesc& part, const TensorDesc& whole) {
    if (part.shape.size() != whole.shape.size() || part.type != whole.type || part.layout != whole.layout) return std::nullopt;
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < part.shape.size(); ++i) {
        if (part.shape[i] == whole.shape[i]) continue;
        if (found || part.shape[i] < 1 || part.shape[i] > whole.shape[i]) return std::nullopt;
        found = i;
    }
    return found;
}

}  // namespace

Result<ChannelJoin> ChannelJoin::make(const std::vector<wire::PartSpec>& parts, const std::vector<TensorDesc>& whole) {
    if (parts.size() < 2) return fail(Fault::invalid_input, "{} parts; there are at least 2", parts.size());
    for (std::size_t p = 0; p < parts.size(); ++p)
        if (parts[p].outputs.size() != whole.size())
            return fail(Fault::invalid_input, "part {} makes {} tensors, the whole has {}", p, parts[p].outputs.size(), whole.size());
    ChannelJoin join;
    for (std::size_t t = 0; t < whole.size(); ++t) {
        auto tensor = joined(parts, whole[t], t);
        if (!tensor) return fail(tensor.error());
        join.tensors_.push_back(std::move(*tensor));
    }
    return join;
}

Result<ChannelJoin::Joined> ChannelJoin::joined(const std::vector<wire::PartSpec>& parts, const TensorDesc& whole,
                                                std::size_t number) {
    const auto dimension = cut_dimension(parts.front().outputs[number], whole);
    std::int64_t channels = 0;
    bool alike = dimension.has_value();
    for (const auto& part : parts) {
        alike = alike && cut_dimension(part.outputs[number], whole) == dimension;
        if (alike) channels += part.outputs[number].shape[*dimension];
    }
    if (!alike || channels != whole.shape[*dimension])
        return fail(Fault::invalid_input, "the parts' tensors number {} do not make up '{}' along one dimension", number, whole.name);
    const auto inner = product(whole.shape, *dimension + 1, whole.shape.size()) * static_cast<std::size_t>(whole.type.wire_bits());
    Joined tensor{.bytes = whole.wire_bytes(), .rows = product(whole.shape, 0, *dimension)};
    for (const auto& part : parts) {
        tensor.bits.push_back(static_cast<std::size_t>(part.outputs[number].shape[*dimension]) * inner);
        tensor.row_bits += tensor.bits.back();
    }
    return tensor;
}

std::vector<Frame> ChannelJoin::join(const std::vector<Chunk>& parts) const {
    std::vector<Frame> frames;
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
        const auto& tensor = tensors_[t];
        auto& frame = frames.emplace_back(tensor.bytes);
        auto* const to = frame.writable().data();
        if (tensor.bytes > 0) to[tensor.bytes - 1] = std::byte{0};  // bits behind the last element
        std::size_t first = 0;
        for (std::size_t p = 0; p < parts.size(); ++p) {
            const auto* const from = parts[p].tensors[t].bytes().data();
            const auto bits = tensor.bits[p];
            for (std::size_t row = 0; row < tensor.rows; ++row)
                copy_bits(from, row * bits, to, row * tensor.row_bits + first, bits);
            first += bits;
        }
    }
    return frames;
}

}  // namespace fard
