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

// The number of elements, or an error for extents that cannot be.
Result<std::uint64_t> count_elements(const TensorProto& tensor) {
    std::uint64_t count = 1;
    for (const auto extent : tensor.dims()) {
        if (extent < 0 || static_cast<std::uint64_t>(extent) > max_elements)
            return fail(Fault::corrupt, "tensor '{}' has an extent of {}", tensor.name(), extent);
        count *= static_cast<std::uint64_t>(extent);
        if (count > max_elements)
            return fail(Fault::corrupt, "tensor '{}' would have more than 2^31 elements", tensor.name());
    }
    return count;
}

// The ends of 64 bits mean "as far as it goes" (in a Slice, for one), and so do those of 32.
Result<> put(Values& values, std::int64_t value, const TensorProto& tensor) {
    using Wide = std::numeric_limits<std::int64_t>;
    if (value == Wide::max()) value = std::numeric_limits<std::int32_t>::max();
    if (value == Wide::min()) value = std::numeric_limits<std::int32_t>::min();
    if (value < std::numeric_limits<std::int32_t>::min() || value > std::numeric_limits<std::int32_t>::max())
        return fail(Fault::unsupported, "tensor '{}' holds {}; fard computes with integers of 32 bits",
                    tensor.name(), value);
    values.integers.push_back(static_cast<std::int32_t>(value));
    return {};
}
Result<> put(Values& values, float value, const TensorProto&) {
    values.floats.push_back(value);
    return {};
}
Result<> put(Values& values, double value, const TensorProto& tensor) {
    return put(values, static_cast<float>(value), tensor);
}
template <typename Integer>
requires std::is_integral_v<Integer> Result<> put(Values& values, Integer value, const TensorProto& tensor) {
    return put(values, static_cast<std::int64_t>(value), tensor);
}

// Elements that lie in raw_data as little-endian `Stored`.
template <typename Stored>
Result<> read_raw(const TensorProto& tensor, std::uint64_t count, Values& values) {
    const std::string& raw = tensor.raw_data();
    if (raw.size() != count * sizeof(Stored))
        return fail(Fault::corrupt, "tensor '{}' has {} bytes where its shape and type need {}",
                    tensor.name(), raw.size(), count * sizeof(Stored));
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
            if (auto done = put(values, value, tensor); !done) return done;
        }
    }
    return {};
}

// Elements that lie in one of the repeated fields, which may be wider than they are.
template <typename Stored, typename Field>
Result<> read_field(const TensorProto& tensor, const Field& field, std::uint64_t count, Values& values) {
    if (static_cast<std::uint64_t>(field.size()) != count)
        return fail(Fault::corrupt, "tensor '{}' has {} elements where its shape needs {}", tensor.name(),
                    field.size(), count);
    for (const auto value : field) {
        if constexpr (std::is_integral_v<Stored>)
            if (!std::in_range<Stored>(value))
                return fail(Fault::corrupt, "tensor '{}' holds {}, which its type {} does not have",
                            tensor.name(), value, declared_of(tensor.data_type()));
        if (auto done = put(values, value, tensor); !done) return done;
    }
    return {};
}

template <typename Stored, typename Field>
Result<> read_either(const TensorProto& tensor, const Field& field, std::uint64_t count, Values& values) {
    if (tensor.has_raw_data()) return read_raw<Stored>(tensor, count, values);
    return read_field<Stored>(tensor, field, count, values);
}

Result<> read_values(const TensorProto& tensor, std::uint64_t count, Values& values) {
    switch (tensor.data_type()) {
        case TensorProto::FLOAT:
            return read_either<float>(tensor, tensor.float_data(), count, values);
        case TensorProto::DOUBLE:
            return read_either<double>(tensor, tensor.double_data(), count, values);
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
    return fail(Fault::unsupported, "tensor '{}' has the ONNX element type {}, which fard does not read",
                tensor.name(),
                TensorProto::DataType_IsValid(tensor.data_type())
                    ? TensorProto::DataType_Name(static_cast<TensorProto::DataType>(tensor.data_type()))
                    : std::to_string(tensor.data_type()));
}

}  // namespace

std::string declared_of(int element_type) {
    for (const auto& [type, name] : element_types)
        if (type == element_type) return name;
    return "";
}

int element_type_of(const std::string& declared) {
    for (const auto& [type, name] : element_types)
        if (declared == name) return type;
    return TensorProto::FLOAT;
}

Result<std::uint64_t> stored_bytes(const TensorProto& tensor) {
    constexpr std::pair<int, std::uint64_t> sizes[] = {
        {TensorProto::FLOAT, 4},  {TensorProto::DOUBLE, 8}, {TensorProto::INT8, 1},   {TensorProto::UINT8, 1},
        {TensorProto::BOOL, 1},   {TensorProto::INT16, 2},  {TensorProto::UINT16, 2}, {TensorProto::INT32, 4},
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
                    "tensor '{}' keeps its data in another file, and where that is is not known here",
                    tensor.name());
    if (tensor.has_segment())
        return fail(Fault::unsupported, "tensor '{}' is one segment of a larger one", tensor.name());
    const auto count = count_elements(tensor);
    if (!count) return fail(count.error());
    RawTensor read{
        tensor.name(), declared_of(tensor.data_type()), {tensor.dims().begin(), tensor.dims().end()}, {}};
    if (auto done = read_values(tensor, *count, read.values); !done) return fail(done.error());
    return read;
}

}  // namespace fard::model
