// How much memory a file would take once it is read, before it is.
#pragma once

#include <cstddef>
#include <string_view>

namespace fard::model {

// Protobuf makes some hundred bytes of a node, attribute, tensor or string that takes two in the file; in files that
// people have these take more than 16 each.
constexpr std::size_t max_parts(std::size_t bytes) {
    return (std::size_t{1} << 18) + bytes / 16;
}

// The messages, strings and unknown fields in the bytes of a ModelProto, as far as they can be parsed; counting ends
// above `most`.
std::size_t count_parts(std::string_view bytes, std::size_t most);

}  // namespace fard::model
