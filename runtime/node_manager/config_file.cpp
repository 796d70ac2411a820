// The configuration file. toml++ is fenced here.
#include <toml++/toml.h>

#include "base/read_file.hpp"
#include "base/suggest.hpp"
#include "overlays/package/toml_table.hpp"
#include "runtime/node_manager/config_keys.hpp"

namespace fard {

namespace {

constexpr std::size_t most_bytes = 1u << 20;

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
            return fail(Fault::invalid_input, "{}: expected {}, not {}", setting.where, expected(known->kind), what_stands_there(node));
        settings.push_back(std::move(setting));
    }
    return settings;
}

}  // namespace

Result<std::vector<Setting>> read_config_file(const std::filesystem::path& file) {
    const auto text = read_whole_file(file, {.most_bytes = most_bytes, .pipes = true});
    if (!text && text.error().fault == Fault::not_found)
        return fail(Fault::not_found, "there is no configuration file {}", file.string());
    if (!text) return fail_in("the configuration file", text.error());
    try {
        return read_table(toml::parse(*text, file.string()), file);
    } catch (const toml::parse_error& error) {
        return fail(Fault::invalid_input, "{}:{}: {}", file.string(), error.source().begin.line,
                    what_is_wrong(error));
    }
}

}  // namespace fard
