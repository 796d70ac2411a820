#include "overlays/profiles/board_profile.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ranges>

#include "base/suggest.hpp"
#include "overlays/package/files.hpp"
#include "overlays/package/resource_names.hpp"
#include "overlays/package/toml_table.hpp"

namespace fard {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t format_number = 1;
constexpr std::uint64_t max_profile_bytes = 1 << 20;
constexpr std::array source_kinds = {"measured: ", "paper: ", "FINN: ", "data sheet: ", "fitted: "};

Result<> read_value(TableReader& reader, std::string& out) {
    return reader.text("value", true, out);
}
Result<> read_value(TableReader& reader, std::int64_t& out) {
    return reader.count("value", true, out);
}
Result<> read_value(TableReader& reader, double& out) {
    return reader.number("value", true, out);
}

// KEY = { value = ..., source = "..." }
template <typename T>
Result<> read_sourced(TableReader& parent, std::string_view key, Sourced<T>& out, bool required = true) {
    return parent.with(key, required, [&](const toml::node& node) -> Result<> {
        const auto* table = node.as_table();
        if (!table) return parent.wrong(node, fmt::format("'{}' must have a value and a source", key));
        TableReader reader(*table, parent.where());
        if (auto r = read_value(reader, out.value); !r) return r;
        if (auto r = reader.text("source", true, out.source); !r) return r;
        const bool known = std::ranges::any_of(source_kinds, [&](std::string_view kind) {
            return out.source.starts_with(kind) && out.source.size() > kind.size();
        });
        if (!known)
            return parent.wrong(node, fmt::format("the source of '{}' must begin with one of '{}'", key,
                                                  fmt::join(source_kinds, "', '")));
        return reader.nothing_else();
    });
}

// A constant that may be missing.
Result<> read_optional(TableReader& parent, std::string_view key, std::optional<Sourced<double>>& out) {
    Sourced<double> read;
    if (auto r = read_sourced(parent, key, read, false); !r) return r;
    if (!read.source.empty()) out = std::move(read);
    return {};
}

// A rate that something is divided by.
Result<> read_rate(TableReader& parent, std::string_view key, Sourced<double>& out) {
    if (auto r = read_sourced(parent, key, out); !r) return r;
    if (out.value > 0) return {};
    return fail(Fault::invalid_input, "{}: '{}' must be above 0; leave its section out where it is not known",
                parent.where(), key);
}

Result<> read_cpu(TableReader& reader, BoardProfile::Cpu& out) {
    if (auto r = reader.text("model", true, out.model); !r) return r;
    if (auto r = read_sourced(reader, "cores", out.cores); !r) return r;
    if (auto r = read_sourced(reader, "mhz", out.mhz); !r) return r;
    return read_optional(reader, "mmac_per_s", out.mmac_per_s);
}

Result<> read(TableReader& reader, BoardProfile::Fabric& out) {
    if (auto r = read_rate(reader, "clock_mhz", out.clock_mhz); !r) return r;
    if (auto r = read_sourced(reader, "slots", out.slots); !r) return r;
    if (out.slots.value >= 1) return {};
    return fail(Fault::invalid_input, "{}: 'slots' must be at least 1", reader.where());
}

Result<> read(TableReader& reader, BoardProfile::Host& out) {
    if (auto r = read_sourced(reader, "us_per_chunk", out.us_per_chunk); !r) return r;
    return read_sourced(reader, "ns_per_byte", out.ns_per_byte);
}

Result<> read(TableReader& reader, BoardProfile::Network& out) {
    if (auto r = read_rate(reader, "mbit_per_s", out.mbit_per_s); !r) return r;
    return read_sourced(reader, "latency_us", out.latency_us);
}

Result<> read(TableReader& reader, BoardProfile::Reload& out) {
    if (auto r = read_sourced(reader, "base_ms", out.base_ms); !r) return r;
    if (auto r = read_rate(reader, "mbyte_per_s", out.mbyte_per_s); !r) return r;
    return read_sourced(reader, "bytes", out.bytes);
}

Result<> read(TableReader& reader, BoardProfile::Power& out) {
    if (auto r = read_sourced(reader, "watts", out.watts); !r) return r;
    if (auto r = read_optional(reader, "idle_watts", out.idle_watts); !r) return r;
    if (auto r = read_optional(reader, "compute_watts", out.compute_watts); !r) return r;
    if (auto r = read_optional(reader, "network_watts", out.network_watts); !r) return r;
    return read_optional(reader, "reload_watts", out.reload_watts);
}

// A section that is there whole, or not at all.
template <typename Section>
Result<> read_section(TableReader& parent, std::string_view name, std::optional<Section>& out) {
    return parent.with_table(name, false, [&](TableReader& reader) { return read(reader, out.emplace()); });
}

Result<> read_resources(TableReader& reader, BoardProfile& out) {
    for (const auto* name : resource_names)
        if (auto r = read_sourced(reader, name, out.resources[name]); !r) return r;
    return {};
}

Result<> read_profile(TableReader& reader, BoardProfile& out) {
    std::int64_t format = 0;
    if (auto r = reader.count("format", true, format); !r) return r;
    if (format != format_number)
        return fail(Fault::unsupported, "{}: profile format {} is not the one this fard reads ({})",
                    reader.where(), format, format_number);
    if (auto r = reader.text("name", true, out.name); !r) return r;
    if (auto r = reader.text("title", true, out.title); !r) return r;
    if (auto r = read_sourced(reader, "part", out.part); !r) return r;
    auto r = reader.with_table("resources", true,
                               [&](TableReader& section) { return read_resources(section, out); });
    if (!r) return r;
    r = reader.with_table("cpu", false,
                          [&](TableReader& section) { return read_cpu(section, out.cpu.emplace()); });
    if (!r) return r;
    if (r = read_section(reader, "fabric", out.fabric); !r) return r;
    if (r = read_section(reader, "host", out.host); !r) return r;
    if (r = read_section(reader, "network", out.network); !r) return r;
    if (r = read_section(reader, "reload", out.reload); !r) return r;
    if (r = read_section(reader, "power", out.power); !r) return r;
    return reader.nothing_else();
}

std::vector<std::string> profiles_in(const fs::path& directory) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
        if (entry->path().extension() == ".toml") names.push_back(entry->path().stem().string());
    std::ranges::sort(names);
    return names;
}

}  // namespace

Result<BoardProfile> BoardProfile::parse(std::string_view text, const std::string& where) {
    const auto table = parse_toml(text, where);
    if (!table) return fail(table.error());
    BoardProfile profile;
    TableReader reader(*table, where);
    if (auto read = read_profile(reader, profile); !read) return fail(read.error());
    return profile;
}

Result<BoardProfile> load_board_profile(const fs::path& directory, const std::string& name) {
    const auto names = profiles_in(directory);
    if (std::ranges::find(names, name) == names.end())
        return fail(Fault::not_found, "there is no board profile '{}' in {}{}; there are: {}", name,
                    directory.string(), did_you_mean(name, names), fmt::join(names, ", "));
    const auto file = directory / (name + ".toml");
    const auto text = read_regular_file(file, max_profile_bytes);
    if (!text) return fail(text.error());
    auto profile = BoardProfile::parse(*text, file.string());
    if (profile && profile->name != name)
        return fail(Fault::invalid_input, "{} describes '{}'; its name must be the file's", file.string(),
                    profile->name);
    return profile;
}

Result<fs::path> find_board_profiles_from(const fs::path& executable, const std::string& given) {
    std::vector<fs::path> places;
    constexpr int most_above = 2;  // PREFIX/bin, BUILD/cli; BUILD/runtime/node_manager
    auto home = executable.parent_path();
    for (int above = 0; above < most_above && home.has_relative_path(); ++above) {
        home = home.parent_path();
        places.insert(places.end(), {home / "share/fard/boards", home / "overlays/boards"});
    }
    if (!given.empty()) places = {given};
    std::error_code ignored;
    for (const auto& place : places)
        if (fs::is_directory(place, ignored)) return place;
    return fail(Fault::not_found, "no board profiles in {}; set FARD_BOARDS to their directory",
                fmt::join(places | std::views::transform([](const fs::path& place) { return place.string(); }), ", "));
}

Result<fs::path> find_board_profiles() {
    std::error_code error;
    const auto executable = fs::read_symlink("/proc/self/exe", error);
    const char* given = std::getenv("FARD_BOARDS");
    return find_board_profiles_from(executable, given ? given : "");
}

}  // namespace fard
