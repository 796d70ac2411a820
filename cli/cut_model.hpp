// fard submit MODEL.onnx --boards N: the app that an app file would have declared, from the splitter's plan.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "cli/options.hpp"
#include "client/app_file.hpp"
#include "client/private_directory.hpp"

namespace fard::cli {

std::vector<OptionSpec> cut_options();  // --boards and what goes with it

// Whether the command's argument is a model to be cut; else it is an app file. Errors: invalid_input (a model without
// --boards; options of a cut with an app file).
Result<bool> is_to_be_cut(const Options& options);

// What a model is cut for, besides its boards: where these hold too few stages at once.
struct CutWish {
    std::vector<std::filesystem::path> inputs;
    std::uint64_t chunks = 0;               // 0: as many as the inputs are
    std::optional<std::uint64_t> batch;     // 0, or none: the planner's
    std::optional<double> latency_s;
};

// Plans, and writes the stages to --out, or to a directory of our own that goes with the result. Errors: those of the options, the model and
// the plan; of the inputs, where there must be turns.
struct CutModel {
    AppFile app;
    std::unique_ptr<PrivateDirectory> directory;  // none with --out
    std::vector<std::string> notes;               // what came of the boards that were asked for
};
Result<CutModel> cut_model(const Options& options, const CutWish& wish);

}  // namespace fard::cli
