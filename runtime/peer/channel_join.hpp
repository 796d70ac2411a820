// Parallel parts of one layer make its channels, each some of them; this puts them together again. A whole tensor is its
// parts one behind the other along the dimension in which they differ from it.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/peer/link.hpp"
#include "runtime/peer/message_parts.hpp"

namespace fard {

class ChannelJoin {
  public:
    // `parts`: what each part makes, in the order of the channels; `whole`: what they make together. Errors:
    // invalid_input, saying which tensors do not make up which.
    static Result<ChannelJoin> make(const std::vector<wire::PartSpec>& parts, const std::vector<TensorDesc>& whole);

    // One chunk of each part, as `make` was told -> the tensors of the whole.
    std::vector<Frame> join(const std::vector<Chunk>& parts) const;

  private:
    struct Joined {  // one tensor: rows, in each of which every part has some bits
        std::size_t bytes = 0, rows = 1, row_bits = 0;
        std::vector<std::size_t> bits;  // by part
    };
    static Result<Joined> joined(const std::vector<wire::PartSpec>& parts, const TensorDesc& whole, std::size_t number);

    std::vector<Joined> tensors_;
};

}  // namespace fard
