#include "overlays/finn/deployment.hpp"

#include <fmt/ranges.h>

#include <algorithm>


#include "overlays/bitstream/bitstream.hpp"
#include "overlays/bitstream/part.hpp"
#include "overlays/finn/driver_metadata.hpp"
#include "overlays/finn/handoff.hpp"
#include "overlays/package/files.hpp"

namespace fard::finn {
namespace {

namespace fs = std::filesystem;

struct Found {
    std::string path;  // in the deployment
    const std::string* bytes = nullptr;
    explicit operator bool() const { return bytes != nullptr; }
};

// The one file that `is`; none where there is none. Errors: invalid_input (several).
template <typename Is>
Result<Found> find_one(const DeploymentFiles& deployment, const char* what, Is is) {
    Found found;
    for (const auto& [path, bytes] : deployment.files) {
        if (!is(fs::path(path))) continue;
        if (found)
            return fail(Fault::invalid_input, "{} holds several {}: {} and {}; give the one that is meant, or leave the others out",
                        deployment.where, what, found.path, path);
        found = {path, &bytes};
    }
    return found;
}

class Import {
  public:
    Import(const DeploymentFiles& deployment, const ImportOptions& options) : deployment_(deployment), options_(options) {}

    Result<ImportedPackage> run() {
        for (const auto step : {&Import::bitstream, &Import::handoff, &Import::driver, &Import::dmas, &Import::weights, &Import::tensors,
                                &Import::network})
            if (auto done = (this->*step)(); !done) return fail(done.error());
        out_.manifest.hardware = {build_};
        return std::move(out_);
    }

  private:
    std::string in(const std::string& path) const { return deployment_.place_of(path); }

    Result<> add(const std::string& name, const std::string& bytes) {
        if (!is_package_file_name(name) || out_.files.contains(name))
            return fail(Fault::invalid_input, "{}: '{}' cannot be a file of a package (letters, digits, '.', '_' and '-'; each name "
                        "once); rename it", deployment_.where, name);
        out_.files[name] = bytes;
        return {};
    }

    Result<> bitstream() {
        const auto found = find_one(deployment_, "bitstreams", [](const fs::path& p) { return p.extension() == ".bit" || p.extension() == ".bin"; });
        if (!found) return fail(found.error());
        if (!*found)
            return fail(Fault::not_found, "{} holds no bitstream (.bit); a deployment of FINN has bitfile/finn-accel.bit",
                        deployment_.where);
        const auto facts = bitstream::read_bitstream(*found->bytes, in(found->path));
        if (!facts) return fail(facts.error());
        bitstream_ = *facts;
        bitstream_path_ = found->path;
        build_.bitstream = fs::path(found->path).filename().string();
        build_.partial = facts->partial;
        if (facts->header) build_.part = facts->header->part;
        out_.manifest.name = options_.name.empty() ? fs::path(found->path).stem().string() : options_.name;
        return add(build_.bitstream, *found->bytes);
    }

    Result<> handoff() {
        const auto found = find_one(deployment_, "hand-offs", [](const fs::path& p) { return p.extension() == ".hwh"; });
        if (!found) return fail(found.error());
        if (!*found) {
            out_.notes.push_back("there is no .hwh: the addresses of its accelerators are not known");
            if (!build_.part.empty()) return {};
            return fail(Fault::invalid_input, "neither {} nor a .hwh says which part it is for; import the .bit that it was made from",
                        in(bitstream_path_));
        }
        auto handoff = read_handoff(*found->bytes, in(found->path));
        if (!handoff) return fail(handoff.error());
        if (auto same = check_parts(found->path, handoff->part); !same) return same;
        for (const auto& block : handoff->blocks) build_.registers.push_back({block.name, block.type, block.base, block.bytes});
        build_.clock_mhz = handoff->clock_mhz;
        handoff_path_ = found->path;
        return add(fs::path(found->path).filename().string(), *found->bytes);
    }

    Result<> check_parts(const std::string& path, const std::string& name) {
        if (build_.part.empty()) build_.part = name;
        const auto own = bitstream::parse_part(build_.part), other = bitstream::parse_part(name);
        if (own && other && bitstream::same_die(*own, *other) && (own->package == other->package || other->package.empty())) return {};
        return fail(Fault::invalid_input, "{} is for {}, and {} for {}: they are of different designs", in(bitstream_path_), build_.part,
                    in(path), name);
    }

    Result<> driver() {
        const auto found = find_one(deployment_, "drivers", [](const fs::path& p) { return p.filename() == "driver.py"; });
        if (!found) return fail(found.error());
        if (!*found) {
            out_.notes.push_back("there is no driver.py: it can be programmed, and how its tensors are moved is not known");
            return {};
        }
        auto metadata = read_driver(*found->bytes, in(found->path));
        if (!metadata) return fail(metadata.error());
        driver_path_ = found->path;
        driver_ = std::move(*metadata);
        return {};
    }

    const RegisterBlock* block(const std::string& name) const {
        const auto found = std::ranges::find(build_.registers, name, &RegisterBlock::name);
        return found == build_.registers.end() ? nullptr : &*found;
    }
    std::string blocks() const {
        std::string names;
        for (const auto& one : build_.registers) names += (names.empty() ? "" : ", ") + one.name;
        return names.empty() ? "none" : names;
    }

    Result<> dmas() {
        if (!driver_) return {};
        if (handoff_path_.empty())
            return fail(Fault::invalid_input, "{} names DMAs, and there is no .hwh that says where they are; FINN leaves it beside the .bit",
                        in(driver_path_));
        for (const auto* streams : {&driver_->inputs, &driver_->outputs})
            for (const auto& stream : *streams) {
                if (!block(stream.dma))
                    return fail(Fault::invalid_input, "{}:{}: the driver moves a tensor by '{}', and {} has no such block (it has: {}): "
                                "they are of different designs", in(driver_path_), stream.line, stream.dma, in(handoff_path_), blocks());
                auto& out = streams == &driver_->inputs ? build_.inputs : build_.outputs;
                out.push_back({stream.normal, stream.folded, stream.packed, stream.type.name(), stream.dma});
            }
        return {};
    }

    Result<> weights() {
        std::int64_t external = 0;
        for (const auto& [path, bytes] : deployment_.files) {
            const fs::path file(path);
            if (file.parent_path().filename() != "runtime_weights") continue;
            RuntimeWeights weights;
            weights.file = file.filename().string();
            if (file.extension() == ".npy") {
                ++external;
                weights.block = file.stem().string();
                if (driver_)
                    if (const auto shape = driver_->weight_inputs.find(weights.block); shape != driver_->weight_inputs.end())
                        if (shape->second.size() == 4) weights.repeats = shape->second[1] * shape->second[2];
            } else {
                weights.block = "StreamingDataflowPartition_" + weights.file.substr(0, weights.file.find('_'));
            }
            if (!block(weights.block))
                return fail(Fault::invalid_input, "{} is for '{}', which the .hwh does not have (it has: {})", in(path), weights.block,
                            blocks());
            build_.weights.push_back(weights);
            if (auto added = add(weights.file, bytes); !added) return added;
        }
        if (driver_ && driver_->external_weights != external)
            return fail(Fault::invalid_input, "{} counts {} external weights, and runtime_weights holds {} .npy files: some are missing",
                        in(driver_path_), driver_->external_weights, external);
        return {};
    }

    // Without a network the driver's tensors are the package's.
    Result<> tensors() {
        if (!driver_ || options_.network) return {};
        const auto describe = [](const std::vector<DriverStream>& streams, const char* kind, std::vector<TensorDesc>& out) {
            for (std::size_t i = 0; i < streams.size(); ++i) {
                const auto rank = streams[i].normal.size();
                out.push_back({fmt::format("{}{}", kind, i), streams[i].normal, rank == 4 ? "NHWC" : rank == 2 ? "NC" : "",
                               streams[i].type, "FLOAT32", rank == 4});
            }
        };
        describe(driver_->inputs, "input", out_.manifest.inputs);
        describe(driver_->outputs, "output", out_.manifest.outputs);
        out_.notes.push_back("no network was given (--model): boards without this part cannot run it on their CPU instead");
        return {};
    }

    Result<> network() {
        if (!options_.network) return {};
        const auto& network = *options_.network;
        out_.manifest.inputs = network.inputs;
        out_.manifest.outputs = network.outputs;
        if (driver_) {
            if (auto same = compare("input", driver_->inputs, network.inputs); !same) return same;
            if (auto same = compare("output", driver_->outputs, network.outputs); !same) return same;
        }
        return add("stage.onnx", network.onnx);
    }

    static std::vector<std::int64_t> without_ones(const std::vector<std::int64_t>& shape) {
        std::vector<std::int64_t> out;
        std::ranges::copy_if(shape, std::back_inserter(out), [](std::int64_t extent) { return extent != 1; });
        return out;
    }

    Result<> compare(const char* kind, const std::vector<DriverStream>& streams, const std::vector<TensorDesc>& tensors) const {
        if (streams.size() != tensors.size())
            return fail(Fault::invalid_input, "{} has {} {}s, and {} has {}: the deployment is not of this network", in(driver_path_),
                        streams.size(), kind, options_.network->where, tensors.size());
        for (std::size_t i = 0; i < streams.size(); ++i) {
            const auto own = without_ones(streams[i].normal), other = without_ones(tensors[i].shape);
            const auto product = [](const std::vector<std::int64_t>& shape) {
                std::int64_t elements = 1;
                for (const auto extent : shape) elements *= extent;
                return elements;
            };
            // Where one of them is flattened already, the order of the elements is the same.
            const bool shapes = own.size() == other.size() || (own.size() > 1 && other.size() > 1) ? own == other : product(own) == product(other);
            if (shapes && streams[i].type == tensors[i].type) continue;
            return fail(Fault::invalid_input, "{}:{}: {} {} of the driver is {} ({}), and '{}' of {} is {} ({}): the deployment is not of "
                        "this network", in(driver_path_), streams[i].line, kind, i, streams[i].type.name(),
                        fmt::join(streams[i].normal, ", "), tensors[i].name, options_.network->where, tensors[i].type.name(),
                        fmt::join(tensors[i].shape, ", "));
        }
        return {};
    }

    const DeploymentFiles& deployment_;
    const ImportOptions& options_;
    ImportedPackage out_;
    Hardware build_;
    bitstream::Bitstream bitstream_;
    std::string bitstream_path_, handoff_path_, driver_path_;
    std::optional<DriverMetadata> driver_;
};

}  // namespace

std::string DeploymentFiles::place_of(const std::string& path) const {
    return alone ? (fs::path(where).parent_path() / path).string() : where + "/" + path;
}

Result<ImportedPackage> import_deployment(const DeploymentFiles& deployment, const ImportOptions& options) {
    return Import(deployment, options).run();
}

}  // namespace fard::finn
