#include "cli/options.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>

#include "base/suggest.hpp"

namespace fard::cli {
namespace {

namespace po = boost::program_options;

std::string hint(const CommandSpec& command) {
    return fmt::format("; `fard {} --help` explains", command.name);
}

// A long one may be a ticket, which is nobody's to see again.
std::string beginning(const std::string& text) {
    constexpr std::size_t most = 40, shown = 12;
    return text.size() <= most ? text : text.substr(0, shown) + "...";
}

po::options_description describe(const CommandSpec& command) {
    po::options_description description;
    for (const auto& option : command.options) {
        if (option.argument.empty()) {
            description.add_options()(option.name.c_str(), "");
        } else {
            description.add_options()(option.name.c_str(), po::value<std::vector<std::string>>());
        }
    }
    description.add_options()("help", "");
    return description;
}

// The flag whose first letter alone is given: -h, -f; "" for none.
std::string long_name(const CommandSpec& command, const std::string& word) {
    if (word == "-h") return "help";
    for (const auto& option : command.options)
        if (option.argument.empty() && option.name == "follow" && word == "-f") return option.name;
    return "";
}

tl::unexpected<Error> unknown_option(const CommandSpec& command, const std::string& typed) {
    std::vector<std::string> names{"--help"};
    for (const auto& option : command.options)
        names.push_back("--" + option.name);
    return fail(Fault::invalid_input, "unknown option {}{}{}", typed, did_you_mean(typed, names),
                hint(command));
}

}  // namespace

std::string Options::text(const std::string& name, const std::string& otherwise) const {
    const auto found = values_.find(name);
    return found == values_.end() || found->second.empty() ? otherwise : found->second.front();
}

std::vector<std::string> Options::texts(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::vector<std::string>() : found->second;
}

Result<std::uint64_t> Options::number(const std::string& name, std::uint64_t otherwise, std::uint64_t least,
                                      std::uint64_t most) const {
    if (!given(name)) return otherwise;
    const auto typed = text(name);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(typed.data(), typed.data() + typed.size(), value);
    if (error != std::errc() || end != typed.data() + typed.size() || value < least || value > most)
        return fail(Fault::invalid_input, "--{} {}: a whole number from {} to {} is needed", name, typed,
                    least, most);
    return value;
}

Result<std::chrono::milliseconds> Options::duration(const std::string& name, std::chrono::milliseconds otherwise,
                                                    std::chrono::milliseconds most) const {
    if (!given(name)) return otherwise;
    const auto typed = text(name);
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(typed.data(), typed.data() + typed.size(), count);
    std::string unit(end, typed.data() + typed.size());
    unit.erase(0, unit.find_first_not_of(' '));
    const std::map<std::string, std::uint64_t> units{{"", 1000}, {"s", 1000}, {"ms", 1}, {"min", 60'000}, {"h", 3'600'000}};
    const auto factor = units.find(unit);
    const auto limit = static_cast<std::uint64_t>(most.count());
    if (error != std::errc() || factor == units.end() || count == 0 || count > limit / factor->second)
        return fail(Fault::invalid_input, "--{} {}: a time above 0 and at most {} s is needed, like 5s, 500ms or 2min", name,
                    typed, most.count() / 1000);
    return std::chrono::milliseconds(count * factor->second);
}

namespace {

// Nearly always a variable of a script that is not set. An empty --node means what no --node means.
Result<> check_not_empty(const CommandSpec& command, const Options& options) {
    for (const auto& option : command.options)
        for (const auto& value : options.texts(option.name))
            if (value.empty() && !option.argument.empty() && option.name != "node")
                return fail(Fault::invalid_input, "--{} is given an empty {}{}", option.name, option.argument, hint(command));
    for (std::size_t i = 0; i < options.positionals(); ++i)
        if (options.positional(i).empty())
            return fail(Fault::invalid_input, "{} is empty{}", i < command.positional.size() ? command.positional[i] : "an argument", hint(command));
    return {};
}

}  // namespace

Result<Options> parse_options(const CommandSpec& command, const std::vector<std::string>& arguments) {
    const auto description = describe(command);
    po::parsed_options parsed(&description);
    try {
        namespace style = po::command_line_style;
        parsed = po::command_line_parser(arguments)
                     .options(description)
                     .style(style::allow_long | style::long_allow_adjacent | style::long_allow_next)
                     .allow_unregistered()
                     .run();
    } catch (const po::error& error) {
        return fail(Fault::invalid_input, "{}{}", error.what(), hint(command));
    }
    Options options;
    for (const auto& item : parsed.options) {
        if (item.position_key >= 0) {
            const auto& word = item.value.front();
            const bool dashed = word.size() > 1 && word.front() == '-';
            if (const auto name = long_name(command, word); !name.empty()) {
                options.values_[name];
                continue;
            }
            if (dashed) return unknown_option(command, word);
            options.positional_.push_back(word);
            continue;
        }
        if (item.unregistered) return unknown_option(command, item.original_tokens.front());
        auto& values = options.values_[item.string_key];
        values.insert(values.end(), item.value.begin(), item.value.end());
    }
    if (options.help()) return options;
    for (const auto& option : command.options)
        if (!option.repeated && options.texts(option.name).size() > 1)
            return fail(Fault::invalid_input, "--{} is given twice{}", option.name, hint(command));
    if (auto checked = check_not_empty(command, options); !checked) return fail(checked.error());
    const auto optional = static_cast<std::size_t>(!command.positional.empty() && command.positional.back().starts_with('['));
    if (options.positional_.size() + optional < command.positional.size())
        return fail(Fault::invalid_input, "{} is missing{}", command.positional[options.positional_.size()],
                    hint(command));
    if (options.positional_.size() > command.positional.size())
        return fail(Fault::invalid_input, "'{}' is one argument too many{}",
                    beginning(options.positional_[command.positional.size()]), hint(command));
    return options;
}

std::string help_text(const CommandSpec& command) {
    std::string text = "usage: fard " + command.name;
    for (const auto& argument : command.positional)
        text += " " + argument;
    text += " [options]\n\n" + command.summary + "\n\noptions:\n";
    auto all = command.options;
    all.push_back({"help", "", "show this"});
    std::size_t width = 0;
    const auto head = [](const OptionSpec& option) {
        return "--" + option.name + (option.argument.empty() ? "" : " " + option.argument);
    };
    for (const auto& option : all)
        width = std::max(width, head(option).size());
    for (const auto& option : all)
        text += fmt::format("  {:<{}}  {}\n", head(option), width, option.help);
    return text;
}

}  // namespace fard::cli
