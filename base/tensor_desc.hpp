// What two neighbours must agree on about a tensor before the first chunk flows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/data_type.hpp"

namespace fard {

// One tensor of a chunk as it lies on the wire. A chunk is one image: the leading (batch) dimension is kept and is 1.
struct TensorDesc {
    std::string name;                 // the tensor's name in the model
    std::vector<std::int64_t> shape;  // in wire order: NHWC for four dimensions unless layout says otherwise
    std::string layout = "NHWC";      // "NHWC", "NCHW", "NC" or "" (no image layout)
    DataType type;                    // element type on the wire
    std::string declared = "FLOAT32"; // element type that the model declares for it (FLOAT32, UINT8, INT8, INT32...)
    // The model itself has it in the wire's order, NHWC, and not in NCHW: for those who store arrays as the model
    // declares them. Neighbours need not agree on it.
    bool model_is_nhwc = false;

    std::size_t elements() const {
        std::size_t count = 1;
        for (auto extent : shape) count *= static_cast<std::size_t>(extent);
        return count;
    }
    std::size_t wire_bytes() const { return type.wire_bytes(elements()); }
    friend bool operator==(const TensorDesc& a, const TensorDesc& b) {
        return a.name == b.name && a.shape == b.shape && a.layout == b.layout && a.type == b.type &&
               a.declared == b.declared;
    }
};

// Bytes of all tensors of one chunk.
inline std::size_t wire_bytes(const std::vector<TensorDesc>& tensors) {
    std::size_t bytes = 0;
    for (const auto& tensor : tensors) bytes += tensor.wire_bytes();
    return bytes;
}

}  // namespace fard
