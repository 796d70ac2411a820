// A stage in the form that FINN's own flow takes.
#pragma once

#include "base/result.hpp"
#include "model/layers/finn_units.hpp"

namespace fard::model {

struct FinnForm {
    std::string onnx;
    // As the form has them, batch first. Where a border is an image, channels are last unless `channels_first`; one that the
    // stage has as an image or as a vector of channels may be the other here, with the same elements in the order of the wire.
    Shape input, output;
    bool channels_first = false;
};

// Lowered, with channels last from end to end: Im2Col, MatMul, MultiThreshold, MaxPoolNHWC. Stages with depthwise
// convolutions, pools over whole images, or of thresholds alone have channels first, with Conv, because FINN lowers or
// takes these so. Elements are FLOAT; integers are annotated. The form computes what the stage computes.
// Errors: unsupported, naming the first layer that FINN's flow does not take, and why; failed (protobuf).
Result<FinnForm> finn_form(const Graph& stage, const FinnSettings& settings = {});

}  // namespace fard::model
