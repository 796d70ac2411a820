#include "runtime/node_manager/run_log.hpp"

#include <doctest/doctest.h>

using namespace fard;

namespace {

struct Fixture {
    std::int64_t now = 1'000;
    std::vector<std::string> handed;
    RunLog log{10'000, [this] { return ++now; },
               [this](LogLevel level, const std::string& line) { handed.push_back(name_of(level) + (" " + line)); }};
    const RunId one{std::string(32, '1')}, two{std::string(32, '2')};
};

std::vector<std::string> texts(const wire::LogLines& lines) {
    std::vector<std::string> found;
    for (const auto& line : lines.lines)
        found.push_back(line.text);
    return found;
}

}  // namespace

TEST_CASE("lines are found by run and number, and handed on") {
    Fixture f;
    f.log.info(f.one, "run", "taken, {} chunks", 3);
    f.log.warn(f.two, "p0 'a'", "lost");
    f.log.info({}, "mesh", "a board joined");
    f.log.info(f.one, "run", "done");
    CHECK(texts(f.log.lines(f.one, 0)) == std::vector<std::string>{"taken, 3 chunks", "done"});
    CHECK(texts(f.log.lines(f.one, 1)) == std::vector<std::string>{"done"});
    CHECK(texts(f.log.lines({}, 0)).size() == 4);
    CHECK(f.log.lines(f.one, 4).lines.empty());
    const auto line = f.log.lines(f.two, 0).lines.at(0);
    CHECK(line.number == 2);
    CHECK(line.time_ns == 1'002);
    CHECK(line.level == "warning");
    CHECK(line.who == "p0 'a'");
    CHECK(f.handed == std::vector<std::string>{"info run 11111111 run: taken, 3 chunks", "warning run 22222222 p0 'a': lost",
                                               "info a board joined", "info run 11111111 run: done"});
}

TEST_CASE("a run that talks much loses its own oldest lines, not those of others") {
    Fixture f;
    f.log.info(f.one, "run", "taken");
    for (int i = 0; i < 1000; ++i)
        f.log.info(f.two, "p0 'a'", "line {}", i);
    CHECK(texts(f.log.lines(f.one, 0)) == std::vector<std::string>{"taken"});
    const auto kept = texts(f.log.lines(f.two, 0));
    CHECK(kept.back() == "line 999");
    CHECK(kept.size() > 10);
    CHECK(kept.size() < 100);
}

TEST_CASE("an answer has an end, and says that there is more") {
    RunLog log{1 << 20, [] { return std::int64_t{0}; }, [](LogLevel, const std::string&) {}};
    const RunId run{std::string(32, '1')};
    for (int i = 0; i < 200; ++i)
        log.info(run, "p0 'a'", "{}", std::string(4000, 'x'));
    std::size_t seen = 0;
    std::uint64_t after = 0;
    for (bool more = true; more;) {
        const auto answer = log.lines(run, after);
        REQUIRE(!answer.lines.empty());
        CHECK(answer.lines.size() < 100);
        seen += answer.lines.size();
        after = answer.lines.back().number;
        more = answer.more;
    }
    CHECK(seen == 200);
}

TEST_CASE("whatever a job prints, a line is one line of text") {
    Fixture f;
    std::string odd("a\tb\x1b[31m\0c", 10);
    odd.append(9000, 'x');
    f.log.info(f.one, "p0 'a'", "{}", odd);
    const auto text = texts(f.log.lines(f.one, 0)).at(0);
    CHECK(text.size() == 4096);
    CHECK(text.substr(0, 10) == "a b [31m c");
}
