// From the app file to what a run needs: the app as node managers see it, and each stage as an overlay
// package.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "client/app_file.hpp"
#include "overlays/package/hardware.hpp"
#include "overlays/profiles/board_profile.hpp"
#include "runtime/peer/message_parts.hpp"

namespace fard {

struct PackedApp {
    wire::AppSpec spec;
    // Packages as archives, by id. The same stage gives the same package on every machine. Empty for an app
    // without a model.
    std::map<std::string, std::shared_ptr<const std::string>> archives;

    std::vector<std::string> notes = {};  // what people should know of the plans
    std::map<std::string, std::vector<Hardware>> hardware = {};  // of packages that have some, by id

    const std::vector<TensorDesc>& inputs() const {
        return spec.positions.front().inputs;
    }  // of the whole app
    const std::vector<TensorDesc>& outputs() const { return spec.positions.back().outputs; }
};

// Loads the model, cuts it at the app's tensors and packs each stage for its position; one that names an overlay gets that
// package instead, which must be of the stage (invalid_input). Another position that may be on an FPGA
// gets a plan for each part of the boards in `profiles` (that of the app's own cluster where there are none): the fastest folding
// that fits into a slot of the first of them that has room for it, by estimate. Errors: those of Model::load and cut, naming the app file for a wrong cut; not_found (no such
// profile); refused (a stage fits none of them: what is too much, and by how much).
Result<PackedApp> pack_app(const AppFile& app, const std::vector<BoardProfile>& profiles = {});

}  // namespace fard
