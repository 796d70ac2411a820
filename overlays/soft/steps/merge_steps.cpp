#include "overlays/soft/steps/merge_steps.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fard::soft {
namespace {

std::vector<BufferId> buffers_of(const std::vector<Source>& sources) {
    std::vector<BufferId> buffers;
    for (const auto& source : sources)
        buffers.push_back(source.buffer);
    return buffers;
}

std::vector<BufferId> buffers_of(const std::vector<Piece>& pieces) {
    std::vector<BufferId> buffers;
    for (const auto& piece : pieces)
        buffers.push_back(piece.source.buffer);
    return buffers;
}

double entry(const std::vector<double>& list, std::size_t channel) {
    return list[list.size() == 1 ? 0 : channel];
}

// Every product and every sum is rounded to double, in the order in which the model has the operands.
class RequantizeStep final : public Step {
  public:
    RequantizeStep(const model::RequantizeAttributes& attributes, std::vector<Source> sources,
                   BufferId out_buffer, const Storage& out)
        : Step(buffers_of(sources), out_buffer),
          attributes_(attributes),
          sources_(std::move(sources)),
          out_(out),
          channels_(out.shape.empty() ? 1 : static_cast<std::size_t>(out.shape.back())) {}

    std::size_t scratch_bytes() const override { return channels_ * sizeof(double); }
    std::string_view kind() const override { return "requantize"; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto rows = share.of(out_.elements() / channels_);
        auto* sums = reinterpret_cast<double*>(memory.scratch);
        for (auto row = rows.begin; row < rows.end; ++row) {
            for (std::size_t i = 0; i < sources_.size(); ++i)
                add_row(memory, i, row, sums);
            store_row(sums, memory.at<std::uint8_t>(writes) + row * channels_);
        }
        return {};
    }

  private:
    void add_row(const Memory& memory, std::size_t operand, std::size_t row, double* sums) const {
        const auto& source = sources_[operand];
        const auto* from =
            memory.at<const std::byte>(source.buffer) + row * channels_ * source.storage.element_bytes();
        switch (source.storage.kind) {
            case Storage::Kind::u8:
                return add(reinterpret_cast<const std::uint8_t*>(from), operand, sums);
            case Storage::Kind::i16:
                return add(reinterpret_cast<const std::int16_t*>(from), operand, sums);
            default:
                return add(reinterpret_cast<const std::int32_t*>(from), operand, sums);
        }
    }

    template <typename T>
    void add(const T* from, std::size_t operand, double* sums) const {
        const auto& each = attributes_.operands[operand];
        const auto& storage = sources_[operand].storage;
        const double zero =
            static_cast<double>(each.zero_point) - (storage.kind == Storage::Kind::u8 ? storage.base : 0);
        for (std::size_t c = 0; c < channels_; ++c) {
            const double product = (static_cast<double>(from[c]) - zero) * entry(each.multiplier, c);
            sums[c] = operand == 0 ? product : sums[c] + product;
        }
    }

    void store_row(const double* sums, std::uint8_t* to) const {
        const auto low = static_cast<double>(attributes_.range.min),
                   high = static_cast<double>(attributes_.range.max);
        for (std::size_t c = 0; c < channels_; ++c) {
            const double sum = attributes_.offset.empty() ? sums[c] : sums[c] + entry(attributes_.offset, c);
            const double value = std::clamp(std::nearbyint(sum) + attributes_.zero_point, low, high);
            to[c] = static_cast<std::uint8_t>(static_cast<std::int32_t>(value) - out_.base);
        }
    }

    const model::RequantizeAttributes& attributes_;
    std::vector<Source> sources_;
    Storage out_;
    std::size_t channels_;
};

class ConcatStep final : public Step {
  public:
    ConcatStep(std::vector<Piece> pieces, BufferId out_buffer, const Storage& out)
        : Step(buffers_of(pieces), out_buffer), pieces_(std::move(pieces)), out_(out) {}

    std::string_view kind() const override { return "concat"; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto row_bytes = static_cast<std::size_t>(out_.shape.back()) * out_.element_bytes();
        const auto rows = share.of(out_.bytes() / row_bytes);
        for (const auto& piece : pieces_) {
            const auto bytes =
                static_cast<std::size_t>(piece.source.storage.shape.back()) * out_.element_bytes();
            const auto* from = memory.at<const std::byte>(piece.source.buffer);
            auto* to = memory.at<std::byte>(writes) + piece.first * out_.element_bytes();
            for (auto row = rows.begin; row < rows.end; ++row)
                std::memcpy(to + row * row_bytes, from + row * bytes, bytes);
        }
        return {};
    }

  private:
    std::vector<Piece> pieces_;
    Storage out_;
};

}  // namespace

StepPtr make_requantize_step(const model::RequantizeAttributes& attributes, std::vector<Source> sources,
                             BufferId out_buffer, const Storage& out, bool axis_is_last) {
    if (out.kind != Storage::Kind::u8 || (attributes.axis >= 0 && !axis_is_last)) return nullptr;
    for (const auto& source : sources)
        if (source.storage.kind == Storage::Kind::f32 || !source.storage.same_places(out)) return nullptr;
    return std::make_unique<RequantizeStep>(attributes, std::move(sources), out_buffer, out);
}

StepPtr make_concat_step(std::vector<Piece> pieces, BufferId out_buffer, const Storage& out) {
    for (const auto& piece : pieces)
        if (!out.same_elements(piece.source.storage) || piece.source.storage.shape.size() != out.shape.size())
            return nullptr;
    return std::make_unique<ConcatStep>(std::move(pieces), out_buffer, out);
}

}  // namespace fard::soft
