// Reading one table of a TOML file key by key. Every complaint carries its place; the earliest in the file is
// reported. Part of the app file's reader: includes toml++, so nothing else includes it.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace fard {

// The complaints about one file. Single keys that are wrong come before what is wrong overall (a key that is
// absent, counts that do not match): the one is often the cause of the other.
class TomlProblems {
  public:
    explicit TomlProblems(std::string where) : where_(std::move(where)) {}
    void add(const toml::source_region& place, std::string message);
    void add_overall(const toml::source_region& place, std::string message);
    const std::optional<Error>& first() const { return wrong_.error ? wrong_.error : overall_.error; }

  private:
    struct Earliest {
        std::optional<Error> error;
        toml::source_position at{};
    };
    void keep(Earliest& earliest, const toml::source_position& at, const std::string& message) const;

    std::string where_;
    Earliest wrong_;
    Earliest overall_;
};

// One table and the keys that were asked of it. A key that is absent or wrong gives nullopt (and wrong ones a
// complaint). References the table and the problems; both outlive it.
class TomlSection {
  public:
    // `title` is how people see the table: "[input]". `keys`: all that it may hold; others are complained
    // about here.
    TomlSection(const toml::table& table, std::string title, std::vector<std::string> keys,
                TomlProblems& problems);

    std::optional<std::string> text(std::string_view key) const;
    std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most) const;
    std::optional<double> number(std::string_view key, double least, double most) const;
    std::vector<double> numbers(std::string_view key) const;  // one number or an array of them
    std::vector<std::string> texts(std::string_view key) const;  // one string or an array of them
    std::vector<std::int64_t> integers(std::string_view key, std::int64_t least, std::int64_t most) const;
    std::vector<std::vector<std::string>> text_sets(
        std::string_view key) const;  // array of strings or arrays of them
    std::map<std::string, std::string> settings(
        std::string_view key) const;                                 // table of strings, numbers, booleans
    std::optional<std::uint64_t> bytes(std::string_view key) const;  // "8 MiB", "64 B" or a number of bytes
    std::optional<std::int64_t> milliseconds(std::string_view key) const;  // "60 s", "500 ms", "2 min"
    const toml::table* table(std::string_view key) const;
    std::vector<const toml::table*> tables(std::string_view key) const;  // [[array of tables]]

    bool has(std::string_view key) const { return table_.get(key) != nullptr; }
    std::string required_text(std::string_view key) const;  // complains when it is absent; "" then
    void missing(std::string_view key) const;
    void complain(std::string_view key,
                  const std::string& message) const;  // at the key's value, or at the table
    void complain_overall(std::string_view key, const std::string& message) const;

  private:
    template <typename Take>
    void each_of(std::string_view key, const Take& take) const;
    const toml::node* wrong_type(const toml::node& node, std::string_view key, std::string_view wanted) const;

    const toml::table& table_;
    std::string title_;
    TomlProblems& problems_;
};

}  // namespace fard
