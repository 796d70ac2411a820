#include "client/toml_section.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <tuple>

#include "base/size.hpp"
#include "base/suggest.hpp"
#include "overlays/package/toml_table.hpp"

namespace fard {
namespace {

// Splits "8 MiB" into 8 and "MiB"; false unless a whole number and a unit are all there is.
bool split_unit(std::string_view text, std::uint64_t& count, std::string_view& unit) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{}) return false;
    unit = text.substr(static_cast<std::size_t>(end - text.data()));
    unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
    return !unit.empty();
}

// Multiplies where the product stays below 2^62, else nullopt.
std::optional<std::uint64_t> times(std::uint64_t count, std::uint64_t factor) {
    constexpr std::uint64_t most = std::uint64_t{1} << 62;
    if (count > most / factor) return std::nullopt;
    return count * factor;
}

std::string as_text(const toml::node& node) {
    if (const auto* value = node.as_string()) return value->get();
    std::ostringstream out;
    if (const auto* value = node.as_integer()) out << value->get();
    if (const auto* value = node.as_floating_point()) out << fmt::format("{}", value->get());
    if (const auto* value = node.as_boolean()) out << (value->get() ? "true" : "false");
    return out.str();
}

}  // namespace

void TomlProblems::keep(Earliest& earliest, const toml::source_position& at,
                        const std::string& message) const {
    if (earliest.error && std::tie(at.line, at.column) >= std::tie(earliest.at.line, earliest.at.column))
        return;
    earliest.at = at;
    earliest.error =
        Error{Fault::invalid_input, fmt::format("{}:{}:{}: {}", where_, at.line, at.column, message)};
}

void TomlProblems::add(const toml::source_region& place, std::string message) {
    keep(wrong_, place.begin, message);
}

void TomlProblems::add_overall(const toml::source_region& place, std::string message) {
    keep(overall_, place.begin, message);
}

TomlSection::TomlSection(const toml::table& table, std::string title, std::vector<std::string> keys,
                         TomlProblems& problems)
    : table_(table), title_(std::move(title)), problems_(problems) {
    for (const auto& [key, value] : table_) {
        if (std::find(keys.begin(), keys.end(), key.str()) != keys.end()) continue;
        problems_.add(key.source(), fmt::format("unknown key '{}' in {}{}", key.str(), title_,
                                                did_you_mean(key.str(), keys)));
    }
}

void TomlSection::complain(std::string_view key, const std::string& message) const {
    const auto* node = table_.get(key);
    problems_.add(node ? node->source() : table_.source(), fmt::format("{} in {} {}", key, title_, message));
}

void TomlSection::complain_overall(std::string_view key, const std::string& message) const {
    const auto* node = table_.get(key);
    problems_.add_overall(node ? node->source() : table_.source(),
                          fmt::format("{} in {} {}", key, title_, message));
}

void TomlSection::missing(std::string_view key) const {
    problems_.add_overall(table_.source(), fmt::format("{} needs {}", title_, key.front() == '[' ? std::string(key) : fmt::format("a key '{}'", key)));
}

const toml::node* TomlSection::wrong_type(const toml::node& node, std::string_view key,
                                          std::string_view wanted) const {
    problems_.add(node.source(),
                  fmt::format("{} in {} must be {}, not {}", key, title_, wanted, kind_of(node)));
    return nullptr;
}

std::optional<std::string> TomlSection::text(std::string_view key) const {
    const auto* node = table_.get(key);
    if (!node) return std::nullopt;
    if (const auto* value = node->as_string()) return value->get();
    wrong_type(*node, key, "a string");
    return std::nullopt;
}

std::string TomlSection::required_text(std::string_view key) const {
    if (!has(key)) missing(key);
    auto value = text(key);
    if (value && value->empty()) complain(key, "must not be empty");
    return value.value_or("");
}

std::optional<std::int64_t> TomlSection::integer(std::string_view key, std::int64_t least,
                                                 std::int64_t most) const {
    const auto* node = table_.get(key);
    if (!node) return std::nullopt;
    const auto* value = node->as_integer();
    if (!value) {
        wrong_type(*node, key, "an integer");
        return std::nullopt;
    }
    if (value->get() >= least && value->get() <= most) return value->get();
    complain(key, fmt::format("must be {} to {}, not {}", least, most, value->get()));
    return std::nullopt;
}

std::optional<double> TomlSection::number(std::string_view key, double least, double most) const {
    const auto* node = table_.get(key);
    if (!node) return std::nullopt;
    const auto value = node->is_number() ? node->value<double>() : std::nullopt;
    if (!value) {
        wrong_type(*node, key, "a number");
        return std::nullopt;
    }
    if (*value >= least && *value <= most) return value;
    complain(key, fmt::format("must be {} to {}, not {}", least, most, *value));
    return std::nullopt;
}

// The value, or each of an array.
template <typename Take>
void TomlSection::each_of(std::string_view key, const Take& take) const {
    const auto* node = table_.get(key);
    if (!node) return;
    const auto* array = node->as_array();
    if (!array) return take(*node);
    for (const auto& item : *array)
        take(item);
}

std::vector<double> TomlSection::numbers(std::string_view key) const {
    std::vector<double> out;
    each_of(key, [&](const toml::node& node) {
        const auto value = node.is_number() ? node.value<double>() : std::nullopt;
        if (!value) return void(wrong_type(node, key, "a number or an array of numbers"));
        if (!std::isfinite(*value)) return complain(key, "must be finite");
        out.push_back(*value);
    });
    return out;
}

std::vector<std::string> TomlSection::texts(std::string_view key) const {
    std::vector<std::string> out;
    each_of(key, [&](const toml::node& node) {
        const auto* value = node.as_string();
        if (!value) return void(wrong_type(node, key, "a string or an array of strings"));
        if (value->get().empty()) return complain(key, "is empty; leave it out, or name one");
        out.push_back(value->get());
    });
    if (const auto* node = table_.get(key); node && node->is_array() && node->as_array()->empty()) complain(key, "is empty; leave it out, or name one");
    return out;
}

std::vector<std::int64_t> TomlSection::integers(std::string_view key, std::int64_t least,
                                                std::int64_t most) const {
    std::vector<std::int64_t> out;
    const auto* node = table_.get(key);
    if (!node) return out;
    const auto* array = node->as_array();
    if (!array) return wrong_type(*node, key, "an array of integers"), out;
    for (const auto& item : *array) {
        const auto* value = item.as_integer();
        if (!value) {
            wrong_type(item, key, "an array of integers");
        } else if (value->get() < least || value->get() > most) {
            problems_.add(item.source(), fmt::format("{} in {} must hold {} to {}, not {}", key, title_,
                                                     least, most, value->get()));
        } else {
            out.push_back(value->get());
        }
    }
    return out;
}

std::vector<std::vector<std::string>> TomlSection::text_sets(std::string_view key) const {
    constexpr std::string_view wanted = "an array of strings or of arrays of strings";
    std::vector<std::vector<std::string>> out;
    const auto* node = table_.get(key);
    if (!node) return out;
    const auto* array = node->as_array();
    if (!array) return wrong_type(*node, key, wanted), out;
    for (const auto& item : *array) {
        auto& set = out.emplace_back();
        const auto take = [&](const toml::node& name) {
            const auto* value = name.as_string();
            if (!value) return void(wrong_type(name, key, wanted));
            if (value->get().empty()) return problems_.add(name.source(), "a tensor's name is empty");
            set.push_back(value->get());
        };
        if (const auto* names = item.as_array()) {
            if (names->empty()) problems_.add(item.source(), "a cut names no tensor");
            for (const auto& name : *names)
                take(name);
        } else {
            take(item);
        }
    }
    return out;
}

std::map<std::string, std::string> TomlSection::settings(std::string_view key) const {
    std::map<std::string, std::string> out;
    const auto* found = table(key);
    if (!found) return out;
    for (const auto& [name, value] : *found) {
        if (value.is_string() || value.is_number() || value.is_boolean()) {
            out.emplace(name.str(), as_text(value));
        } else {
            wrong_type(value, name.str(), "a string, a number or a boolean");
        }
    }
    return out;
}

std::optional<std::uint64_t> TomlSection::bytes(std::string_view key) const {
    const auto* node = table_.get(key);
    if (!node) return std::nullopt;
    std::optional<std::uint64_t> size;
    if (const auto* value = node->as_integer()) {
        size = static_cast<std::uint64_t>(std::max<std::int64_t>(value->get(), 0));
    } else if (const auto* text = node->as_string()) {
        if (const auto parsed = parse_size(text->get())) size = *parsed;
    } else {
        wrong_type(*node, key, "a size like \"8 MiB\"");
        return std::nullopt;
    }
    if (size && *size > 0) return size;
    complain(key, fmt::format("must be a size above zero, in {}, like \"8 MiB\"", size_units));
    return std::nullopt;
}

std::optional<std::int64_t> TomlSection::milliseconds(std::string_view key) const {
    const auto* node = table_.get(key);
    if (!node) return std::nullopt;
    const auto* value = node->as_string();
    if (!value) {
        wrong_type(*node, key, "a duration like \"60 s\"");
        return std::nullopt;
    }
    std::uint64_t count = 0;
    std::string_view unit;
    const std::map<std::string_view, std::uint64_t> units = {{"ms", 1}, {"s", 1000}, {"min", 60'000}};
    const auto factor = split_unit(value->get(), count, unit) ? units.find(unit) : units.end();
    const auto duration = factor == units.end() ? std::nullopt : times(count, factor->second);
    constexpr std::uint64_t longest = 7ull * 24 * 3600 * 1000;
    if (duration && *duration > 0 && *duration <= longest) return static_cast<std::int64_t>(*duration);
    complain(key, "must be a duration above zero and at most a week, in ms, s or min, like \"60 s\"");
    return std::nullopt;
}

const toml::table* TomlSection::table(std::string_view key) const {
    const auto* node = table_.get(key);
    if (!node) return nullptr;
    if (const auto* found = node->as_table()) return found;
    wrong_type(*node, key, "a table");
    return nullptr;
}

std::vector<const toml::table*> TomlSection::tables(std::string_view key) const {
    std::vector<const toml::table*> out;
    const auto* node = table_.get(key);
    if (!node) return out;
    const auto* array = node->as_array();
    if (!array && node->is_table()) {
        const auto name = title_.starts_with('[') ? title_.substr(1, title_.find(']') - 1) + "." : "";
        problems_.add(node->source(), fmt::format("{} in {} is an array of tables: write [[{}{}]], with two brackets", key,
                                                  title_, name, key));
        return out;
    }
    if (!array) return wrong_type(*node, key, "an array of tables"), out;
    for (const auto& item : *array) {
        if (const auto* found = item.as_table()) {
            out.push_back(found);
        } else {
            wrong_type(item, key, "an array of tables");
        }
    }
    return out;
}

}  // namespace fard
