// Reading a model for a command that ends once it has said something about it.
#pragma once

#include <filesystem>

#include "model/model.hpp"

namespace fard::cli {

// As model::Model::load, and quicker: memory that is freed stays with the process. Called before any other thread is started.
Result<model::Model> load_model(const std::filesystem::path& file, const model::InputShapes& shapes);

}  // namespace fard::cli
