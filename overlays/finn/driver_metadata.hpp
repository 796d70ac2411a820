// io_shape_dict of FINN's generated driver, checked.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/data_type.hpp"
#include "base/result.hpp"

namespace fard::finn {

struct DriverStream {
    DataType type;
    std::vector<std::int64_t> normal, folded, packed;  // the leading extent is 1
    std::string dma;
    int line = 0;  // of the driver, for messages
};

struct DriverMetadata {
    std::vector<DriverStream> inputs, outputs;
    std::int64_t external_weights = 0;                                // DMAs that read weights
    std::map<std::string, std::vector<std::int64_t>> weight_inputs;  // of such a DMA: the shape of its layer's input
};

// Both forms: lists, and what FINN wrote before it took several inputs. Errors: those of find_literal; invalid_input (a key
// is missing or of another kind; shapes that contradict each other), each with the line.
Result<DriverMetadata> read_driver(std::string_view source, const std::string& where);

}  // namespace fard::finn
