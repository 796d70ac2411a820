#include "overlays/package/toml_table.hpp"

#include <algorithm>
#include <cmath>

#include "base/suggest.hpp"

namespace fard {

Result<toml::table> parse_toml(std::string_view text, const std::string& where) {
    try {
        return toml::parse(text);
    } catch (const toml::parse_error& error) {
        return fail(Fault::invalid_input, "{}:{}: {}", where, error.source().begin.line, error.description());
    }
}

tl::unexpected<Error> TableReader::wrong(const toml::node& at, const std::string& what) const {
    return fail(Fault::invalid_input, "{}:{}: {}", where_, at.source().begin.line, what);
}

Result<> TableReader::missing(std::string_view key) const {
    return wrong(table_, fmt::format("'{}' is missing", key));
}

Result<> TableReader::text(std::string_view key, bool required, std::string& out) {
    return with(key, required, [&](const toml::node& node) -> Result<> {
        const auto value = node.value_exact<std::string>();
        if (!value || !is_printable(*value))
            return wrong(node, fmt::format("'{}' must be a string without control characters", key));
        out = *value;
        return {};
    });
}

Result<> TableReader::count(std::string_view key, bool required, std::int64_t& out) {
    return with(key, required, [&](const toml::node& node) -> Result<> {
        const auto value = node.value_exact<std::int64_t>();
        if (!value || *value < 0) return wrong(node, fmt::format("'{}' must be a whole number >= 0", key));
        out = *value;
        return {};
    });
}

Result<> TableReader::number(std::string_view key, bool required, double& out) {
    return with(key, required, [&](const toml::node& node) -> Result<> {
        const auto value = node.is_number() ? node.value<double>() : std::nullopt;
        if (!value || !std::isfinite(*value) || *value < 0)
            return wrong(node, fmt::format("'{}' must be a number >= 0", key));
        out = *value;
        return {};
    });
}

Result<> TableReader::flag(std::string_view key, bool& out) {
    return with(key, false, [&](const toml::node& node) -> Result<> {
        const auto value = node.value_exact<bool>();
        if (!value) return wrong(node, fmt::format("'{}' must be true or false", key));
        out = *value;
        return {};
    });
}

Result<> TableReader::nothing_else() const {
    for (const auto& [key, node] : table_)
        if (std::ranges::find(known_, key.str()) == known_.end())
            return wrong(node,
                         fmt::format("'{}' is not a key here{}", key.str(), did_you_mean(key.str(), known_)));
    return {};
}

bool is_printable(std::string_view text) {
    return std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace fard
