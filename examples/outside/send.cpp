// A client: sends eight chunks through an app and checks every byte that comes back: send APP.toml
// Goes to the node manager that FARD_NODE names, or to the cluster of `fard up`.
#include <cstdio>
#include <fard/client/api.hpp>
#include <vector>

namespace {

constexpr std::size_t chunks = 8, bytes = 64;

std::byte sent(std::size_t chunk, std::size_t place) {
    return static_cast<std::byte>(31 * chunk + place);
}

bool is_inverted(std::size_t chunk, const fard::Frame& result) {
    if (result.size() != bytes) return false;
    for (std::size_t place = 0; place < bytes; ++place)
        if (result.bytes()[place] != ~sent(chunk, place)) return false;
    return true;
}

fard::Result<> send(const char* app_file) {
    auto api = fard::Api::connect();
    if (!api) return fard::fail(api.error());
    const auto app = (*api)->send_app(app_file);
    if (!app) return fard::fail(app.error());

    fard::JobData data;
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
        std::vector<std::byte> tensor;
        for (std::size_t place = 0; place < bytes; ++place)
            tensor.push_back(sent(chunk, place));
        data.add(tensor);
    }
    const auto results = (*api)->send_job_data(*app, std::move(data), std::chrono::seconds(30));
    if (!results) return fard::fail(results.error());

    const auto& outputs = results->outputs;
    for (std::size_t chunk = 0; chunk < outputs.size(); ++chunk)
        if (!is_inverted(chunk, outputs[chunk].front()))
            return fard::fail(fard::Fault::corrupt, "chunk {} is not what was sent, inverted", chunk);
    std::printf("%zu of %zu chunks, inverted\n", outputs.size(), chunks);
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: send APP.toml\n");
        return 2;
    }
    const auto done = send(argv[1]);
    if (done) return 0;
    std::fprintf(stderr, "send: %s\n", done.error().message.c_str());
    return fard::exit_code(done.error().fault);
}
