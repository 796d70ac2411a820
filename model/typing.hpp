// The types, bounds and layouts of tensors: what can be computed for them, and what the file's annotations say.
#pragma once

#include <optional>

#include "base/result.hpp"
#include "model/bounds.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

// Errors: unsupported (too many elements). Constants are in the file, or made of those that are.
Result<> require_size(const std::string& tensor, const Shape& shape, bool constant = false);

// A graph input, its open batch as one image. Errors, naming it: unsupported, invalid_input (an annotation that does
// not fit the element type).
Result<Tensor> typed_input(const RawGraph& raw, const RawValue& input);

// The annotated layout of an image, else `otherwise`.
Layout layout_of(const RawGraph& raw, const Tensor& tensor, Layout otherwise);

// Whether an image has its channels last, as all that read it say: they turn it to NCHW, behind functions of single
// elements perhaps.
bool reads_channels_last(const RawGraph& raw, const std::string& tensor);

// Gives `output` the annotated type, or `wanted`, where that holds all that can be computed, else the narrowest that
// does. What might leave 32 bits is taken at the model's word: the annotation then is the range. No bounds: fractions.
Result<> give_type(const RawGraph& raw, Tensor& output, const std::optional<Bounds>& bounds,
                   std::optional<DataType> wanted);

}  // namespace fard::model
