#include "splitter/estimates/folding_file.hpp"

#include <nlohmann/json.hpp>

#include <ranges>

#include "splitter/estimates/unit_names.hpp"

namespace fard::splitter {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t most = 1 << 24;  // of any number in such a file

constexpr std::pair<std::string_view, finn::RamStyle> ram_styles[] = {{"auto", finn::RamStyle::automatic},
                                                                      {"block", finn::RamStyle::block},
                                                                      {"distributed", finn::RamStyle::distributed},
                                                                      {"ultra", finn::RamStyle::ultra}};
constexpr std::pair<std::string_view, finn::MemoryMode> memory_modes[] = {{"internal_decoupled", finn::MemoryMode::decoupled},
                                                                          {"decoupled", finn::MemoryMode::decoupled},
                                                                          {"internal_embedded", finn::MemoryMode::embedded},
                                                                          {"const", finn::MemoryMode::embedded},
                                                                          {"external", finn::MemoryMode::external}};
constexpr std::pair<std::string_view, bool> multipliers[] = {{"dsp", true}, {"lut", false}, {"auto", false}};

template <typename T, std::size_t n>
std::string_view name_in(const std::pair<std::string_view, T> (&table)[n], T value) {
    for (const auto& [name, own] : table)
        if (own == value) return name;
    return table[0].first;
}

class UnitReader {
  public:
    UnitReader(const Json& json, const std::string& where) : json_(json), where_(where) {}

    Result<> count(const char* key, std::int64_t least, std::int64_t& out) const {
        const auto found = json_.find(key);
        if (found == json_.end()) return {};
        if (!found->is_number_integer() || found->get<std::int64_t>() < least || found->get<std::int64_t>() > most)
            return fail(Fault::invalid_input, "{}: '{}' must be a whole number of at least {}", where_, key, least);
        out = found->get<std::int64_t>();
        return {};
    }

    template <typename T, std::size_t n>
    Result<> word(const char* key, const std::pair<std::string_view, T> (&table)[n], T& out) const {
        const auto found = json_.find(key);
        if (found == json_.end()) return {};
        const auto text = found->is_string() ? found->get<std::string>() : std::string();
        std::string known;
        for (const auto& [name, value] : table) {
            if (name == text) {
                out = value;
                return {};
            }
            known += (known.empty() ? "'" : ", '") + std::string(name) + "'";
        }
        return fail(Fault::invalid_input, "{}: '{}' must be one of {}", where_, key, known);
    }

    Result<UnitFolding> read() const {
        UnitFolding unit;
        std::int64_t parallel = 0;
        if (auto r = count("PE", 1, unit.pe); !r) return fail(r.error());
        if (auto r = count("SIMD", 1, unit.simd); !r) return fail(r.error());
        if (auto r = count("depth_trigger_bram", 0, unit.bram_from); !r) return fail(r.error());
        if (auto r = count("depth_trigger_uram", 0, unit.uram_from); !r) return fail(r.error());
        if (auto r = count("parallel_window", 0, parallel); !r) return fail(r.error());
        if (auto r = word("ram_style", ram_styles, unit.ram); !r) return fail(r.error());
        if (auto r = word("ram_style_thresholds", ram_styles, unit.threshold_ram); !r) return fail(r.error());
        if (auto r = word("mem_mode", memory_modes, unit.memory); !r) return fail(r.error());
        if (auto r = word("resType", multipliers, unit.on_dsp); !r) return fail(r.error());
        unit.parallel_window = parallel != 0;
        return unit;
    }

  private:
    const Json& json_;
    std::string where_;
};

Json json_of(const UnitFolding& unit, model::FinnKind kind) {
    using model::FinnKind;
    Json json;
    const bool windows = kind == FinnKind::window || kind == FinnKind::padding;
    const bool multiplies = kind == FinnKind::mvau || kind == FinnKind::vvau;
    if (!windows) json["PE"] = unit.pe;
    if (windows || kind == FinnKind::mvau || (kind == FinnKind::vvau && unit.simd > 1)) json["SIMD"] = unit.simd;
    if (kind == FinnKind::window || multiplies) json["ram_style"] = name_in(ram_styles, unit.ram);
    if (kind == FinnKind::window && unit.parallel_window) json["parallel_window"] = 1;
    if (multiplies) {
        json["resType"] = name_in(multipliers, unit.on_dsp);
        json["mem_mode"] = name_in(memory_modes, unit.memory);
    }
    if (kind == FinnKind::thresholding && (unit.bram_from != 0 || unit.uram_from != 0)) {
        json["depth_trigger_bram"] = unit.bram_from;
        json["depth_trigger_uram"] = unit.uram_from;
    }
    return json;
}

}  // namespace

Result<FoldingFile> parse_folding(std::string_view text, const std::string& where) {
    const auto json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) return fail(Fault::invalid_input, "{}: not a JSON file", where);
    if (!json.is_object()) return fail(Fault::invalid_input, "{}: a folding file is one JSON object, with one for each unit", where);
    std::vector<std::string> names;
    for (const auto& [name, value] : json.items())
        names.push_back(name);
    const auto units = units_of(names, where);
    if (!units) return fail(units.error());
    FoldingFile file;
    for (const auto& [name, value] : json.items()) {
        if (name == "Defaults") continue;
        if (!value.is_object()) return fail(Fault::invalid_input, "{}: '{}' must be an object", where, name);
        const auto key = units->find(name);
        if (key == units->end()) {
            file.ignored.push_back(name);
            continue;
        }
        auto unit = UnitReader(value, where + ": " + name).read();
        if (!unit) return fail(unit.error());
        unit->rtl = language_of(name);
        file.early |= name.find("_Batch_") != name.npos;
        if (!file.units.emplace(std::pair(key->second.kind, key->second.number), *unit).second)
            return fail(Fault::invalid_input, "{}: '{}' is there twice, by whatever name", where, name);
    }
    if (file.units.empty())
        return fail(Fault::invalid_input, "{}: names no unit of FINN's (MVAU_hls_0, ...); is it a folding file?", where);
    return file;
}

std::string folding_json(const std::vector<NamedFolding>& units) {
    Json json;
    json["Defaults"] = Json::object();
    for (const auto& [name, unit] : units)
        if (const auto key = model::read_finn_name(name)) json[name] = json_of(unit, key->kind);
    return json.dump(2) + "\n";
}

std::string specialization_json(const std::vector<NamedFolding>& units) {
    Json json;
    json["Defaults"] = Json::object();
    std::map<std::string_view, int> numbers;
    for (const std::string_view name : std::views::keys(units)) {
        const auto rtl = language_of(name);
        if (!rtl) continue;
        const auto kind = name.substr(0, name.find(*rtl ? "_rtl_" : "_hls_"));
        json[std::string(kind) + "_" + std::to_string(numbers[kind]++)] = {{"preferred_impl_style", *rtl ? "rtl" : "hls"}};
    }
    return json.dump(2) + "\n";
}

UnitFoldings unit_foldings(const std::vector<NamedFolding>& units) {
    UnitFoldings foldings;
    for (const auto& [name, unit] : units) {
        const auto key = model::read_finn_name(name);
        if (!key) continue;
        const auto json = json_of(unit, key->kind);
        for (const auto& [attribute, value] : json.items()) {
            if (value.is_string()) foldings[name].emplace(attribute, value.get<std::string>());
            if (value.is_number()) foldings[name].emplace(attribute, value.get<std::int64_t>());
        }
    }
    return foldings;
}

}  // namespace fard::splitter
