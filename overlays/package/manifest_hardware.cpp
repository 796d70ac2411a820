#include "overlays/package/manifest_hardware.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "overlays/bitstream/part.hpp"
#include "overlays/package/resource_names.hpp"
#include "overlays/package/toml_string.hpp"

namespace fard {
namespace {

constexpr std::int64_t max_elements = std::int64_t{1} << 31;
constexpr std::size_t most_units = 4096;
constexpr std::size_t most_blocks = 256;
constexpr std::int64_t max_repeats = 1'000'000'000;
constexpr std::size_t most_builds = 64;

std::int64_t product(const std::vector<std::int64_t>& shape) {
    std::int64_t elements = 1;
    for (const auto extent : shape)
        elements *= extent;
    return elements;
}

// Each table of an array of tables, with a reader all of whose keys `use` must ask for.
template <typename Use>
Result<> each_table(TableReader& reader, std::string_view key, std::size_t most, Use use) {
    return reader.with(key, false, [&](const toml::node& node) -> Result<> {
        const auto* array = node.as_array();
        if (!array || array->size() > most)
            return reader.wrong(node, fmt::format("'{}' must be a list of at most {} tables", key, most));
        for (const auto& item : *array) {
            const auto* table = item.as_table();
            if (!table) return reader.wrong(item, fmt::format("'{}' must be a list of tables", key));
            TableReader one(*table, reader.where());
            if (Result<> used = use(one, item); !used) return used;
            if (Result<> rest = one.nothing_else(); !rest) return rest;
        }
        return {};
    });
}

Result<> read_file_name(TableReader& reader, std::string_view key, bool required, const Manifest& manifest, std::string& out) {
    if (auto r = reader.text(key, required, out); !r) return r;
    if (out.empty() || manifest.files.contains(out)) return {};
    return fail(Fault::invalid_input, "{}: '{}' is {}, which is not one of the package's [files]", reader.where(), key, out);
}

Result<> read_folding(TableReader& reader, UnitFoldings& out) {
    return reader.with("folding", false, [&](const toml::node& node) -> Result<> {
        const auto* units = node.as_table();
        if (!units || units->size() > most_units) return reader.wrong(node, "'folding' must be a table of units");
        for (const auto& [unit, attributes] : *units) {
            const auto* table = attributes.as_table();
            if (!table || !is_printable(unit.str()))
                return reader.wrong(attributes, "each unit of 'folding' must be a table of its attributes");
            auto& named = out[std::string(unit.str())];
            for (const auto& [name, value] : *table) {
                if (const auto number = value.value_exact<std::int64_t>()) {
                    named.emplace(name.str(), *number);
                } else if (const auto text = value.value_exact<std::string>(); text && is_printable(*text)) {
                    named.emplace(name.str(), *text);
                } else {
                    return reader.wrong(value, fmt::format("'{}' of {} must be a whole number or a string", name.str(), unit.str()));
                }
            }
        }
        return {};
    });
}

Result<> read_address(TableReader& reader, std::string_view key, std::uint64_t& out) {
    std::int64_t value = 0;
    if (auto r = reader.count(key, true, value); !r) return r;
    out = static_cast<std::uint64_t>(value);
    return {};
}

Result<> read_registers(TableReader& reader, std::vector<RegisterBlock>& out) {
    return each_table(reader, "registers", most_blocks, [&](TableReader& one, const toml::node& node) -> Result<> {
        auto& block = out.emplace_back();
        if (auto r = one.text("name", true, block.name); !r) return r;
        if (auto r = one.text("kind", false, block.kind); !r) return r;
        if (auto r = read_address(one, "address", block.address); !r) return r;
        if (auto r = read_address(one, "bytes", block.bytes); !r) return r;
        if (block.bytes == 0) return reader.wrong(node, fmt::format("registers '{}' have no bytes", block.name));
        for (const auto& other : out) {
            if (&other == &block) continue;
            if (other.name == block.name) return reader.wrong(node, fmt::format("registers '{}' are there twice", block.name));
            if (block.address < other.address + other.bytes && other.address < block.address + block.bytes)
                return reader.wrong(node, fmt::format("registers '{}' and '{}' overlap", other.name, block.name));
        }
        return {};
    });
}

bool has_block(const Hardware& hardware, const std::string& name) {
    return std::ranges::find(hardware.registers, name, &RegisterBlock::name) != hardware.registers.end();
}

// The same elements three times: what a driver would have to guess otherwise.
Result<> check_tensor(const TableReader& reader, const toml::node& node, const HardwareTensor& tensor, const TensorDesc& wire) {
    const auto type = tensor.type.empty() ? wire.type : DataType::parse(tensor.type).value_or(wire.type);
    if (product(tensor.normal) != product(wire.shape))
        return reader.wrong(node, fmt::format("'normal' has {} elements, tensor '{}' has {}", product(tensor.normal), wire.name,
                                              product(wire.shape)));
    if (tensor.folded.empty() || product(tensor.folded) != product(tensor.normal))
        return reader.wrong(node, "'folded' must have the elements of 'normal'");
    if (tensor.packed.size() != tensor.folded.size() ||
        !std::equal(tensor.packed.begin(), tensor.packed.end() - 1, tensor.folded.begin()))
        return reader.wrong(node, "'packed' must be 'folded', with the bytes of a word as its last extent");
    const auto bytes = (tensor.folded.back() * static_cast<std::int64_t>(type.bits()) + 7) / 8;
    if (tensor.packed.back() != bytes)
        return reader.wrong(node, fmt::format("a word of {} elements of {} has {} bytes; 'packed' says {}", tensor.folded.back(),
                                              type.name(), bytes, tensor.packed.back()));
    return {};
}

Result<> read_tensors(TableReader& reader, std::string_view key, const std::vector<TensorDesc>& wire,
                      const Hardware& hardware, std::vector<HardwareTensor>& out) {
    return each_table(reader, key, wire.size(), [&](TableReader& one, const toml::node& node) -> Result<> {
        auto& tensor = out.emplace_back();
        const auto shape = [&](std::string_view name, std::vector<std::int64_t>& extents) {
            return one.with(name, true, [&](const toml::node& given) { return read_shape(one, name, given, extents); });
        };
        if (auto r = shape("normal", tensor.normal); !r) return r;
        if (auto r = shape("folded", tensor.folded); !r) return r;
        if (auto r = shape("packed", tensor.packed); !r) return r;
        if (auto r = one.text("type", false, tensor.type); !r) return r;
        if (!tensor.type.empty())
            if (const auto type = DataType::parse(tensor.type); !type) return reader.wrong(node, type.error().message);
        if (auto r = one.text("dma", true, tensor.dma); !r) return r;
        if (!has_block(hardware, tensor.dma))
            return reader.wrong(node, fmt::format("'dma' is '{}', which is none of the registers", tensor.dma));
        return check_tensor(reader, node, tensor, wire[out.size() - 1]);
    });
}

Result<> read_weights(TableReader& reader, const Manifest& manifest, Hardware& hardware) {
    return each_table(reader, "weights", most_blocks, [&](TableReader& one, const toml::node& node) -> Result<> {
        auto& weights = hardware.weights.emplace_back();
        if (auto r = read_file_name(one, "file", true, manifest, weights.file); !r) return r;
        if (auto r = one.text("block", true, weights.block); !r) return r;
        if (auto r = one.count("repeats", false, weights.repeats); !r) return r;
        if (weights.repeats < 1 || weights.repeats > max_repeats)
            return reader.wrong(node, fmt::format("'repeats' must be 1 to {}", max_repeats));
        if (has_block(hardware, weights.block)) return {};
        return reader.wrong(node, fmt::format("'block' is '{}', which is none of the registers", weights.block));
    });
}

Result<> read_build(TableReader& reader, const Manifest& manifest, Hardware& out) {
    if (auto r = reader.text("part", true, out.part); !r) return r;
    if (auto r = read_file_name(reader, "bitstream", false, manifest, out.bitstream); !r) return r;
    if (auto r = read_file_name(reader, "device_tree", false, manifest, out.device_tree); !r) return r;
    if (auto r = reader.flag("partial", out.partial); !r) return r;
    if (auto r = reader.text("figures", false, out.figures); !r) return r;
    if (auto r = reader.number("clock_mhz", false, out.clock_mhz); !r) return r;
    if (auto r = reader.count("latency_cycles", false, out.latency_cycles); !r) return r;
    if (auto r = reader.count("interval_cycles", false, out.interval_cycles); !r) return r;
    if (auto r = reader.number("watts", false, out.watts); !r) return r;
    if (auto r = read_resources(reader, out.resources); !r) return r;
    if (auto r = read_folding(reader, out.folding); !r) return r;
    if (auto r = read_registers(reader, out.registers); !r) return r;
    if (auto r = read_tensors(reader, "input", manifest.inputs, out, out.inputs); !r) return r;
    if (auto r = read_tensors(reader, "output", manifest.outputs, out, out.outputs); !r) return r;
    return read_weights(reader, manifest, out);
}

std::string list(const std::vector<std::int64_t>& extents) {
    return fmt::format("[{}]", fmt::join(extents, ", "));
}

void append_tensors(std::string& out, const char* key, const std::vector<HardwareTensor>& tensors) {
    for (const auto& tensor : tensors) {
        fmt::format_to(std::back_inserter(out), "\n[[hardware.{}]]\nnormal = {}\nfolded = {}\npacked = {}\ndma = {}\n", key,
                       list(tensor.normal), list(tensor.folded), list(tensor.packed), toml_string(tensor.dma));
        if (!tensor.type.empty()) out += "type = " + toml_string(tensor.type) + "\n";
    }
}

struct ValueText {
    std::string operator()(std::int64_t value) const { return std::to_string(value); }
    std::string operator()(const std::string& value) const { return toml_string(value); }
};

}  // namespace

Result<> read_shape(const TableReader& reader, std::string_view key, const toml::node& node, std::vector<std::int64_t>& out) {
    const auto* array = node.as_array();
    if (!array || array->size() > 8) return reader.wrong(node, fmt::format("'{}' must be a list of at most 8 extents", key));
    std::int64_t elements = 1;
    for (const auto& item : *array) {
        const auto extent = item.value_exact<std::int64_t>();
        if (!extent || *extent < 1 || *extent > max_elements / elements)
            return reader.wrong(item, fmt::format("the extents of a '{}' must be at least 1, their product at most {}", key,
                                                  max_elements));
        elements *= *extent;
        out.push_back(*extent);
    }
    return {};
}

Result<> read_resources(TableReader& reader, std::map<std::string, std::int64_t>& out) {
    return reader.with_table("resources", false, [&](TableReader& resources) -> Result<> {
        for (const auto* name : resource_names) {
            std::int64_t count = -1;
            if (auto r = resources.count(name, false, count); !r) return r;
            if (count >= 0) out[name] = count;
        }
        return {};
    });
}

Result<> read_hardware(TableReader& reader, Manifest& manifest) {
    std::set<std::string> parts;
    return each_table(reader, "hardware", most_builds, [&](TableReader& one, const toml::node& node) -> Result<> {
        auto& build = manifest.hardware.emplace_back();
        if (auto r = read_build(one, manifest, build); !r) return r;
        const auto whole = [](const auto& tensors, const auto& wire) { return tensors.empty() || tensors.size() == wire.size(); };
        if (!whole(build.inputs, manifest.inputs) || !whole(build.outputs, manifest.outputs))
            return reader.wrong(node, "hardware says of all tensors how it has them, or of none");
        if (parts.insert(build.part).second) return {};
        return reader.wrong(node, fmt::format("there is hardware for the part '{}' twice", build.part));
    });
}

void append_hardware(std::string& out, const Hardware& hardware) {
    const auto put = std::back_inserter(out);
    fmt::format_to(put, "\n[[hardware]]\npart = {}\n", toml_string(hardware.part));
    if (!hardware.bitstream.empty()) fmt::format_to(put, "bitstream = {}\n", toml_string(hardware.bitstream));
    if (!hardware.device_tree.empty()) fmt::format_to(put, "device_tree = {}\n", toml_string(hardware.device_tree));
    if (hardware.partial) out += "partial = true\n";
    fmt::format_to(put, "figures = {}\nclock_mhz = {}\nlatency_cycles = {}\ninterval_cycles = {}\nwatts = {}\n",
                   toml_string(hardware.figures), hardware.clock_mhz, hardware.latency_cycles, hardware.interval_cycles,
                   hardware.watts);
    if (!hardware.resources.empty()) {
        out += "\n[hardware.resources]\n";
        for (const auto& [name, count] : hardware.resources)
            fmt::format_to(put, "{} = {}\n", toml_string(name), count);
    }
    for (const auto& [unit, attributes] : hardware.folding) {
        fmt::format_to(put, "\n[hardware.folding.{}]\n", toml_string(unit));
        for (const auto& [name, value] : attributes)
            fmt::format_to(put, "{} = {}\n", toml_string(name), std::visit(ValueText{}, value));
    }
    for (const auto& block : hardware.registers)
        fmt::format_to(put, "\n[[hardware.registers]]\nname = {}\nkind = {}\naddress = 0x{:08x}\nbytes = 0x{:x}\n",
                       toml_string(block.name), toml_string(block.kind), block.address, block.bytes);
    append_tensors(out, "input", hardware.inputs);
    append_tensors(out, "output", hardware.outputs);
    for (const auto& weights : hardware.weights)
        fmt::format_to(put, "\n[[hardware.weights]]\nfile = {}\nblock = {}\nrepeats = {}\n", toml_string(weights.file),
                       toml_string(weights.block), weights.repeats);
}

bool same_part(const std::string& a, const std::string& b) {
    const auto first = bitstream::parse_part(a), second = bitstream::parse_part(b);
    if (!first || !second) return a == b;
    const bool either = first->package.empty() || second->package.empty();
    return first->die == second->die && (either || first->package == second->package);
}

}  // namespace fard
