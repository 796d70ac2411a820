#include "overlays/soft/storage.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "overlays/soft/dense_bits.hpp"

namespace fard::soft {
namespace {

using Kind = Storage::Kind;

template <typename T>
const T* as(const std::byte* memory) {
    return reinterpret_cast<const T*>(memory);
}

template <typename T>
T* as(std::byte* memory) {
    return reinterpret_cast<T*>(memory);
}

// Calls visit(element in graph order, element in memory order) for all elements.
template <typename Visit>
void for_each_element(const Storage& storage, Visit visit) {
    if (!storage.channels_last) {
        for (std::size_t i = 0, count = storage.elements(); i < count; ++i)
            visit(i, i);
        return;
    }
    const auto images = static_cast<std::size_t>(storage.shape[0]);
    const auto pixels = static_cast<std::size_t>(storage.shape[1] * storage.shape[2]);
    const auto channels = static_cast<std::size_t>(storage.shape[3]);
    for (std::size_t n = 0; n < images; ++n)
        for (std::size_t c = 0; c < channels; ++c)
            for (std::size_t p = 0; p < pixels; ++p)
                visit((n * channels + c) * pixels + p, (n * pixels + p) * channels + c);
}

Result<> store_integers(const Storage& storage, const std::vector<std::int32_t>& values, std::byte* memory) {
    const std::int64_t low =
        storage.kind == Kind::u8 ? storage.base : std::numeric_limits<std::int16_t>::min();
    const std::int64_t high =
        storage.kind == Kind::u8 ? storage.base + storage.width : std::numeric_limits<std::int16_t>::max();
    if (storage.kind != Kind::i32)
        for (const auto value : values)
            if (value < low || value > high)
                return fail(Fault::failed, "an element is {}, outside of its bounds {}..{}", value, low,
                            high);
    for_each_element(storage, [&](std::size_t from, std::size_t to) {
        const std::int32_t value = values[from];
        if (storage.kind == Kind::u8)
            as<std::uint8_t>(memory)[to] = static_cast<std::uint8_t>(value - storage.base);
        if (storage.kind == Kind::i16) as<std::int16_t>(memory)[to] = static_cast<std::int16_t>(value);
        if (storage.kind == Kind::i32) as<std::int32_t>(memory)[to] = value;
    });
    return {};
}

std::int32_t value_at(const Storage& storage, const std::byte* memory, std::size_t i) {
    switch (storage.kind) {
        case Kind::u8:
            return as<std::uint8_t>(memory)[i] + storage.base;
        case Kind::i16:
            return as<std::int16_t>(memory)[i];
        default:
            return as<std::int32_t>(memory)[i];
    }
}

// Elements of two or four bytes on the wire.
template <typename Wire>
void store_whole_bytes(const Storage& storage, const std::byte* memory, std::span<std::byte> wire) {
    for (std::size_t i = 0, count = storage.elements(); i < count; ++i) {
        const auto value = static_cast<Wire>(value_at(storage, memory, i));
        std::memcpy(wire.data() + i * sizeof value, &value, sizeof value);
    }
}

tl::unexpected<Error> wrong_size(DataType type, std::size_t elements, std::size_t bytes) {
    return fail(Fault::corrupt, "{} elements of {} take {} bytes on the wire, not {}", elements, type.name(),
                type.wire_bytes(elements), bytes);
}

// The wire's bits of a value v of a dense type are v & mask; the code of those bits is ((bits ^ sign) +
// shift) & 0xff.
struct DenseCode {
    std::uint8_t sign, shift;
};

DenseCode dense_code(const Storage& storage, DataType type) {
    const bool is_signed = type.kind() == DataType::Kind::sint;
    const int sign = is_signed ? 1 << (type.bits() - 1) : 0;
    return {static_cast<std::uint8_t>(sign), static_cast<std::uint8_t>(-sign - storage.base)};
}

Result<> load_dense(const Storage& storage, DataType type, std::span<const std::byte> wire,
                    std::byte* memory) {
    const std::span codes(as<std::uint8_t>(memory), storage.elements());
    if (type.bits() == 8)
        std::memcpy(codes.data(), wire.data(), wire.size());
    else
        spread_bits(wire, type.bits(), codes);
    const auto code = dense_code(storage, type);
    if (type.kind() == DataType::Kind::bipolar)
        for (auto& each : codes)
            each = static_cast<std::uint8_t>(each * 2 - 1 - storage.base);
    else if (code.sign != 0 || code.shift != 0)
        for (auto& each : codes)
            each = static_cast<std::uint8_t>((each ^ code.sign) + code.shift);
    if (type.max() - type.min() <= storage.width) return {};  // every bit pattern is within the bounds
    std::uint8_t largest = 0;
    for (const auto each : codes)
        largest = std::max(largest, each);
    if (largest <= storage.width) return {};
    return fail(Fault::corrupt, "an element of {} is outside of the bounds {}..{} that the network gives it",
                type.name(), storage.base, storage.base + storage.width);
}

}  // namespace

bool Storage::in_graph_order() const {
    return !channels_last || shape[3] == 1 || (shape[1] == 1 && shape[2] == 1);
}

model::Range bounds_of(const model::Tensor& tensor) {
    return tensor.range ? *tensor.range : model::Range{tensor.type.min(), tensor.type.max()};
}

Storage storage_of(const model::Tensor& tensor) {
    Storage storage;
    storage.shape = tensor.shape;
    if (tensor.layout == model::Layout::nchw && tensor.shape.size() == 4) {
        storage.channels_last = true;
        storage.shape = {tensor.shape[0], tensor.shape[2], tensor.shape[3], tensor.shape[1]};
    }
    if (!tensor.type.is_integer()) return storage;
    const auto bounds = bounds_of(tensor);
    const std::int64_t low = std::min<std::int64_t>(bounds.min, 0),
                       high = std::max<std::int64_t>(bounds.max, 0);
    if (high - low <= std::numeric_limits<std::uint8_t>::max()) {
        storage.kind = Kind::u8;
        storage.base = static_cast<std::int32_t>(low);
        storage.width = static_cast<std::int32_t>(high - low);
    } else if (low >= std::numeric_limits<std::int16_t>::min() &&
               high <= std::numeric_limits<std::int16_t>::max()) {
        storage.kind = Kind::i16;
    } else {
        storage.kind = Kind::i32;
    }
    return storage;
}

void load_values(const Storage& storage, const std::byte* memory, model::Values& values) {
    if (storage.kind == Kind::f32) {
        values.integers.clear();
        values.floats.resize(storage.elements());
        for_each_element(
            storage, [&](std::size_t to, std::size_t from) { values.floats[to] = as<float>(memory)[from]; });
        return;
    }
    values.floats.clear();
    values.integers.resize(storage.elements());
    for_each_element(storage, [&](std::size_t to, std::size_t from) {
        values.integers[to] = storage.kind == Kind::u8    ? as<std::uint8_t>(memory)[from] + storage.base
                              : storage.kind == Kind::i16 ? as<std::int16_t>(memory)[from]
                                                          : as<std::int32_t>(memory)[from];
    });
}

Result<> store_values(const Storage& storage, const model::Values& values, std::byte* memory) {
    const auto count = storage.kind == Kind::f32 ? values.floats.size() : values.integers.size();
    if (count != storage.elements())
        return fail(Fault::failed, "{} elements where {} were expected", count, storage.elements());
    if (storage.kind != Kind::f32) return store_integers(storage, values.integers, memory);
    for_each_element(storage,
                     [&](std::size_t from, std::size_t to) { as<float>(memory)[to] = values.floats[from]; });
    return {};
}

Result<> load_wire(const Storage& storage, DataType type, std::span<const std::byte> wire,
                   std::byte* memory) {
    const std::size_t count = storage.elements();
    if (wire.size() != type.wire_bytes(count)) return wrong_size(type, count, wire.size());
    if (storage.kind == Kind::f32) {
        std::memcpy(memory, wire.data(), wire.size());
        return {};
    }
    if (storage.kind == Kind::u8 && type.wire_bits() <= 8) return load_dense(storage, type, wire, memory);
    model::Values values;
    values.integers.resize(count);
    if (auto unpacked = unpack(type, wire, values.integers); !unpacked) return unpacked;
    Storage flat = storage;  // the wire has the memory's order already
    flat.channels_last = false;
    return store_integers(flat, values.integers, memory);
}

Result<> store_wire(const Storage& storage, DataType type, const std::byte* memory,
                    std::span<std::byte> wire) {
    const std::size_t count = storage.elements();
    if (wire.size() != type.wire_bytes(count)) return wrong_size(type, count, wire.size());
    if (storage.kind == Kind::f32 || (storage.kind == Kind::i32 && type.wire_bits() == 32)) {
        std::memcpy(wire.data(), memory, wire.size());
        return {};
    }
    if (storage.kind == Kind::u8 && type.wire_bits() <= 8 && type.kind() != DataType::Kind::bipolar) {
        gather_bits({as<std::uint8_t>(memory), count}, static_cast<std::uint8_t>(storage.base), type.bits(),
                    wire);
        return {};
    }
    if (type.wire_bits() == 16 || type.wire_bits() == 32) {
        const auto store =
            type.wire_bits() == 16 ? store_whole_bytes<std::int16_t> : store_whole_bytes<std::int32_t>;
        store(storage, memory, wire);
        return {};
    }
    Storage flat = storage;
    flat.channels_last = false;
    model::Values values;
    load_values(flat, memory, values);
    return pack(type, values.integers, wire);
}

}  // namespace fard::soft
