#include "base/size.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace fard {

Result<std::uint64_t> parse_size(std::string_view text) {
    static constexpr std::pair<std::string_view, std::uint64_t> units[] = {
        {"", 1},           {"B", 1},           {"K", 1'000},       {"kB", 1'000},         {"M", 1'000'000},
        {"MB", 1'000'000}, {"G", 1'000'000'000}, {"GB", 1'000'000'000}, {"TB", 1'000'000'000'000}, {"KiB", 1ull << 10},
        {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40}};
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
    unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
    for (const auto& [name, bytes] : units)
        if (error == std::errc() && unit == name && number <= (std::uint64_t{1} << 62) / bytes) return number * bytes;
    return fail(Fault::invalid_input, "'{}' is not a size (a whole number and {}, like 4GiB)", text, size_units);
}

std::string bytes_text(std::uint64_t bytes) {
    const auto value = static_cast<double>(bytes);
    if (bytes < 1000) return fmt::format("{} B", bytes);
    if (bytes < 1'000'000) return fmt::format("{:.1f} kB", value / 1e3);
    if (bytes < 1'000'000'000) return fmt::format("{:.1f} MB", value / 1e6);
    return fmt::format("{:.1f} GB", value / 1e9);
}

}  // namespace fard
