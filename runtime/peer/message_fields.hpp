// How a message names its fields: once, as a tuple of keys and members. The codec (codec.hpp) is generated from that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>

#include "base/tensor_desc.hpp"
#include "runtime/peer/endpoint.hpp"

namespace fard::wire {

inline constexpr std::uint32_t protocol_version = 3;

// One field of a message: its key on the wire and where it lies in the struct. A blob is a string of any bytes.
template <typename Struct, typename Value, bool blob_ = false>
struct Field {
    static constexpr bool is_blob = blob_;
    const char* key;
    Value Struct::*member;
};
template <typename Struct, typename Value>
constexpr Field<Struct, Value> field(const char* key, Value Struct::*member) {
    return {key, member};
}
template <typename Struct>
constexpr Field<Struct, std::string, true> blob(const char* key, std::string Struct::*member) {
    return {key, member};
}

// The fields of any struct that travels as a map: a message, a part of one, or a TensorDesc.
inline constexpr auto tensor_fields = std::tuple{
    field("name", &TensorDesc::name), field("shape", &TensorDesc::shape), field("layout", &TensorDesc::layout),
    field("type", &TensorDesc::type), field("declared", &TensorDesc::declared)};
inline constexpr auto address_fields =
    std::tuple{field("endpoint", &Address::endpoint), field("key", &Address::key)};
template <typename Struct>
constexpr const auto& fields_of() {
    if constexpr (std::is_same_v<Struct, TensorDesc>) {
        return tensor_fields;
    } else if constexpr (std::is_same_v<Struct, Address>) {
        return address_fields;
    } else {
        return Struct::fields;
    }
}

inline constexpr std::size_t kib = 1024;
inline constexpr std::size_t mib = 1024 * kib;

}  // namespace fard::wire
