// The configuration file. toml++ is fenced here.
#include <toml++/toml.h>

#include "base/suggest.hpp"
#include "runtime/node_manager/config_keys.hpp"

namespace fard {

namespace {

std::string at(const std::filesystem::path& file, const toml::node& node) {
    return fmt::format("{}:{}", file.string(), node.source().begin.line);
}

const char* expected(ConfigKey::Kind kind) {
    switch (kind) {
        case ConfigKey::Kind::text:
            return "a string";
        case ConfigKey::Kind::number:
            return "a whole number";
        case ConfigKey::Kind::flag:
            return "true or false";
        case ConfigKey::Kind::list:
            return "an array of strings";
    }
    return "";
}

// The value in the form that ConfigKey::set takes; false: it has the wrong type.
bool take(const toml::node& node, ConfigKey::Kind kind, std::vector<std::string>& values) {
    if (kind == ConfigKey::Kind::text && node.is_string()) {
        values.push_back(**node.as_string());
    } else if (kind == ConfigKey::Kind::number && node.is_integer()) {
        values.push_back(std::to_string(**node.as_integer()));
    } else if (kind == ConfigKey::Kind::flag && node.is_boolean()) {
        values.push_back(**node.as_boolean() ? "true" : "false");
    } else if (kind == ConfigKey::Kind::list && node.is_array()) {
        for (const auto& element : *node.as_array()) {
            if (!element.is_string()) return false;
            values.push_back(**element.as_string());
        }
    } else {
        return false;
    }
    return true;
}

Result<std::vector<Setting>> read_table(const toml::table& table, const std::filesystem::path& file) {
    std::vector<Setting> settings;
    for (const auto& [key, node] : table) {
        const std::string name(key.str());
        const auto* known = find_config_key(name);
        if (!known && node.is_table())
            return fail(Fault::invalid_input, "{}: there is no table [{}]; all keys stand at the top of the file, in no table",
                        fmt::format("{}:{}", file.string(), key.source().begin.line), name);
        if (!known)
            return fail(Fault::invalid_input, "{}: there is no key '{}'{}",
                        fmt::format("{}:{}", file.string(), key.source().begin.line), name,
                        did_you_mean(name, config_key_names()));
        Setting setting{name, {}, at(file, node) + ": " + name};
        if (!take(node, known->kind, setting.values))
            return fail(Fault::invalid_input, "{}: expected {}", setting.where, expected(known->kind));
        settings.push_back(std::move(setting));
    }
    return settings;
}

}  // namespace

Result<std::vector<Setting>> read_config_file(const std::filesystem::path& file) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file, ignored))
        return fail(Fault::not_found, "there is no configuration file {}", file.string());
    try {
        return read_table(toml::parse_file(file.string()), file);
    } catch (const toml::parse_error& error) {
        return fail(Fault::invalid_input, "{}:{}: {}", file.string(), error.source().begin.line,
                    error.description());
    }
}

}  // namespace fard
