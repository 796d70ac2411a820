#include "tests/jobs/small_stage.hpp"

#include <cstdlib>

#include "model/model.hpp"

namespace fard::testing {

std::filesystem::path under(const char* variable, const char* path) {
    const char* const root = std::getenv(variable);
    return std::filesystem::path(root != nullptr ? root : ".") / path;
}

BoardProfile quick_board() {
    BoardProfile profile;
    profile.name = profile.title = "quick";
    profile.part.value = "xc7z020clg484-1";
    for (const char* name : {"lut", "ff", "bram18", "uram", "dsp"})
        profile.resources[name].value = 1000;
    profile.fabric.emplace().slots.value = 1;
    profile.fabric->clock_mhz.value = 100;
    profile.host.emplace();
    profile.network.emplace().mbit_per_s.value = 100;
    profile.reload.emplace() = {{1, ""}, {100, ""}, {100'000, ""}};  // 2 ms
    return profile;
}

Package classifier(const std::filesystem::path& dir, const std::string& name) {
    const auto network = model::Model::load(under("FARD_SOURCE_ROOT", "apps/two_stage_bnn/cnv_w2a2.onnx")).value();
    const auto stages = model::cut(network, {{"Threshold_conv_5"}}).value();
    const auto& stage = stages.at(1);
    Manifest manifest{.name = name, .inputs = stage.inputs, .outputs = stage.outputs, .layers = stage.layers};
    auto& build = manifest.hardware.emplace_back();
    build.clock_mhz = 100;
    build.latency_cycles = build.interval_cycles = 100'000;
    return Package::write(dir, manifest, {{"stage.onnx", stage.onnx}}).value();
}

}  // namespace fard::testing
