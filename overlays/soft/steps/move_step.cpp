#include "overlays/soft/steps/move_step.hpp"

#include <fmt/format.h>

#include <cstring>
#include <numeric>

#include "model/kernels.hpp"

namespace fard::soft {
namespace {

constexpr std::size_t most_elements = 1 << 22;

constexpr std::int32_t padding = -1;  // instead of a place

// For each element of the output, in memory order, the place of the operand's that comes there: the reference interpreter moves the
// places instead of elements.
std::vector<std::int32_t> places_of(const model::NodeView& view, Storage in, Storage out) {
    if (const auto* pad = std::get_if<model::PadAttributes>(&view.node.attributes); pad && pad->value != padding) {
        auto node = view.node;
        std::get<model::PadAttributes>(node.attributes).value = padding;
        return places_of({node, view.operands, view.output}, in, out);
    }
    in.kind = out.kind = Storage::Kind::i32;
    std::vector<std::int32_t> memory(in.elements());
    std::iota(memory.begin(), memory.end(), 0);
    model::Values places;
    load_values(in, reinterpret_cast<const std::byte*>(memory.data()), places);
    model::Values moved{model::move_elements(view, model::Operands<std::int32_t>{places.integers}), {}};
    std::vector<std::int32_t> result(out.elements());
    if (!store_values(out, moved, reinterpret_cast<std::byte*>(result.data()))) return {};
    return result;
}

// The longest stretch of which all of `places` are made.
std::size_t stretch_of(const std::vector<std::int32_t>& places) {
    std::size_t stretch = 0, length = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
        ++length;
        const bool ends = i + 1 == places.size() ||
                          (places[i] == padding ? places[i + 1] != padding : places[i + 1] != places[i] + 1);
        if (ends) stretch = std::gcd(stretch, length), length = 0;
    }
    return stretch;
}

// One element as it is stored.
std::vector<std::byte> stored(const Storage& storage, double value) {
    Storage one = storage;
    one.shape = {1};
    one.channels_last = false;
    std::vector<std::byte> bytes(one.bytes());
    model::Values values;
    if (storage.kind == Storage::Kind::f32)
        values.floats = {static_cast<float>(value)};
    else
        values.integers = {static_cast<std::int32_t>(value)};
    if (!store_values(one, values, bytes.data())) return {};
    return bytes;
}

class MoveStep final : public Step {
  public:
    MoveStep(BufferId in_buffer, BufferId out_buffer, std::size_t element_bytes,
             const std::vector<std::int32_t>& places, const std::vector<std::byte>& fill)
        : Step({in_buffer}, out_buffer), stretch_(stretch_of(places)), element_bytes_(element_bytes) {
        for (std::size_t i = 0; i < places.size(); i += stretch_)
            places_.push_back(static_cast<std::uint32_t>(places[i]));
        for (std::size_t i = 0; !fill.empty() && i < stretch_; ++i)
            fill_.insert(fill_.end(), fill.begin(), fill.end());
    }

    std::string_view kind() const override { return "move"; }
    std::string how() const override {
        return fmt::format("stretches of {} bytes", stretch_ * element_bytes_);
    }

    Result<> run(const Memory& memory, Share share) const override {
        const auto part = share.of(places_.size());
        const auto* from = memory.at<const std::byte>(reads[0]);
        auto* to = memory.at<std::byte>(writes);
        const auto bytes = stretch_ * element_bytes_;
        if (!fill_.empty())
            for (auto i = part.begin; i < part.end; ++i)
                std::memcpy(to + i * bytes, places_[i] == none ? fill_.data() : from + places_[i] * element_bytes_, bytes);
        else if (bytes == 1)
            for (auto i = part.begin; i < part.end; ++i)
                to[i] = from[places_[i]];
        else
            for (auto i = part.begin; i < part.end; ++i)
                std::memcpy(to + i * bytes, from + places_[i] * element_bytes_, bytes);
        return {};
    }

  private:
    static constexpr auto none = static_cast<std::uint32_t>(padding);
    std::size_t stretch_, element_bytes_;
    std::vector<std::uint32_t> places_;  // of each stretch
    std::vector<std::byte> fill_;        // a stretch of padding; none where nothing is padded
};

}  // namespace

StepPtr make_move_step(const model::NodeView& view, BufferId in_buffer, const Storage& in,
                       BufferId out_buffer, const Storage& out) {
    if (in.elements() > most_elements || out.elements() > most_elements) return nullptr;
    const auto places = places_of(view, in, out);
    if (places.empty()) return nullptr;
    std::vector<std::byte> fill;
    if (const auto* pad = std::get_if<model::PadAttributes>(&view.node.attributes);
        pad && pad->mode == model::PadAttributes::Mode::constant) {
        fill = stored(out, pad->value);
        if (fill.empty()) return nullptr;
    }
    return std::make_unique<MoveStep>(in_buffer, out_buffer, out.element_bytes(), places, fill);
}

}  // namespace fard::soft
