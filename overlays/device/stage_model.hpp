// The model that a package carries, for the devices that compute it.
#pragma once

#include "model/model.hpp"
#include "overlays/package/package.hpp"

namespace fard {

// Parses stage.onnx of a package and holds its inputs and outputs against the manifest. Errors: not_found
// (the package has no stage.onnx), corrupt (they do not agree), and those of model::Model::parse.
Result<model::Model> load_stage_model(const Package& package);

}  // namespace fard
