// Any text as an app file: read or refused, and what is read keeps what app_file.hpp promises.
#include <cstdlib>

#include "client/app_file.hpp"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const auto app = fard::parse_app_file({reinterpret_cast<const char*>(data), size}, "/fuzz.toml");
    if (!app) {
        require(app.error().message.starts_with("/fuzz.toml:"));
        return 0;
    }
    require(!app->name.empty() && !app->positions.empty() && app->jobs() >= app->positions.size());
    require(app->model ? app->positions.size() == app->model->cuts.size() + 1 : !app->input.tensors.empty());
    require(app->window_bytes > 0 && app->link_bytes > 0 && app->chunk_timeout.count() > 0);
    for (const auto& position : app->positions)
        require(position.job.find('/') == std::string::npos);
    for (const auto& tensor : app->input.tensors)
        require(tensor.elements() > 0);
    return 0;
}
