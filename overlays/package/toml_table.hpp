// Reading TOML files whose every key is known: each has a type, and what is left over is an error with its
// line. Internal to the parsers of this directory.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/printable.hpp"
#include "base/result.hpp"

namespace fard {

std::string_view kind_of(const toml::node& node);  // "a string"
std::string what_stands_there(const toml::node& node);  // the same, or a number itself; "an array with an integer"

// What is wrong with a text that is no TOML, and what was meant, nearly always.
std::string what_is_wrong(const toml::parse_error& error);

// toml++ throws; this is its fence. Errors: invalid_input, with the line.
Result<toml::table> parse_toml(std::string_view text, const std::string& where);

// Reads one table key by key. Refers to the table.
class TableReader {
  public:
    TableReader(const toml::table& table, std::string where) : table_(table), where_(std::move(where)) {}

    // An invalid_input with file and line.
    tl::unexpected<Error> wrong(const toml::node& at, const std::string& what) const;

    // Calls `use` with the node of `key`, if it is there. Errors: a required key is missing, and those of
    // `use`.
    template <typename Use>
    Result<> with(std::string_view key, bool required, Use use) {
        known_.emplace_back(key);
        if (const auto* node = table_.get(key)) return use(*node);
        return required ? missing(key) : Result<>{};
    }
    // The same for a key that holds a table, with a reader for it, all of whose keys `use` must ask for.
    template <typename Use>
    Result<> with_table(std::string_view key, bool required, Use use) {
        return with(key, required, [&](const toml::node& node) -> Result<> {
            const auto* table = node.as_table();
            if (!table) return wrong(node, fmt::format("'{}' must be a table", key));
            TableReader reader(*table, where_);
            if (Result<> used = use(reader); !used) return used;
            return reader.nothing_else();
        });
    }

    Result<> text(std::string_view key, bool required, std::string& out);    // no control characters
    Result<> count(std::string_view key, bool required, std::int64_t& out);  // a whole number >= 0
    Result<> number(std::string_view key, bool required, double& out);       // finite, >= 0
    Result<> flag(std::string_view key, bool& out);                         // true or false; may be missing
    Result<> nothing_else() const;                                           // no key that was not asked for

    const std::string& where() const { return where_; }

  private:
    Result<> missing(std::string_view key) const;

    const toml::table& table_;
    std::string where_;
    std::vector<std::string> known_;
};

}  // namespace fard
