// Folding files, reports and cluster files.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "splitter/cost/cluster.hpp"
#include "splitter/estimates/folding_file.hpp"
#include "splitter/estimates/report_file.hpp"

using namespace fard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto file = splitter::parse_folding(text, "fuzz")) {
        std::vector<splitter::NamedFolding> units;
        for (const auto& [key, folding] : file->units) {
            model::FinnUnit unit;
            unit.kind = key.first;
            unit.number_in_language = key.second;
            units.emplace_back(model::name_of(unit, model::FinnFlow::main), folding);
        }
        if (!splitter::parse_folding(splitter::folding_json(units), "again")) __builtin_trap();
    }
    splitter::ReportFile report;
    static_cast<void>(splitter::add_report(report, text, "fuzz"));
    const auto profile = [](const std::string& name) -> Result<BoardProfile> {
        BoardProfile made;
        made.name = name;
        for (const auto* resource : splitter::resource_names)
            made.resources[resource].value = 1000;
        made.fabric.emplace().clock_mhz.value = 100;
        made.fabric->slots.value = 1;
        return made;
    };
    static_cast<void>(splitter::parse_cluster(text, "fuzz", profile, splitter::Fractions{}));
    return 0;
}
