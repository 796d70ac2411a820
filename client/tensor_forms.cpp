#include "client/tensor_forms.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <utility>

namespace fard {
namespace {

bool is_transposed(const TensorDesc& tensor) {
    return tensor.layout == "NHWC" && tensor.shape.size() == 4 && !tensor.model_is_nhwc;
}

// Calls visit(wire position, declared position) for every element.
template <typename Visit>
void each_element(const TensorDesc& tensor, Visit&& visit) {
    if (!is_transposed(tensor)) {
        for (std::size_t i = 0; i < tensor.elements(); ++i)
            visit(i, i);
        return;
    }
    const auto extent = [&](std::size_t axis) { return static_cast<std::size_t>(tensor.shape[axis]); };
    const std::size_t images = extent(0), pixels = extent(1) * extent(2), channels = extent(3);
    std::size_t at = 0;
    for (std::size_t n = 0; n < images; ++n) {
        for (std::size_t p = 0; p < pixels; ++p) {
            for (std::size_t c = 0; c < channels; ++c)
                visit(at++, (n * channels + c) * pixels + p);
        }
    }
}

// Calls body(T{}) with the C++ type of an array's elements.
template <typename Body>
auto with_type(NpyType type, Body&& body) {
    switch (type) {
        case NpyType::b1:  // 0 and 1
        case NpyType::u1:
            return body(std::uint8_t{});
        case NpyType::i1:
            return body(std::int8_t{});
        case NpyType::u2:
            return body(std::uint16_t{});
        case NpyType::i2:
            return body(std::int16_t{});
        case NpyType::u4:
            return body(std::uint32_t{});
        case NpyType::i4:
            return body(std::int32_t{});
        case NpyType::i8:
            return body(std::int64_t{});
        case NpyType::f4:
            return body(float{});
        case NpyType::f8:
            break;
    }
    return body(double{});
}

template <typename T>
T element(std::span<const std::byte> bytes, std::size_t index) {
    T value;
    std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
    return value;
}

// The same number in the tensor's integer type, as pack() takes it; false if the type does not have it.
template <typename T>
bool to_integer(DataType type, T value, std::int32_t& out) {
    if constexpr (std::is_floating_point_v<T>) {
        // Every integer type's bounds are exact in double; a NaN fails both comparisons.
        const double wide = static_cast<double>(value);
        if (!(wide >= static_cast<double>(type.min()) && wide <= static_cast<double>(type.max())))
            return false;
        if (wide != std::floor(wide)) return false;
    } else {
        if (std::cmp_less(value, type.min()) || std::cmp_greater(value, type.max())) return false;
    }
    if (type.kind() == DataType::Kind::bipolar && value == T{0}) return false;
    out = static_cast<std::int32_t>(static_cast<std::int64_t>(value));
    return true;
}

template <typename T>
Result<> integers_to_wire(const TensorDesc& tensor, std::span<const std::byte> elements,
                          std::span<std::byte> wire) {
    std::vector<std::int32_t> values(tensor.elements());
    std::size_t bad = values.size();
    each_element(tensor, [&](std::size_t to, std::size_t from) {
        if (!to_integer(tensor.type, element<T>(elements, from), values[to])) bad = std::min(bad, from);
    });
    if (bad < values.size()) {
        return fail(Fault::invalid_input, "element {} is {}, which {} ({}) cannot hold", bad,
                    +element<T>(elements, bad), tensor.name, tensor.type.name());
    }
    return pack(tensor.type, values, wire);
}

template <typename T>
void floats_to_wire(const TensorDesc& tensor, std::span<const std::byte> elements,
                    std::span<std::byte> wire) {
    each_element(tensor, [&](std::size_t to, std::size_t from) {
        const float value = static_cast<float>(element<T>(elements, from));
        std::memcpy(wire.data() + to * sizeof value, &value, sizeof value);
    });
}

}  // namespace

Result<NpyType> declared_type(const TensorDesc& tensor) {
    constexpr std::array<std::pair<std::string_view, NpyType>, 10> names = {{{"FLOAT32", NpyType::f4},
                                                                            {"BOOL", NpyType::b1},
                                                                            {"UINT8", NpyType::u1},
                                                                            {"INT8", NpyType::i1},
                                                                            {"UINT16", NpyType::u2},
                                                                            {"INT16", NpyType::i2},
                                                                            {"UINT32", NpyType::u4},
                                                                            {"INT32", NpyType::i4},
                                                                            {"INT64", NpyType::i8},
                                                                            {"FLOAT64", NpyType::f8}}};
    for (const auto& [name, type] : names) {
        if (name == tensor.declared) return type;
    }
    return fail(Fault::unsupported, "{} has elements of type {}, which a .npy file cannot hold", tensor.name,
                tensor.declared);
}

std::vector<std::int64_t> declared_shape(const TensorDesc& tensor) {
    if (!is_transposed(tensor)) return tensor.shape;
    return {tensor.shape[0], tensor.shape[3], tensor.shape[1], tensor.shape[2]};
}

Result<std::vector<std::byte>> declared_from_wire(const TensorDesc& tensor, std::span<const std::byte> wire) {
    const auto type = declared_type(tensor);
    if (!type) return fail(type.error());
    if (wire.size() != tensor.wire_bytes()) {
        return fail(Fault::corrupt, "{} has {} bytes, not {}", tensor.name, wire.size(), tensor.wire_bytes());
    }
    const bool floating = *type == NpyType::f4 || *type == NpyType::f8;
    if (!tensor.type.is_integer() && !floating) {
        return fail(Fault::unsupported, "{} carries FLOAT32 for elements declared {}", tensor.name,
                    tensor.declared);
    }
    std::vector<std::int32_t> integers;
    if (tensor.type.is_integer()) {
        integers.resize(tensor.elements());
        if (auto done = unpack(tensor.type, wire, integers); !done) return fail(done.error());
    }
    std::vector<std::byte> out(tensor.elements() * bytes_of(*type));
    with_type(*type, [&](auto sample) {
        using T = decltype(sample);
        each_element(tensor, [&](std::size_t from, std::size_t to) {
            const T value = integers.empty() ? static_cast<T>(element<float>(wire, from))
                                             : static_cast<T>(integers[from]);
            std::memcpy(out.data() + to * sizeof(T), &value, sizeof(T));
        });
    });
    return out;
}

Result<> wire_from_array(const TensorDesc& tensor, NpyType type, std::span<const std::byte> elements,
                         std::span<std::byte> wire) {
    if (elements.size() != tensor.elements() * bytes_of(type)) {
        return fail(Fault::invalid_input, "{} elements where {} takes {}", elements.size() / bytes_of(type),
                    tensor.name, tensor.elements());
    }
    return with_type(type, [&](auto sample) -> Result<> {
        using T = decltype(sample);
        if (tensor.type.is_integer()) return integers_to_wire<T>(tensor, elements, wire);
        floats_to_wire<T>(tensor, elements, wire);
        return {};
    });
}

}  // namespace fard
