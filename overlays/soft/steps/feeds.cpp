#include "overlays/soft/steps/feeds.hpp"

#include <algorithm>

namespace fard::soft {
namespace {

using Kind = Storage::Kind;

std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }

template <typename T>
void load_as(const std::byte* memory, std::size_t at, std::size_t stride, double* to, std::size_t count, double base) {
    const auto* from = reinterpret_cast<const T*>(memory) + at;
    if (stride == 1)
        for (std::size_t i = 0; i < count; ++i)
            to[i] = static_cast<double>(from[i]) + base;
    else if (stride == 0)
        std::fill_n(to, count, static_cast<double>(*from) + base);
    else
        for (std::size_t i = 0; i < count; ++i)
            to[i] = static_cast<double>(from[i * stride]) + base;
}

void load(const Storage& storage, const std::byte* memory, std::size_t at, std::size_t stride, double* to,
          std::size_t count) {
    switch (storage.kind) {
        case Kind::u8:
            return load_as<std::uint8_t>(memory, at, stride, to, count, storage.base);
        case Kind::i16:
            return load_as<std::int16_t>(memory, at, stride, to, count, 0);
        case Kind::i32:
            return load_as<std::int32_t>(memory, at, stride, to, count, 0);
        case Kind::f32: {  // adding 0 would make 0 of -0
            const auto* from = reinterpret_cast<const float*>(memory) + at;
            for (std::size_t i = 0; i < count; ++i)
                to[i] = from[i * stride];
            return;
        }
    }
}

template <typename T>
void store_as(std::byte* memory, std::size_t at, std::size_t stride, const double* from, std::size_t count, double base) {
    auto* to = reinterpret_cast<T*>(memory) + at;
    for (std::size_t i = 0; i < count; ++i)
        to[i * stride] = static_cast<T>(from[i] - base);
}

}  // namespace

// Where each graph dimension's next element lies.
std::vector<std::size_t> strides_of(const Storage& storage) {
    const auto rank = storage.shape.size();
    std::vector<std::size_t> memory(rank, 1);
    for (std::size_t i = rank; i-- > 1;)
        memory[i - 1] = memory[i] * size(storage.shape[i]);
    if (!storage.channels_last) return memory;
    return {memory[0], memory[3], memory[1], memory[2]};
}

// The graph's dimensions in the order of memory.
std::vector<std::size_t> axes_of(const Storage& storage) {
    if (storage.channels_last) return {0, 2, 3, 1};
    std::vector<std::size_t> axes;
    for (std::size_t i = 0; i < storage.shape.size(); ++i)
        axes.push_back(i);
    return axes;
}

std::vector<BufferId> buffers_of(const std::vector<Feed>& feeds) {
    std::vector<BufferId> buffers;
    for (const auto& feed : feeds)
        if (feed.computed()) buffers.push_back(feed.buffer);
    return buffers;
}

model::Shape graph_shape(const Storage& storage) {
    const auto& s = storage.shape;
    return storage.channels_last ? model::Shape{s[0], s[3], s[1], s[2]} : s;
}

Reader::Reader(const Feed& feed) : buffer_(feed.buffer), storage_(feed.storage) {
    if (feed.computed()) return;
    storage_ = {};
    storage_.shape = feed.shape;
    numbers_ = feed.numbers;
    if (feed.constant == nullptr) return;
    const auto& values = *feed.constant->constant;
    numbers_.assign(values.floats.begin(), values.floats.end());
    if (!values.integers.empty()) numbers_.assign(values.integers.begin(), values.integers.end());
}

void Reader::read(const Memory& memory, std::size_t at, std::size_t stride, double* to, std::size_t count) const {
    if (numbers_.empty()) return load(storage_, memory.at<const std::byte>(buffer_), at, stride, to, count);
    for (std::size_t i = 0; i < count; ++i)
        to[i] = numbers_[at + i * stride];
}

const float* Reader::fractions(const Memory& memory) const {
    return numbers_.empty() && storage_.kind == Kind::f32 ? memory.at<const float>(buffer_) : nullptr;
}

Writer::Writer(const Outcome& outcome) : storage_(outcome.storage), name_(outcome.tensor.name), node_(outcome.node) {
    if (!outcome.tensor.type.is_integer()) return;
    low_ = static_cast<double>(outcome.tensor.type.min()), high_ = static_cast<double>(outcome.tensor.type.max());
    if (storage_.kind == Kind::u8) low_ = storage_.base, high_ = storage_.base + storage_.width;
}

Result<> Writer::write(std::byte* memory, std::size_t at, std::size_t stride, const double* from, std::size_t count) const {
    if (storage_.kind == Kind::f32) {
        store_as<float>(memory, at, stride, from, count, 0);
        return {};
    }
    for (std::size_t i = 0; i < count; ++i)
        if (!(from[i] >= low_ && from[i] <= high_))
            return fail(Fault::failed, "node '{}' computed {}, which '{}' does not hold ({} to {})", node_, from[i],
                        name_, low_, high_);
    if (storage_.kind == Kind::u8) store_as<std::uint8_t>(memory, at, stride, from, count, storage_.base);
    if (storage_.kind == Kind::i16) store_as<std::int16_t>(memory, at, stride, from, count, 0);
    if (storage_.kind == Kind::i32) store_as<std::int32_t>(memory, at, stride, from, count, 0);
    return {};
}

}  // namespace fard::soft
