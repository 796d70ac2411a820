#include "base/child_process.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "base/asio_loop.hpp"
#include "tests/patience.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

ChildSpec shell(const std::string& script) {
    return {.program = "/bin/sh", .args = {"-c", script}};
}

struct Outcome {
    ChildExit exit;
    std::string words;
    int calls = 0;
};

// Runs a child to its end (or 10 s).
Outcome run(const ChildSpec& spec) {
    AsioLoop loop;
    Outcome outcome;
    std::unique_ptr<ChildProcess> child;
    auto started = ChildProcess::start(loop, spec, [&](const ChildExit& exit) {
        outcome.exit = exit;
        outcome.words = child->last_words();
        ++outcome.calls;
        loop.post([&] { loop.stop(); });
    });
    REQUIRE_MESSAGE(started, started.error().message);
    child = std::move(*started);
    loop.call_after(patience(10s), [&] { loop.stop(); });
    loop.run();
    CHECK_FALSE(child->running());
    return outcome;
}

bool has_child() {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

}  // namespace

TEST_CASE("a child's end is told once, in words, with what it said last") {
    const auto clean = run(shell("exit 0"));
    CHECK(clean.calls == 1);
    CHECK(clean.exit.clean());
    CHECK(clean.exit.text() == "exit code 0");
    CHECK(clean.words.empty());

    const auto code = run(shell("echo out; echo 'cannot go on' >&2; exit 3"));
    CHECK(code.exit.text() == "exit code 3");
    CHECK(code.words == "out\ncannot go on");

    const auto signal = run(shell("kill -9 $$"));
    CHECK(signal.exit.text() == "signal 9 (SIGKILL)");
    CHECK(signal.exit.code == -1);
    CHECK_FALSE(has_child());
}

TEST_CASE("last words are the last 40 lines and 8 KiB") {
    const auto lines = run(shell("i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done"));
    CHECK(lines.words.starts_with("line 60\n"));
    CHECK(lines.words.ends_with("\nline 99"));
    const auto one_long = run(shell("head -c 300000 /dev/zero | tr '\\0' x; echo; echo end"));
    CHECK(one_long.words.size() <= 8 * 1024);
    CHECK(one_long.words.size() > 8 * 1000);
    CHECK(one_long.words.ends_with("x\nend"));
}

TEST_CASE("only listed descriptors reach the child, each at its number") {
    int pair[2];
    REQUIRE(::pipe(pair) == 0);  // not CLOEXEC: closed all the same
    const int other = ::open("/dev/zero", O_RDONLY);
    auto spec = shell("echo -n from the child >&5; echo -n $(ls /proc/self/fd) ''; readlink /proc/$$/fd/3");
    spec.descriptors = {{5, pair[1]}, {3, other}};
    const auto outcome = run(spec);
    CHECK(outcome.words == "0 1 2 3 4 5 /dev/zero");  // 4, the lowest that is free, is the directory that ls reads
    char text[32] = {};
    CHECK(::read(pair[0], text, sizeof text) == 14);
    CHECK(std::string(text) == "from the child");
    CHECK(::fcntl(pair[1], F_GETFD) == 0);  // still ours
    for (int fd : {pair[0], pair[1], other})
        ::close(fd);
}

TEST_CASE("descriptors may change places") {
    int one[2], two[2];
    REQUIRE(::pipe2(one, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(two, O_CLOEXEC) == 0);
    auto spec = shell(fmt::format("echo -n a >&{}; echo -n b >&{}", one[1], two[1]));
    spec.descriptors = {{one[1], two[1]}, {two[1], one[1]}};
    CHECK(run(spec).exit.clean());
    char text = 0;
    CHECK(::read(two[0], &text, 1) == 1);
    CHECK(text == 'a');
    CHECK(::read(one[0], &text, 1) == 1);
    CHECK(text == 'b');
    for (int fd : {one[0], one[1], two[0], two[1]})
        ::close(fd);
}

TEST_CASE("environment, niceness, privileges and group are as asked") {
    ::setenv("FARD_TEST_KEPT", "kept", 1);
    ::setenv("FARD_TEST_CHANGED", "old", 1);
    auto spec = shell(
        "echo $FARD_TEST_KEPT $FARD_TEST_CHANGED $FARD_TEST_NEW; nice; grep NoNewPrivs /proc/$$/status | cut "
        "-f2;"
        "set -- $(cat /proc/$$/stat); [ $5 = $$ ] && echo own group");
    spec.env = {{"FARD_TEST_CHANGED", "new"}, {"FARD_TEST_NEW", "with = sign"}};
    spec.nice = 5;
    spec.no_new_privileges = true;
    CHECK(run(spec).words == fmt::format("kept new with = sign\n{}\n1\nown group", ::nice(0) + 5));
}

TEST_CASE("a program that cannot be started is an error and leaves no process") {
    AsioLoop loop;
    const auto missing = ChildProcess::start(loop, {.program = "/nowhere/job"}, nullptr);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().fault == Fault::not_found);
    CHECK(missing.error().message == "cannot start /nowhere/job: No such file or directory");
    const auto directory = ChildProcess::start(loop, {.program = "/tmp"}, nullptr);
    REQUIRE_FALSE(directory);
    CHECK(directory.error().fault == Fault::io);
    const auto bad_descriptor =
        ChildProcess::start(loop, {.program = "/bin/true", .descriptors = {{3, 987}}}, nullptr);
    CHECK_FALSE(bad_descriptor);
    CHECK_FALSE(has_child());
}

TEST_CASE("destroying a child kills its whole group and reaps it, without a callback") {
    AsioLoop loop;
    int pipe_ends[2];
    REQUIRE(::pipe2(pipe_ends, O_CLOEXEC) == 0);
    auto spec = shell("sleep 1000 & echo up >&4; wait");
    spec.descriptors = {{4, pipe_ends[1]}};
    bool called = false;
    auto child = ChildProcess::start(loop, spec, [&](const ChildExit&) { called = true; });
    REQUIRE(child);
    ::close(pipe_ends[1]);
    char text[8];
    REQUIRE(::read(pipe_ends[0], text, sizeof text) == 3);
    child->reset();
    CHECK(::read(pipe_ends[0], text, sizeof text) == 0);  // the grandchild held the other end
    CHECK_FALSE(has_child());
    CHECK_FALSE(called);
    ::close(pipe_ends[0]);
}

TEST_CASE("a child that is killed says by what") {
    AsioLoop loop;
    std::optional<ChildExit> end;
    auto child = ChildProcess::start(loop, shell("sleep 1000"), [&](const ChildExit& exit) {
        end = exit;
        loop.stop();
    });
    REQUIRE(child);
    CHECK((*child)->running());
    (*child)->kill(SIGTERM);
    loop.call_after(patience(10s), [&] { loop.stop(); });
    loop.run();
    REQUIRE(end);
    CHECK(end->text() == "signal 15 (SIGTERM)");
    (*child)->kill(SIGKILL);  // no effect
}

TEST_CASE("a child may be destroyed in its own exit callback") {
    AsioLoop loop;
    std::unique_ptr<ChildProcess> child;
    auto started = ChildProcess::start(loop, shell("exit 4"), [&](const ChildExit& exit) {
        CHECK(exit.code == 4);
        child.reset();
        loop.stop();
    });
    REQUIRE(started);
    child = std::move(*started);
    loop.run();
    CHECK(child == nullptr);
}

TEST_CASE("a child dies with the process that started it") {
    int pipe_ends[2];
    REQUIRE(::pipe2(pipe_ends, O_CLOEXEC) == 0);
    // A parent in between, which starts a child that would hold the pipe open for long, and is killed.
    const pid_t between = ::fork();
    REQUIRE(between >= 0);
    if (between == 0) {
        AsioLoop loop;
        auto spec = shell("echo up >&4; exec sleep 1000");
        spec.descriptors = {{4, pipe_ends[1]}};
        auto child = ChildProcess::start(loop, spec, nullptr);
        ::pause();
        ::_exit(child ? 0 : 1);
    }
    ::close(pipe_ends[1]);
    char text[8];
    REQUIRE(::read(pipe_ends[0], text, sizeof text) == 3);
    ::kill(between, SIGKILL);
    ::waitpid(between, nullptr, 0);
    CHECK(::read(pipe_ends[0], text, sizeof text) == 0);  // ends only when the child is gone
    ::close(pipe_ends[0]);
}

TEST_CASE("what a child says is heard line by line as it comes") {
    AsioLoop loop;
    std::vector<std::string> lines;
    LineSplitter splitter;
    const auto take = [&](std::string_view line) { lines.emplace_back(line); };
    auto child = ChildProcess::start(loop, shell("printf 'one\\r\\ntwo\\n'; printf three >&2"), [&](const ChildExit&) {
        splitter.finish(take);
        loop.stop();
    });
    REQUIRE(child);
    (*child)->listen([&](std::string_view bytes) { splitter.add(bytes, take); });
    loop.call_after(patience(10s), [&] { loop.stop(); });
    loop.run();
    CHECK(lines == std::vector<std::string>{"one", "two", "three"});
}

TEST_CASE("of a line without an end the beginning is kept") {
    std::vector<std::string> lines;
    LineSplitter splitter;
    const auto take = [&](std::string_view line) { lines.emplace_back(line); };
    for (int i = 0; i < 100; ++i)
        splitter.add(std::string(1000, 'x'), take);
    splitter.add("\nnext\n", take);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].size() == 4096);
    CHECK(lines[1] == "next");
}

TEST_CASE("where the kernel reaps by itself, no exit code is made up") {
    std::signal(SIGCHLD, SIG_IGN);
    const auto outcome = run(shell("sleep 0.1; exit 3"));  // alive until it is watched
    std::signal(SIGCHLD, SIG_DFL);
    CHECK_FALSE(outcome.exit.clean());
    CHECK(outcome.exit.text().find("SIGCHLD") != std::string::npos);
}
