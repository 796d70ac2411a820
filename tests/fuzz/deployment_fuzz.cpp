// Any bytes as a zip of a deployment: a package whose files are all plain, or a reason.
#include <cstdlib>

#include "overlays/finn/deployment.hpp"
#include "overlays/package/files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace fard;
    const auto deployment = finn::read_zip({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (!deployment) return deployment.error().message.empty() ? std::abort(), 0 : 0;
    const auto imported = finn::import_deployment(*deployment, {});
    if (!imported) return imported.error().message.empty() ? std::abort(), 0 : 0;
    for (const auto& [name, bytes] : imported->files)
        if (!is_package_file_name(name)) std::abort();
    return 0;
}
