#include "splitter/estimates/unit_names.hpp"

#include <array>

namespace fard::splitter {

std::optional<bool> language_of(std::string_view name) {
    if (name.find("_rtl_") != name.npos) return true;
    if (name.find("_hls_") != name.npos) return false;
    return std::nullopt;
}

Result<std::map<std::string, model::FinnKey, std::less<>>> units_of(std::span<const std::string> names, const std::string& where) {
    std::map<std::string, model::FinnKey, std::less<>> units;
    std::map<model::FinnKind, std::array<int, 2>> counts;  // HLS and RTL
    for (const auto& name : names) {
        const auto key = model::read_finn_name(name);
        if (!key || !units.emplace(name, *key).second) continue;
        if (const auto rtl = language_of(name)) ++counts[key->kind][*rtl];
    }
    std::map<model::FinnKind, std::array<int, 2>> next;
    for (const auto& name : names) {
        const auto unit = units.find(name);
        const auto rtl = language_of(name);
        if (unit == units.end() || !rtl) continue;
        auto& [kind, number] = unit->second;
        if (const auto& both = counts[kind]; both[0] == 0 || both[1] == 0) continue;
        auto& seen = next[kind];
        const auto in_language = model::read_finn_name(name)->number;
        if (in_language < seen[*rtl]) continue;  // there before
        if (in_language > seen[*rtl])
            return fail(Fault::invalid_input,
                        "{}: '{}' is not where it belongs: of a kind that is there in HLS and in RTL all units must be, in the network's order",
                        where, name);
        number = seen[0] + seen[1];
        ++seen[*rtl];
    }
    return units;
}

}  // namespace fard::splitter
