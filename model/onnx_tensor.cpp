#include "model/onnx_tensor.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace fard::model {
namespace {

using onnx::TensorProto;

static_assert(std::endian::native == std::endian::little, "raw_data is copied as it is");

constexpr std::array<std::pair<int, const char*>, 10> element_types{{{TensorProto::FLOAT, "FLOAT32"},
                                                                     {TensorProto::DOUBLE, "FLOAT64"},
                                                                     {TensorProto::INT8, "INT8"},
                                                                     {TensorProto::UINT8, "UINT8"},
                                                                     {TensorProto::INT16, "INT16"},
                                                                     {TensorProto::UINT16, "UINT16"},
                                                                     {TensorProto::INT32, "INT32"},
                                                                     {TensorProto::UINT32, "UINT32"},
                                                                     {TensorProto::INT64, "INT64"},
                                                                     {TensorProto::BOOL, "BOOL"}}};

constexpr std::uint64_t max_elements = std::uint64_t{1} << 31;

// For messages; the values of attributes have no names.
std::string called(const TensorProto& tensor) {
    return tensor.name().empty() ? "its tensor" : "tensor '" + tensor.name() + "'";
}

// The number of elements, or an error for extents that cannot be.
Result<std::uint64_t> count_elements(const TensorProto& tensor) {
    std::uint64_t count = 1;
    for (const auto extent : tensor.dims()) {
        if (extent < 0 || static_cast<std::uint64_t>(extent) > max_elements)
            return fail(Fault::corrupt, "{} has an extent of {}", called(tensor), extent);
        count *= static_cast<std::uint64_t>(extent);
        if (count > max_elements)
            return fail(Fault::corrupt, "{} would have more than 2^31 elements", called(tensor));
    }
    return count;
}

template <typename Number>
void put(RawTensor& read, Number value) {
    if constexpr (std::is_floating_point_v<Number>)
        read.values.floats.push_back(static_cast<float>(value));
    else
        read.add(static_cast<std::int64_t>(value));
}

// Elements that lie in raw_data as little-endian `Stored`.
template <typename Stored>
Result<> read_raw(const TensorProto& tensor, std::uint64_t count, RawTensor& read) {
    auto& values = read.values;
    const std::string& raw = tensor.raw_data();
    if (raw.size() != count * sizeof(Stored))
        return fail(Fault::corrupt, "{} has {} bytes where its shape and type need {}", called(tensor),
                    raw.size(), count * sizeof(Stored));
    if constexpr (std::is_same_v<Stored, float>) {
        values.floats.resize(count);
        std::memcpy(values.floats.data(), raw.data(), raw.size());
    } else if constexpr (sizeof(Stored) < 4) {  // each fits
        values.integers.resize(count);
        const auto* from = reinterpret_cast<const unsigned char*>(raw.data());
        for (auto& to : values.integers) {
            Stored value;
            std::memcpy(&value, from, sizeof(Stored));
            from += sizeof(Stored);
            to = value;
        }
    } else {
        for (std::size_t i = 0; i < count; ++i) {
            Stored value;
            std::memcpy(&value, raw.data() + i * sizeof(Stored), sizeof(Stored));
            put(read, value);
        }
    }
    return {};
}

// Of 16 bits: half precision, or the upper half of a float.
float wide_half(std::uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float size = exponent == 31   ? (fraction ? std::numeric_limits<float>::quiet_NaN()
                                                    : std::numeric_limits<float>::infinity())
                       : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                       : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
    return (bits & 0x8000) != 0 ? -size : size;
}

float wide_bfloat16(std::uint16_t bits) {
    return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

Result<> read_halves(const TensorProto& tensor, std::uint64_t count, float (*wide)(std::uint16_t), RawTensor& read) {
    const std::string& raw = tensor.raw_data();
    const auto stored = tensor.has_raw_data() ? raw.size() / 2 : static_cast<std::size_t>(tensor.int32_data_size());
    if (stored != count || (tensor.has_raw_data() && raw.size() % 2 != 0))
        return fail(Fault::corrupt, "{} has {} elements where its shape needs {}", called(tensor), stored, count);
    read.values.floats.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        std::uint16_t bits = 0;
        if (tensor.has_raw_data())
            std::memcpy(&bits, raw.data() + i * sizeof bits, sizeof bits);
        else
            bits = static_cast<std::uint16_t>(tensor.int32_data(static_cast<int>(i)));
        read.values.floats[i] = wide(bits);
    }
    return {};
}

// Elements that lie in one of the repeated fields, which may be wider than they are.
template <typename Stored, typename Field>
Result<> read_field(const TensorProto& tensor, const Field& field, std::uint64_t count, RawTensor& read) {
    if (static_cast<std::uint64_t>(field.size()) != count)
        return fail(Fault::corrupt, "{} has {} elements where its shape needs {}", called(tensor),
                    field.size(), count);
    for (const auto value : field) {
        if constexpr (std::is_integral_v<Stored>)
            if (!std::in_range<Stored>(value))
                return fail(Fault::corrupt, "{} holds {}, which its type {} does not have", called(tensor),
                            value, declared_of(tensor.data_type()));
        put(read, value);
    }
    return {};
}

template <typename Stored, typename Field>
Result<> read_either(const TensorProto& tensor, const Field& field, std::uint64_t count, RawTensor& read) {
    if (tensor.has_raw_data()) return read_raw<Stored>(tensor, count, read);
    return read_field<Stored>(tensor, field, count, read);
}

Result<> read_values(const TensorProto& tensor, std::uint64_t count, RawTensor& values) {
    switch (tensor.data_type()) {
        case TensorProto::FLOAT:
            return read_either<float>(tensor, tensor.float_data(), count, values);
        case TensorProto::DOUBLE:
            return read_either<double>(tensor, tensor.double_data(), count, values);
        case TensorProto::FLOAT16:
            return read_halves(tensor, count, wide_half, values);
        case TensorProto::BFLOAT16:
            return read_halves(tensor, count, wide_bfloat16, values);
        case TensorProto::INT8:
            return read_either<std::int8_t>(tensor, tensor.int32_data(), count, values);
        case TensorProto::UINT8:
            return read_either<std::uint8_t>(tensor, tensor.int32_data(), count, values);
        case TensorProto::BOOL:
            return read_either<std::uint8_t>(tensor, tensor.int32_data(), count, values);
        case TensorProto::INT16:
            return read_either<std::int16_t>(tensor, tensor.int32_data(), count, values);
        case TensorProto::UINT16:
            return read_either<std::uint16_t>(tensor, tensor.int32_data(), count, values);
        case TensorProto::INT32:
            return read_either<std::int32_t>(tensor, tensor.int32_data(), count, values);
        case TensorProto::UINT32:
            return read_either<std::uint32_t>(tensor, tensor.uint64_data(), count, values);
        case TensorProto::INT64:
            return read_either<std::int64_t>(tensor, tensor.int64_data(), count, values);
        default:
            break;
    }
    return fail(Fault::unsupported, "{} has the ONNX element type {}, which fard does not read",
                called(tensor), declared_of(tensor.data_type()));
}

}  // namespace

std::string declared_of(int element_type) {
    for (const auto& [type, name] : element_types)
        if (type == element_type) return name;
    if (element_type == TensorProto::UNDEFINED) return "";
    return TensorProto::DataType_IsValid(element_type)
               ? TensorProto::DataType_Name(static_cast<TensorProto::DataType>(element_type))
               : "number " + std::to_string(element_type);
}

int element_type_of(const std::string& declared) {
    for (const auto& [type, name] : element_types)
        if (declared == name) return type;
    return TensorProto::FLOAT;
}

Result<std::uint64_t> stored_bytes(const TensorProto& tensor) {
    constexpr std::pair<int, std::uint64_t> sizes[] = {
        {TensorProto::FLOAT, 4},  {TensorProto::DOUBLE, 8}, {TensorProto::INT8, 1},   {TensorProto::UINT8, 1},
        {TensorProto::BOOL, 1},   {TensorProto::INT16, 2},
        {TensorProto::FLOAT16, 2}, {TensorProto::BFLOAT16, 2},  {TensorProto::UINT16, 2}, {TensorProto::INT32, 4},
        {TensorProto::UINT32, 4}, {TensorProto::INT64, 8}};
    const auto count = count_elements(tensor);
    if (!count) return fail(count.error());
    for (const auto& [type, size] : sizes)
        if (type == tensor.data_type()) return *count * size;
    return fail(Fault::unsupported, "has an ONNX element type that fard does not read ({})",
                tensor.data_type());
}

Result<RawTensor> read_tensor(const TensorProto& tensor) {
    if (tensor.data_location() == TensorProto::EXTERNAL || tensor.external_data_size() > 0)
        return fail(Fault::unsupported,
                    "{} keeps its data in another file, and where that is is not known here", called(tensor));
    if (tensor.has_segment())
        return fail(Fault::unsupported, "{} is one segment of a larger one", called(tensor));
    const auto count = count_elements(tensor);
    if (!count) return fail(count.error());
    RawTensor read{
        tensor.name(), declared_of(tensor.data_type()), {tensor.dims().begin(), tensor.dims().end()}, {}};
    if (auto done = read_values(tensor, *count, read); !done) return fail(done.error());
    if (!read.values.floats.empty()) read.declared = "FLOAT32";  // which all of them are computed in
    return read;
}

}  // namespace fard::model
