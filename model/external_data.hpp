// Weights that an ONNX file keeps in other files beside it. Included by the sources that know onnx alone.
#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>

#include "base/result.hpp"

namespace fard::model {

// Reads the data of all tensors that lie outside of `model` into it. Their files lie in `directory` or below, links
// resolved; nothing else is opened, and nothing but the tensors' own bytes is read: 2 GiB in all, at most. Errors:
// unsupported (a path that is absolute or leads out of the directory; too much), not_found, io, corrupt (an offset or
// length that does not fit the file or the tensor); each names the tensor.
Result<> read_external_data(onnx::ModelProto& model, const std::filesystem::path& directory);

}  // namespace fard::model
