#include "cli/options.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "cli/commands.hpp"

using namespace fard;
using namespace fard::cli;

namespace {

CommandSpec sample() {
    return {"sample",
            "does nothing",
            {"FILE"},
            {{"input", "PATH", "may be repeated", true}, {"count", "N", "a number"}, {"json", "", "a flag"}}};
}

}  // namespace

TEST_CASE("options, flags, repeated options and arguments in any order") {
    const auto options =
        parse_options(sample(), {"--input", "a", "file", "--json", "--input=b", "--count", "7"});
    REQUIRE(options);
    CHECK(options->positional(0) == "file");
    CHECK(options->texts("input") == std::vector<std::string>{"a", "b"});
    CHECK(options->given("json"));
    CHECK(options->number("count", 1, 0, 10) == std::uint64_t{7});
    CHECK(options->text("absent", "otherwise") == "otherwise");
    CHECK(options->number("absent", 5, 0, 10) == std::uint64_t{5});
}

TEST_CASE("a file may be called like an option's value or come after --") {
    const auto options = parse_options(sample(), {"--count", "7", "--", "file"});
    REQUIRE(options);
    CHECK(options->positional(0) == "file");
}

TEST_CASE("what is wrong with a command line is said, with what was meant") {
    struct Case {
        std::vector<std::string> arguments;
        std::string part;  // of the message
    };
    for (const auto& wrong : std::vector<Case>{
             {{}, "FILE is missing"},
             {{"a", "b"}, "'b' is one argument too many"},
             {{"a", "--jsno"}, "unknown option --jsno (did you mean --json?)"},
             {{"a", "--inptu=x"}, "did you mean --input?"},
             {{"a", "--zzzzzz"}, "unknown option --zzzzzz; `fard sample --help`"},
             {{"a", "-x"}, "unknown option -x"},
             {{"a", "--count"}, "--count"},
             {{"a", "--count", "1", "--count", "2"}, "--count is given twice"},
             {{"a", "--json=yes"}, "json"},
         }) {
        const auto options = parse_options(sample(), wrong.arguments);
        REQUIRE_MESSAGE(!options, wrong.part);
        CHECK(options.error().fault == Fault::invalid_input);
        CHECK_MESSAGE(options.error().message.find(wrong.part) != std::string::npos, options.error().message);
    }
}

TEST_CASE("numbers are whole and within their range") {
    for (const auto* wrong : {"", "x", "1x", "-1", "1.5", "11", "99999999999999999999999"}) {
        const auto options = parse_options(sample(), {"f", std::string("--count=") + wrong});
        if (!options) continue;  // an empty value is no value
        const auto number = options->number("count", 0, 0, 10);
        REQUIRE_MESSAGE(!number, wrong);
        CHECK(number.error().fault == Fault::invalid_input);
        CHECK(number.error().message.find("0 to 10") != std::string::npos);
    }
}

TEST_CASE("--help is understood whatever else is missing, and lists every option") {
    const auto options = parse_options(sample(), {"--help"});
    REQUIRE(options);
    CHECK(options->help());
    for (const auto& command : all_commands()) {
        const auto text = help_text(command.spec);
        for (const auto& option : command.spec.options)
            CHECK(text.find("--" + option.name) != std::string::npos);
        for (const auto& argument : command.spec.positional)
            CHECK(text.find(argument) != std::string::npos);
    }
}

TEST_CASE("exit codes of the dispatcher") {
    CHECK(dispatch({}) == 2);
    CHECK(dispatch({"submti"}) == 2);
    CHECK(dispatch({"--help"}) == 0);
    CHECK(dispatch({"--version"}) == 0);
    CHECK(dispatch({"submit", "--help"}) == 0);
    CHECK(dispatch({"submit"}) == 2);
    CHECK(dispatch({"submit", "/not/there.toml"}) == 2);
    CHECK(dispatch({"run", "/not/there.onnx", "--input", "x.npy"}) == 2);
    CHECK(dispatch({"run", "/not/there.onnx", "--device", "gpu", "--input", "x"}) == 2);
    CHECK(dispatch({"status", "--node", "nonsense"}) == 2);
    CHECK(dispatch({"up", "--boards", "0"}) == 2);
}

TEST_CASE("every subcommand and option is in the manual") {
    const char* root = std::getenv("FARD_SOURCE_ROOT");
    if (!root) return;
    std::ifstream file(std::string(root) + "/docs/cli.md");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    for (const auto& command : all_commands()) {
        CHECK_MESSAGE(text.find("## fard " + command.spec.name) != std::string::npos, command.spec.name);
        for (const auto& option : command.spec.options)
            CHECK_MESSAGE(text.find("`--" + option.name) != std::string::npos, option.name);
    }
}
