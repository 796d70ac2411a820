// A plan as files: what runs on fard at once, and what FINN can make bitstreams of.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "splitter/estimates/describe.hpp"
#include "splitter/search/search.hpp"

namespace fard::splitter {

struct Emission {
    std::string name;                  // of the app
    std::filesystem::path model_file;  // the app names it by its absolute path
    std::string json;                  // of the plan, as printed
    std::string picture;               // of the plan, SVG
    std::optional<std::size_t> batch;  // images of a turn, where stages outnumber slots
};

// Writes the directory `out`: NAME.toml for `fard submit`, plan.json, plan.svg, and for each stage stage-N/ with
//   overlay/      the overlay package, with resources, cycles and clock in its manifest
//   stage.onnx    the sub-model
//   finn.onnx     the same in the form that FINN's own flow takes, where there is one
//   folding.json  how FINN is to fold it
//   specialize_layers.json  which of its units are to be HLS and which RTL
// and the same for each part in stage-N/part-I/ where the stage is made in parallel parts.
// It appears whole or not at all. Returns what people should know: stages that FINN does not take, and why.
// Errors: invalid_input (`out` is there already, and not an empty directory), io, those of the model's cut.
Result<std::vector<std::string>> emit(const std::filesystem::path& out, const model::Model& model, const Description& description,
                                      const Cluster& cluster, const Found& found, const Emission& emission);

// What an app may be called, of any text.
std::string app_name(std::string_view text);

}  // namespace fard::splitter
