// overlay.toml, both ways.
#include <algorithm>
#include <array>

#include "overlays/package/files.hpp"
#include "overlays/package/manifest_hardware.hpp"
#include "overlays/package/package.hpp"
#include "overlays/package/toml_string.hpp"
#include "overlays/package/toml_table.hpp"

namespace fard {
namespace {

constexpr int format_number = 2;

bool is_sha256(std::string_view text) {
    return text.size() == 64 &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Result<> read_tensor(const toml::node& node, const TableReader& parent, TensorDesc& out) {
    const auto* table = node.as_table();
    if (!table) return parent.wrong(node, "a tensor must be a table");
    TableReader reader(*table, parent.where());
    if (auto r = reader.text("name", true, out.name); !r) return r;
    if (auto r = reader.text("layout", true, out.layout); !r) return r;
    if (auto r = reader.text("declared", true, out.declared); !r) return r;
    std::string model_layout;
    if (auto r = reader.text("model_layout", false, model_layout); !r) return r;
    if (!model_layout.empty() && (model_layout != "NHWC" || out.layout != "NHWC"))
        return reader.wrong(*table, "'model_layout' may say NHWC where 'layout' does");
    out.model_is_nhwc = !model_layout.empty();
    auto r = reader.with("shape", true,
                         [&](const toml::node& shape) { return read_shape(reader, "shape", shape, out.shape); });
    if (!r) return r;
    r = reader.with("type", true, [&](const toml::node& type) -> Result<> {
        auto parsed = DataType::parse(type.value_or(std::string{}));
        if (!parsed) return reader.wrong(type, parsed.error().message);
        out.type = *parsed;
        return {};
    });
    if (!r) return r;
    constexpr std::array layouts = {"NHWC", "NCHW", "NC", ""};
    if (std::ranges::find(layouts, out.layout) == layouts.end())
        return reader.wrong(*table, fmt::format("layout '{}' is none of NHWC, NCHW, NC and ''", out.layout));
    return reader.nothing_else();
}

Result<> read_tensors(TableReader& reader, std::string_view key, bool required, std::vector<TensorDesc>& out) {
    return reader.with(key, required, [&](const toml::node& node) -> Result<> {
        const auto* array = node.as_array();
        if (!array || array->empty() || array->size() > 256)
            return reader.wrong(node, fmt::format("'{}' must hold 1 to 256 tensors", key));
        for (const auto& item : *array)
            if (auto r = read_tensor(item, reader, out.emplace_back()); !r) return r;
        return {};
    });
}

Result<> read_layers(TableReader& reader, std::vector<std::string>& out) {
    return reader.with("layers", false, [&](const toml::node& node) -> Result<> {
        const auto* array = node.as_array();
        if (!array) return reader.wrong(node, "'layers' must be a list of names");
        for (const auto& item : *array) {
            const auto name = item.value_exact<std::string>();
            if (!name || !is_printable(*name)) return reader.wrong(item, "'layers' must be a list of names");
            out.push_back(*name);
        }
        return {};
    });
}

Result<> read_files(TableReader& reader, std::map<std::string, std::string>& out) {
    return reader.with("files", true, [&](const toml::node& node) -> Result<> {
        const auto* table = node.as_table();
        if (!table) return reader.wrong(node, "'files' must be a table");
        for (const auto& [name, value] : *table) {
            const auto hash = value.value_exact<std::string>();
            if (!is_package_file_name(name.str()) || name.str() == "overlay.toml")
                return reader.wrong(value, fmt::format("'{}' cannot be a file of a package", name.str()));
            if (!hash || !is_sha256(*hash))
                return reader.wrong(
                    value, fmt::format("'{}' needs a SHA-256 of 64 lower-case hex digits", name.str()));
            out.emplace(name.str(), *hash);
        }
        return {};
    });
}

Result<> read_signature(TableReader& reader, ManifestSignature& out) {
    return reader.with_table("signature", false, [&](TableReader& signature) -> Result<> {
        if (auto r = signature.text("key", true, out.key); !r) return r;
        return signature.text("value", true, out.value);
    });
}

// What format 1 says of hardware, which is of one build: cycles are those between two chunks.
Result<> read_single_build(TableReader& reader, Manifest& manifest) {
    Hardware build;
    if (auto r = reader.text("part", false, build.part); !r) return r;
    if (auto r = reader.count("cycles", false, build.interval_cycles); !r) return r;
    if (auto r = reader.number("clock_mhz", false, build.clock_mhz); !r) return r;
    if (auto r = read_resources(reader, build.resources); !r) return r;
    if (!(build == Hardware{})) manifest.hardware.push_back(std::move(build));
    return {};
}

Result<Manifest> read_manifest(const toml::table& table, const std::string& where) {
    TableReader reader(table, where);
    Manifest manifest;
    std::int64_t format = 0;
    if (auto r = reader.count("format", false, format); !r) return fail(r.error());
    if (format < 1 || format > format_number)
        return fail(Fault::unsupported, "{}: manifest format {} is none that this fard reads (1 to {})", where, format,
                    format_number);
    if (auto r = reader.text("name", true, manifest.name); !r) return fail(r.error());
    if (auto r = reader.text("version", true, manifest.version); !r) return fail(r.error());
    if (auto r = read_layers(reader, manifest.layers); !r) return fail(r.error());
    if (auto r = read_files(reader, manifest.files); !r) return fail(r.error());
    // A bitstream of which nobody knows what it moves has no tensors.
    const bool bare = format > 1 && !table.contains("input") && !table.contains("output");
    if (auto r = read_tensors(reader, "input", !bare, manifest.inputs); !r) return fail(r.error());
    if (auto r = read_tensors(reader, "output", !bare, manifest.outputs); !r) return fail(r.error());
    if (auto r = format == 1 ? read_single_build(reader, manifest) : read_hardware(reader, manifest); !r)
        return fail(r.error());
    if (auto r = read_signature(reader, manifest.signature); !r) return fail(r.error());
    if (auto r = reader.nothing_else(); !r) return fail(r.error());
    if (manifest.name.empty()) return fail(Fault::invalid_input, "{}: the overlay's name is empty", where);
    if (bare && std::ranges::all_of(manifest.hardware, [](const Hardware& build) { return build.bitstream.empty(); }))
        return fail(Fault::invalid_input, "{}: 'input' and 'output' are missing; only a package with a bitstream can be without", where);
    return manifest;
}

void append_tensor(std::string& out, const char* kind, const TensorDesc& tensor) {
    fmt::format_to(std::back_inserter(out),
                   "\n[[{}]]\nname = {}\nshape = [{}]\nlayout = {}\ntype = {}\ndeclared = {}\n", kind,
                   toml_string(tensor.name), fmt::join(tensor.shape, ", "), toml_string(tensor.layout),
                   toml_string(tensor.type.name()), toml_string(tensor.declared));
    if (tensor.model_is_nhwc) out += "model_layout = \"NHWC\"\n";
}

}  // namespace

const Hardware* Manifest::hardware_for(const std::string& part) const {
    const Hardware* any = nullptr;
    for (const auto& build : hardware) {
        if (build.part.empty()) {
            any = &build;
        } else if (same_part(build.part, part)) {
            return &build;
        }
    }
    return any;
}

Result<Manifest> Manifest::parse(std::string_view text, const std::string& where) {
    const auto table = parse_toml(text, where);
    if (!table) return fail(table.error());
    return read_manifest(*table, where);
}

std::string Manifest::to_toml() const {
    std::string out;
    const auto put = std::back_inserter(out);
    fmt::format_to(put, "format = {}\nname = {}\nversion = {}\nlayers = [", format_number, toml_string(name),
                   toml_string(version));
    for (std::size_t i = 0; i < layers.size(); ++i)
        fmt::format_to(put, "{}{}", i ? ", " : "", toml_string(layers[i]));
    out += "]\n\n[files]\n";
    for (const auto& [file, hash] : files)
        fmt::format_to(put, "{} = {}\n", toml_string(file), toml_string(hash));
    for (const auto& tensor : inputs)
        append_tensor(out, "input", tensor);
    for (const auto& tensor : outputs)
        append_tensor(out, "output", tensor);
    for (const auto& build : hardware)
        append_hardware(out, build);
    if (!signature.key.empty())
        fmt::format_to(std::back_inserter(out), "\n[signature]\nkey = {}\nvalue = {}\n", toml_string(signature.key),
                       toml_string(signature.value));
    return out;
}

}  // namespace fard
