#include "cli/options.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "cli/commands.hpp"
#include "cli/output_file.hpp"
#include "cli/status_text.hpp"
#include "tests/fakes/endpoints.hpp"

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

TEST_CASE("of a long argument too many, which may be a ticket, only the beginning is shown") {
    const std::string secret(200, 's');
    const auto wrong = parse_options(sample(), {"file", secret});
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().message.find("one argument too many") != std::string::npos);
    CHECK(wrong.error().message.find(secret.substr(0, 20)) == std::string::npos);
    CHECK(parse_options(sample(), {"file", "other"}).error().message.find("'other'") != std::string::npos);
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
             {{"a", "--input", ""}, "--input is given an empty PATH"},
             {{""}, "FILE is empty"},
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

TEST_CASE("times have units; a number alone counts seconds") {
    using namespace std::chrono_literals;
    const auto read = [](const std::string& text) {
        return parse_options(sample(), {"f", "--count", text})->duration("count", 1ms, std::chrono::hours(1));
    };
    CHECK(read("5").value() == 5s);
    CHECK(read("5s").value() == 5s);
    CHECK(read("500 ms").value() == 500ms);
    CHECK(read("2min").value() == 2min);
    CHECK(read("1h").value() == 1h);
    for (const auto* wrong : {"s", "0", "0ms", "5 parsecs", "1.5s", "-1s", "61min", "99999999999999999999s"}) {
        const auto time = read(wrong);
        REQUIRE_MESSAGE(!time, wrong);
        CHECK(time.error().fault == Fault::invalid_input);
        CHECK(time.error().message.find("--count " + std::string(wrong)) == 0);
    }
    CHECK(parse_options(sample(), {"f"})->duration("count", 7ms, 1h).value() == 7ms);
}

TEST_CASE("a last argument in brackets may be left out") {
    CommandSpec spec{"logs", "", {"[RUN]"}, {{"follow", "", "go on"}}};
    CHECK(parse_options(spec, {})->positionals() == 0);
    CHECK(parse_options(spec, {"abc", "-f"})->positional(0) == "abc");
    CHECK(parse_options(spec, {"abc", "-f"})->given("follow"));
    CHECK_FALSE(parse_options(spec, {"a", "b"}));
    CHECK(parse_options(spec, {"-h"})->help());
}

TEST_CASE("what people of other programs type leads on") {
    for (const std::vector<std::string>& fine : {std::vector<std::string>{"-h"}, {"help"}, {"help", "submit"}, {"version"},
                                                 {"-V"}, {"submit", "-h"}, {"--json", "submit", "--help"}})
        CHECK_MESSAGE(dispatch(fine) == 0, fine.front());
    for (const std::vector<std::string>& wrong : {std::vector<std::string>{"ps"}, {"--node", "x"}, {"--node", "status"},
                                                  {"help", "ps"}, {"--node", "nonsense", "status"}})
        CHECK_MESSAGE(dispatch(wrong) == 2, wrong.front());
}

TEST_CASE("an array goes into an .npy file, and over nothing that is read") {
    const std::vector<UsedFile> used{{"the app file", "/tmp/app.toml"}, {"an input", "/tmp/in.npy"}, {"", ""}};
    CHECK(check_output("--output", "/tmp/out.npy", used));
    CHECK(check_output("--output", "out.npy", used));
    const auto wrong = [&](const std::string& file) { return check_output("--output", file, used).error().message; };
    CHECK(wrong("-").find("standard output") != std::string::npos);
    CHECK(wrong("/tmp/x.csv").find(".npy") != std::string::npos);
    CHECK(wrong("/tmp/app.toml").find("the app file") != std::string::npos);
    CHECK(wrong("/tmp/../tmp/in.npy").find("an input") != std::string::npos);
}

TEST_CASE("a status has people's names in it") {
    wire::Status status;
    status.cluster = "lab";
    for (const auto* name : {"zed1", "zed1", "zed2"}) {
        wire::BoardRow row;
        row.member = {PeerId{std::string(32, 'a')}, name, at("tcp://10.0.0.1:7000"), {}, {}, {}};
        row.age_ms = 200'000;
        status.boards.push_back(row);
    }
    status.lost.push_back({"zed3", "tcp://10.0.0.3:7000", 61'000, "silent for 1.0 s"});
    wire::RunState run;
    run.run.hex = std::string(32, 'b');
    run.app = "kws";
    run.phase = "running";
    run.results = 5;
    run.chunks = 40;
    run.owner = "ann@desk";
    run.age_ms = 3'000;
    run.reason = "one\ntwo";
    run.places = {{0, 0, "front", "zed1"}, {1, 0, "back", "zed1"}, {1, 1, "back", "zed2"}};
    status.runs.push_back(run);
    const auto text = status_text(status);
    for (const auto* part : {"cluster lab, 3 boards", "zed1 (!)", "zed2  ", "zed3", "lost", "silent for 1.0 s", "61 s ago",
                             "3 min", "5/40", "ann@desk", "on front zed1, back zed1 zed2", "one; two"})
        CHECK_MESSAGE(text.find(part) != std::string::npos, part << "\n" << text);
    CHECK_MESSAGE(text.find("known for") != std::string::npos, text);
    CHECK_MESSAGE(text.find(" have the same key ") == std::string::npos, text);
    status.boards[0].member.key = status.boards[1].member.key = {std::string(64, 'a')};
    status.runs[0].app = "a\x1b[2J\nb";
    const auto odd = status_text(status);
    CHECK_MESSAGE(odd.find(" have the same key aaaaaaaaaaaa") != std::string::npos, odd);
    CHECK_MESSAGE(odd.find("a\\x1b[2J\\nb") != std::string::npos, odd);
    CHECK(age_text(119'999) == "119 s");
    CHECK(age_text(3 * 86'400'000ull) == "3 d");
}
