#include "tests/splitter/finn_runs.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>

namespace fard {

std::optional<std::filesystem::path> finn_data() {
    const char* data = std::getenv("FARD_TEST_DATA");
    const char* source = std::getenv("FARD_SOURCE_ROOT");
    const auto root =
        data ? std::filesystem::path(data) : std::filesystem::path(source ? source : ".") / "../shared/data";
    auto reports = root / "finn";
    if (std::filesystem::is_directory(reports)) return reports;
    MESSAGE("skipped: ", reports.string(), " is not there");
    return std::nullopt;
}

nlohmann::json read_json(const std::filesystem::path& file) {
    std::ifstream in(file);
    return nlohmann::json::parse(in);
}

finn::Estimate figures(const nlohmann::json& row, std::int64_t cycles) {
    const auto whole = [&](const char* key) { return static_cast<std::int64_t>(row.at(key).get<double>()); };
    return {whole("LUT"), whole("BRAM_18K"), whole("URAM"), row.contains("DSP") ? whole("DSP") : 0, cycles};
}

}  // namespace fard
