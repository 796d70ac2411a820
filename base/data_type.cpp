#include "base/data_type.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace fard {
namespace {

// Bits of `value` in the wire form of `type`.
std::uint32_t encode(DataType type, std::int32_t value) {
    if (type.kind() == DataType::Kind::bipolar) return value > 0 ? 1 : 0;
    return static_cast<std::uint32_t>(value);
}

std::int32_t decode(DataType type, std::uint32_t bits) {
    if (type.kind() == DataType::Kind::bipolar) return bits ? 1 : -1;
    const int unused = 32 - type.wire_bits();
    if (type.kind() == DataType::Kind::sint) return static_cast<std::int32_t>(bits << unused) >> unused;
    return static_cast<std::int32_t>(bits);
}

bool in_range(DataType type, std::int32_t value) {
    if (type.kind() == DataType::Kind::bipolar) return value == 1 || value == -1;
    if (type == DataType::uint(32)) return true;  // carried as its 32 bits
    return value >= type.min() && value <= type.max();
}

}  // namespace

Result<DataType> DataType::parse(std::string_view name) {
    if (name == "FLOAT32") return float32();
    if (name == "BIPOLAR") return bipolar();
    if (name == "BINARY") return uint(1);
    if (name == "TERNARY") return sint(2);
    const bool is_unsigned = name.starts_with("UINT");
    if (is_unsigned || name.starts_with("INT")) {
        const auto digits = name.substr(is_unsigned ? 4 : 3);
        int bits = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
        if (error == std::errc{} && end == digits.data() + digits.size() && bits >= 1 && bits <= 32)
            return is_unsigned ? uint(bits) : sint(bits);
    }
    return fail(Fault::unsupported, "'{}' is not an element type that fard carries (UINT1..UINT32, INT1..INT32, BIPOLAR, "
                "FLOAT32)", name);
}

std::string DataType::name() const {
    switch (kind_) {
        case Kind::uint: return "UINT" + std::to_string(bits_);
        case Kind::sint: return "INT" + std::to_string(bits_);
        case Kind::bipolar: return "BIPOLAR";
        case Kind::float32: break;
    }
    return "FLOAT32";
}

std::int64_t DataType::min() const {
    if (kind_ == Kind::uint) return 0;
    if (kind_ == Kind::bipolar) return -1;
    return -(std::int64_t{1} << (bits_ - 1));
}

std::int64_t DataType::max() const {
    if (kind_ == Kind::uint) return (std::int64_t{1} << bits_) - 1;
    if (kind_ == Kind::bipolar) return 1;
    return (std::int64_t{1} << (bits_ - 1)) - 1;
}

Result<> pack(DataType type, std::span<const std::int32_t> values, std::span<std::byte> out) {
    if (out.size() != type.wire_bytes(values.size()))
        return fail(Fault::invalid_input, "{} elements of {} take {} bytes, not {}", values.size(), type.name(),
                    type.wire_bytes(values.size()), out.size());
    if (!type.is_integer()) return fail(Fault::invalid_input, "FLOAT32 travels as it is; it is not packed from integers");
    const int bits = type.wire_bits();
    const std::uint64_t mask = bits == 32 ? 0xffffffffu : (std::uint64_t{1} << bits) - 1;
    std::uint64_t gathered = 0;
    int filled = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!in_range(type, values[i]))
            return fail(Fault::invalid_input, "element {} is {}, outside of {}", i, values[i], type.name());
        gathered |= (encode(type, values[i]) & mask) << filled;
        filled += bits;
        for (; filled >= 8; filled -= 8, gathered >>= 8) out[at++] = static_cast<std::byte>(gathered & 0xff);
    }
    if (filled > 0) out[at] = static_cast<std::byte>(gathered & 0xff);
    return {};
}

Result<> unpack(DataType type, std::span<const std::byte> bytes, std::span<std::int32_t> out) {
    if (bytes.size() != type.wire_bytes(out.size()))
        return fail(Fault::corrupt, "{} elements of {} take {} bytes on the wire, not {}", out.size(), type.name(),
                    type.wire_bytes(out.size()), bytes.size());
    if (!type.is_integer()) return fail(Fault::invalid_input, "FLOAT32 travels as it is; it is not unpacked to integers");
    const int bits = type.wire_bits();
    const std::uint64_t mask = bits == 32 ? 0xffffffffu : (std::uint64_t{1} << bits) - 1;
    std::uint64_t gathered = 0;
    int filled = 0;
    std::size_t at = 0;
    for (auto& value : out) {
        for (; filled < bits; filled += 8) gathered |= std::to_integer<std::uint64_t>(bytes[at++]) << filled;
        value = decode(type, static_cast<std::uint32_t>(gathered & mask));
        if (type.is_integer() && !in_range(type, value))
            return fail(Fault::corrupt, "a wire element is {}, outside of {}", value, type.name());
        gathered >>= bits;
        filled -= bits;
    }
    return {};
}

}  // namespace fard
