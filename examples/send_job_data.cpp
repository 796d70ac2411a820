// A C++ client: sends an app to running node managers (`fard up`, or FARD_NODE), then twenty images, and
// prints what comes back.
//
//   send_job_data APP.toml [IMAGE | DIRECTORY | ARRAY.npy]...
#include <cstdio>
#include <filesystem>
#include <vector>

#include "client/api.hpp"
#include "client/inputs.hpp"

namespace {

constexpr std::size_t images = 20;
constexpr auto limit = std::chrono::minutes(2);

fard::Result<> send(const std::filesystem::path& app_path, const std::vector<std::filesystem::path>& paths) {
    auto api = fard::Api::connect();
    if (!api) return fard::fail(api.error());

    // Registers the app: its model is cut and packed here, no job is started yet.
    const auto app = (*api)->send_app(app_path);
    if (!app) return fard::fail(app.error());
    const auto spec = (*api)->app(*app);
    if (!spec) return fard::fail(spec.error());

    // The images as position 0 takes them; the app's own ones if no other were named.
    const auto app_file = fard::read_app_file(app_path);
    if (!app_file) return fard::fail(app_file.error());
    const auto inputs = fard::open_inputs(*app_file, paths, spec->positions.front().inputs);
    if (!inputs) return fard::fail(inputs.error());
    fard::JobData data;
    for (std::size_t i = 0; i < std::min(images, inputs->size()); ++i) {
        auto input = inputs->at(i);
        if (!input) return fard::fail(input.error());
        data.chunks.push_back(std::move(input->tensors));
    }

    // One run: jobs are spawned, take the chunks, and are gone when this returns.
    const auto results = (*api)->send_job_data(*app, data.first(images), limit);
    if (!results) return fard::fail(results.error());
    for (std::size_t i = 0; i < results->outputs.size(); ++i)
        fmt::print("chunk {}: {} bytes\n", i, results->outputs[i].front().size());
    const auto& summary = results->summary;
    fmt::print("{} results in {:.1f} ms over {} jobs\n", summary.chunks_out, summary.wall_s * 1e3,
               summary.stages.size());
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        fmt::print(stderr, "usage: send_job_data APP.toml [INPUT]...\n");
        return 2;
    }
    const auto sent = send(argv[1], {argv + 2, argv + argc});
    if (sent) return 0;
    fmt::print(stderr, "send_job_data: {}\n", sent.error().message);
    return fard::exit_code(sent.error().fault);
}
