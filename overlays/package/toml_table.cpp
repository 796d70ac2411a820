#include "overlays/package/toml_table.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/suggest.hpp"

namespace fard {

std::string_view kind_of(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "an array";
        case toml::node_type::string:
            return "a string";
        case toml::node_type::integer:
            return "an integer";
        case toml::node_type::floating_point:
            return "a float";
        case toml::node_type::boolean:
            return "a boolean";
        default:
            return "a date or time";
    }
}

std::string what_is_wrong(const toml::parse_error& error) {
    static constexpr std::pair<std::string_view, std::string_view> hints[] = {
        {"parsing boolean", "it is true or false, in small letters, and a text stands in quotes"},
        {"string: ", "is its closing quote missing?"},
        {"could not determine value type", "a text stands in quotes, like \"zed1\""},
        {"integer: ", "a text stands in quotes, like \"8 MiB\""},
        {"floating-point: ", "a text stands in quotes, like \"8 MiB\""},
        {"expected a comment or whitespace", "a text stands in quotes, like \"8 MiB\""},
        {"expected value", "a key needs a value: KEY = VALUE"},
        {"expected '='", "a line is KEY = VALUE"},
    };
    const std::string_view said = error.description();
    for (const auto& [part, hint] : hints)
        if (said.find(part) != std::string_view::npos) return fmt::format("{}; {}", said, hint);
    return std::string(said);
}

Result<toml::table> parse_toml(std::string_view text, const std::string& where) {
    try {
        return toml::parse(text);
    } catch (const toml::parse_error& error) {
        return fail(Fault::invalid_input, "{}:{}: {}", where, error.source().begin.line, what_is_wrong(error));
    }
}

std::string what_stands_there(const toml::node& node) {
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
    if (const auto* array = node.as_array())
        for (const auto& element : *array)
            if (!element.is_string()) return fmt::format("an array with {}", kind_of(element));
    return std::string(kind_of(node));
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
            return wrong(node, fmt::format("'{}' must be a string without control characters{}", key, value ? "" : fmt::format(", not {}", kind_of(node))));
        out = *value;
        return {};
    });
}

Result<> TableReader::count(std::string_view key, bool required, std::int64_t& out) {
    return with(key, required, [&](const toml::node& node) -> Result<> {
        const auto value = node.value_exact<std::int64_t>();
        if (!value || *value < 0) return wrong(node, fmt::format("'{}' must be a whole number >= 0, not {}", key, what_stands_there(node)));
        out = *value;
        return {};
    });
}

Result<> TableReader::number(std::string_view key, bool required, double& out) {
    return with(key, required, [&](const toml::node& node) -> Result<> {
        const auto value = node.is_number() ? node.value<double>() : std::nullopt;
        if (!value || !std::isfinite(*value) || *value < 0)
            return wrong(node, fmt::format("'{}' must be a number >= 0, not {}", key, what_stands_there(node)));
        out = *value;
        return {};
    });
}

Result<> TableReader::flag(std::string_view key, bool& out) {
    return with(key, false, [&](const toml::node& node) -> Result<> {
        const auto value = node.value_exact<bool>();
        if (!value) return wrong(node, fmt::format("'{}' must be true or false, not {}", key, what_stands_there(node)));
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

}  // namespace fard
