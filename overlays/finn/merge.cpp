#include "overlays/finn/merge.hpp"

#include <algorithm>

#include "overlays/bitstream/part.hpp"

namespace fard::finn {
namespace {

Result<> same_stage(const Manifest& manifest, const std::map<std::string, std::string>& files, const ImportedPackage& more) {
    const auto compare = [&](const char* kind, const std::vector<TensorDesc>& own, const std::vector<TensorDesc>& other) -> Result<> {
        if (other.empty()) return {};
        const auto alike = [](const TensorDesc& a, const TensorDesc& b) { return a.type == b.type && a.elements() == b.elements(); };
        if (std::ranges::equal(own, other, alike)) return {};
        return fail(Fault::invalid_input, "{} and {} have other {}s: they are not builds of the same stage", manifest.name,
                    more.manifest.name, kind);
    };
    if (auto same = compare("input", manifest.inputs, more.manifest.inputs); !same) return same;
    if (auto same = compare("output", manifest.outputs, more.manifest.outputs); !same) return same;
    const auto own = files.find("stage.onnx"), other = more.files.find("stage.onnx");
    if (own != files.end() && other != more.files.end() && own->second != other->second)
        return fail(Fault::invalid_input, "{} and {} have another stage.onnx: they are not builds of the same stage", manifest.name,
                    more.manifest.name);
    return {};
}

// "finn-accel.bit" of another part: "finn-accel-7z020clg400.bit".
std::string name_for(const std::string& name, const std::string& part) {
    const std::filesystem::path path(name);
    const auto parsed = bitstream::parse_part(part);
    return path.stem().string() + "-" + (parsed ? parsed->name() : "other") + path.extension().string();
}

}  // namespace

Result<> add_builds(Manifest& manifest, std::map<std::string, std::string>& files, const ImportedPackage& more) {
    if (auto same = same_stage(manifest, files, more); !same) return same;
    // Figures of a plan give way to the hardware itself.
    for (auto build : more.manifest.hardware) {
        std::erase_if(manifest.hardware, [&](const Hardware& own) { return own.bitstream.empty() && own.part == build.part; });
        for (const auto& own : manifest.hardware)
            if (own.part == build.part)
                return fail(Fault::invalid_input, "{} has a build for {} already; import this one as a package of its own", manifest.name,
                            build.part);
        std::map<std::string, std::string> renamed;
        for (const auto& [name, bytes] : more.files) {
            const auto own = files.find(name);
            if (own == files.end() || own->second == bytes) {
                files[name] = bytes;
                continue;
            }
            renamed[name] = name_for(name, build.part);
            if (!files.emplace(renamed[name], bytes).second)
                return fail(Fault::invalid_input, "{} has a file {} already", manifest.name, renamed[name]);
        }
        const auto rename = [&](std::string& name) {
            if (const auto other = renamed.find(name); other != renamed.end()) name = other->second;
        };
        rename(build.bitstream);
        rename(build.device_tree);
        for (auto& weights : build.weights) rename(weights.file);
        manifest.hardware.push_back(std::move(build));
    }
    if (manifest.inputs.empty()) {
        manifest.inputs = more.manifest.inputs;
        manifest.outputs = more.manifest.outputs;
    }
    return {};
}

}  // namespace fard::finn
