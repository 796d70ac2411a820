// How much memory a file would take once it is read, before it is.
#pragma once

#include <cstddef>
#include <string_view>

namespace google::protobuf::io {
class ZeroCopyInputStream;
}

namespace fard::model {

// No import takes more than this.
constexpr std::size_t most_memory(std::size_t file_bytes) {
    return (std::size_t{50} << 20) + 20 * file_bytes;
}

// What the nodes, attributes, tensors and names in the bytes of a ModelProto take in all that is made of them at the same time,
// as far as they can be parsed; beside the elements of tensors. An empty one has two bytes in the file. Counting ends above
// `most`.
struct PartCount {
    std::size_t count = 0, memory = 0;
};
PartCount count_parts(std::string_view bytes, std::size_t most);
// The same of what `in` gives, up to its end.
PartCount count_parts(google::protobuf::io::ZeroCopyInputStream& in, std::size_t most);

}  // namespace fard::model
