// --shape NAME=1x3x224x224: what a model leaves open.
#pragma once

#include "cli/options.hpp"
#include "model/model.hpp"

namespace fard::cli {

OptionSpec shape_option();
// Errors: invalid_input (not a name and whole extents above 0).
Result<model::InputShapes> read_shapes(const Options& options);

}  // namespace fard::cli
