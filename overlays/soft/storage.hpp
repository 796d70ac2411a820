// How a tensor lies in the soft device's memory while a chunk is computed.
//
// Images are stored NHWC, whatever the model says; everything else as in the graph. Integers of at most 256
// different values are bytes, called codes: value = code + base, with base <= 0 so that a zero is always a
// code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.hpp"
#include "model/graph.hpp"

namespace fard::soft {

struct Storage {
    enum class Kind : std::uint8_t { u8, i16, i32, f32 };
    Kind kind = Kind::f32;
    std::int32_t base = 0;       // u8 only
    std::int32_t width = 0;      // u8 only: the largest code
    bool channels_last = false;  // the graph has NCHW, the memory NHWC
    model::Shape shape;          // in memory order

    std::size_t elements() const { return model::elements(shape); }
    std::size_t element_bytes() const { return kind == Kind::u8 ? 1 : kind == Kind::i16 ? 2 : 4; }
    std::size_t bytes() const { return elements() * element_bytes(); }

    // Whether the elements lie in the graph's own order.
    bool in_graph_order() const;
    // Whether every element has its place here where it has it in `other`.
    bool same_places(const Storage& other) const {
        return shape == other.shape && channels_last == other.channels_last;
    }
    // Whether elements of `other` mean the same when they lie here.
    bool same_elements(const Storage& other) const {
        return kind == other.kind && base == other.base && width <= other.width;
    }
};

Storage storage_of(const model::Tensor& tensor);

// Bounds that an integer tensor's elements keep.
model::Range bounds_of(const model::Tensor& tensor);

// Between memory and Values in the graph's order. Errors: failed (a value outside of what the graph
// promises).
void load_values(const Storage& storage, const std::byte* memory, model::Values& values);
Result<> store_values(const Storage& storage, const model::Values& values, std::byte* memory);

// Between memory and wire form (both in the same order).
// Errors: corrupt (wrong number of bytes, a value outside of the tensor's bounds).
Result<> load_wire(const Storage& storage, DataType type, std::span<const std::byte> wire, std::byte* memory);
Result<> store_wire(const Storage& storage, DataType type, const std::byte* memory,
                    std::span<std::byte> wire);

}  // namespace fard::soft
