// One package with builds of the same stage for several parts.
#pragma once

#include "overlays/finn/deployment.hpp"

namespace fard::finn {

// Adds the builds of `more` to a package; files of the same name and other content get the part's name. Errors:
// invalid_input (other tensors or another stage.onnx, a build for that part is there already).
Result<> add_builds(Manifest& manifest, std::map<std::string, std::string>& files, const ImportedPackage& more);

}  // namespace fard::finn
