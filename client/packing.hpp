// From the app file to what a run needs: the app as node managers see it, and each stage as an overlay
// package.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "client/app_file.hpp"
#include "runtime/peer/message_parts.hpp"

namespace fard {

struct PackedApp {
    wire::AppSpec spec;
    // Packages as archives, by id. The same stage gives the same package on every machine. Empty for an app
    // without a model.
    std::map<std::string, std::shared_ptr<const std::string>> archives;

    const std::vector<TensorDesc>& inputs() const {
        return spec.positions.front().inputs;
    }  // of the whole app
    const std::vector<TensorDesc>& outputs() const { return spec.positions.back().outputs; }
};

// Loads the model, cuts it at the app's tensors and packs each stage for its position. Errors: those of
// Model::load and cut, naming the app file for a wrong cut.
Result<PackedApp> pack_app(const AppFile& app);

}  // namespace fard
