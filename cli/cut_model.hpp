// fard submit MODEL.onnx --boards N: the app that an app file would have declared, from the splitter's plan.
#pragma once

#include <memory>
#include <vector>

#include "cli/options.hpp"
#include "client/app_file.hpp"
#include "client/private_directory.hpp"

namespace fard::cli {

std::vector<OptionSpec> cut_options();  // --boards and what goes with it

// Whether the command's argument is a model to be cut; else it is an app file. Errors: invalid_input (a model without
// --boards; options of a cut with an app file).
Result<bool> is_to_be_cut(const Options& options);

// Plans, and writes the stages to --out, or to a directory of our own that goes with the result. Errors: those of the options, the model and the plan.
struct CutModel {
    AppFile app;
    std::unique_ptr<PrivateDirectory> directory;  // none with --out
    std::vector<std::string> notes;               // what came of the boards that were asked for
};
Result<CutModel> cut_model(const Options& options);

}  // namespace fard::cli
