// The command line. Boost.Program_options is fenced here.
#include "runtime/node_manager/config.hpp"

#include <algorithm>
#include <boost/program_options.hpp>

#include "base/suggest.hpp"
#include "runtime/node_manager/config_keys.hpp"

namespace fard {

namespace {

namespace po = boost::program_options;

std::string help_text() {
    std::string text =
        "fardd: the node manager of one board.\n\n"
        "  fardd [--config FILE] [--KEY VALUE]...\n\n"
        "FILE is TOML; each key of it is also an option, which goes before the file.\n"
        "Lists (seeds, jobs_dir) are given by repeating their option.\n\n"
        "  --config FILE\n      read these keys from FILE\n";
    for (const auto& key : config_keys()) {
        text += "  --" + key.option() + (key.placeholder.empty() ? "" : " " + key.placeholder) + "\n      " +
                key.help + "\n";
    }
    return text + "  --help\n      print this\n  --version\n      print the version\n";
}

po::options_description describe_options() {
    po::options_description options;
    options.add_options()("help", "")("version", "")("config", po::value<std::string>());
    for (const auto& key : config_keys()) {
        auto* value = po::value<std::vector<std::string>>();
        if (key.kind == ConfigKey::Kind::flag) value->implicit_value({"true"}, "true");
        if (key.kind == ConfigKey::Kind::list) value->composing();
        options.add_options()(key.option().c_str(), value, "");
    }
    return options;
}

std::vector<std::string> option_names() {
    std::vector<std::string> names{"--config", "--help", "--version"};
    for (const auto& key : config_keys())
        names.push_back("--" + key.option());
    return names;
}

std::string without_dashes(const std::string& option) {
    const auto start = option.find_first_not_of('-');
    return start == std::string::npos ? "" : option.substr(start, option.find('=') - start);
}

struct CommandLine {
    bool help = false, version = false;
    std::string file;
    std::vector<Setting> settings;
};

Result<CommandLine> read_command_line(const std::vector<std::string>& args) {
    using namespace po::command_line_style;
    const auto options = describe_options();
    if (args == std::vector<std::string>{"-h"}) return CommandLine{.help = true};
    try {
        const auto parsed = po::command_line_parser(args)
                                .options(options)
                                .positional({})
                                .style(allow_long | long_allow_adjacent | long_allow_next)
                                .run();
        CommandLine line;
        for (const auto& option : parsed.options) {
            const auto& name = option.string_key;
            if (name == "help") line.help = true;
            if (name == "version") line.version = true;
            if (name == "config") line.file = option.value.at(0);
            for (const auto& key : config_keys()) {
                if (key.option() == name) line.settings.push_back({key.name, option.value, "--" + name});
            }
        }
        return line;
    } catch (const po::unknown_option& error) {
        const auto name = without_dashes(error.get_option_name());
        return fail(Fault::invalid_input, "there is no option --{}{}; see fardd --help", name,
                    did_you_mean("--" + name, option_names()));
    } catch (const po::too_many_positional_options_error&) {
        return fail(Fault::invalid_input, "fardd takes options alone, and each begins with two dashes; see fardd --help");
    } catch (const po::error& error) {
        return fail(Fault::invalid_input, "{}; see fardd --help", error.what());
    }
}

Result<> apply_settings(Config& config, const std::vector<Setting>& settings) {
    for (const auto& setting : settings) {
        const auto& key = *find_config_key(setting.key);
        const auto values = key.kind == ConfigKey::Kind::flag && setting.values.empty()
                                ? std::vector<std::string>{"true"}
                                : setting.values;
        for (const auto& value : values) {
            if (auto set = key.set(config, value); !set) return fail_in(setting.where, set.error());
        }
    }
    return {};
}

}  // namespace

Result<Config> read_config(const std::vector<std::string>& args) {
    const auto line = read_command_line(args);
    if (!line) return fail(line.error());
    Config config;
    if (line->help) config.text = help_text();
    if (line->version) config.text = "fardd " FARD_VERSION "\n";
    if (!config.text.empty()) return config;
    if (!line->file.empty()) {
        auto settings = read_config_file(line->file);
        if (!settings) return fail(settings.error());
        std::erase_if(*settings, [&](const Setting& in_file) {  // an option goes before it, a list as a whole
            return std::ranges::find(line->settings, in_file.key, &Setting::key) != line->settings.end();
        });
        if (auto applied = apply_settings(config, *settings); !applied) return fail(applied.error());
    }
    if (auto applied = apply_settings(config, line->settings); !applied) return fail(applied.error());
    if (auto completed = complete_config(config); !completed) return fail(completed.error());
    return config;
}

}  // namespace fard
