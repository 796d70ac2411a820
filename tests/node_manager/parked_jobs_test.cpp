// Parked job programs, with real ones and with programs that know nothing of it.
#include "runtime/node_manager/parked_jobs.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <set>

#include "runtime/peer/job_page.hpp"
#include "tests/node_manager/script.hpp"
#include "tests/overlays/scratch.hpp"

using namespace fard;
using namespace fard::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

fs::path job_program(const char* name) {
    const char* build = std::getenv("FARD_BUILD_ROOT");
    REQUIRE_MESSAGE(build, "FARD_BUILD_ROOT is not set; run by `meson test`");
    return fs::path(build) / "jobs" / name;
}

std::string line_of(pid_t pid, const char* file) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/" + file);
    std::string line;
    std::getline(in, line);
    return line;
}

std::set<std::string> descriptors_of(pid_t pid) {
    std::set<std::string> numbers;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
        numbers.insert(entry.path().filename());
    return numbers;
}

std::vector<pid_t> children() {
    std::vector<pid_t> found;
    std::ifstream in("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    for (pid_t child = 0; in >> child;)
        found.push_back(child);
    return found;
}

// The process of a job, and our end of its control channel.
struct Made {
    OwnedFd channel;
    std::unique_ptr<ChildProcess> process;
    std::optional<ChildExit> exit;
    Error error{Fault::failed, ""};  // why there is no process
};

struct Board {
    Scratch scratch;
    AsioLoop loop;
    Script script{loop};
    ParkedJobs parked;

    explicit Board(ParkedJobsOptions options = {}) : parked(loop, options) {}

    ParkedProgram* park(const fs::path& file) {
        CHECK(parked.find({file, {}}) == nullptr);
        parked.allow(file);
        script.when("parked", [this, file] { return parked.find({file, {}}) != nullptr; });
        script.run();
        return parked.find({file, {}});
    }

    // `start` makes a process with these descriptors.
    template <typename Start>
    std::unique_ptr<Made> make_by(Start start) {
        auto made = std::make_unique<Made>();
        auto [ours, theirs] = make_channel().value();
        made->channel = std::move(ours);
        auto process = start(std::map<int, int>{{job_control_fd, theirs.get()}},
                             [raw = made.get()](const ChildExit& exit) { raw->exit = exit; });
        if (process) {
            made->process = std::move(*process);
        } else {
            made->error = process.error();
        }
        return made;
    }

    std::unique_ptr<Made> make(ParkedProgram& program) {
        return make_by(
            [&](const auto& descriptors, auto on_exit) { return program.start_child(descriptors, on_exit); });
    }
    std::unique_ptr<Made> make(const fs::path& file) {
        return make_by([&](const auto& descriptors, auto on_exit) {
            return ChildProcess::start(loop, {.program = file, .descriptors = descriptors}, on_exit);
        });
    }

    void wait_for_exit(Made& made) {
        script.when("the end of the process", [&made] { return made.exit.has_value(); });
        script.run();
    }
};

}  // namespace

TEST_CASE("a process of a parked program is a child like any other") {
    {
        Board board;
        auto* program = board.park(job_program("copy"));
        REQUIRE(program);
        const auto first = board.make(*program), second = board.make(*program);
        REQUIRE_MESSAGE(first->process, first->error.message);
        REQUIRE(second->process);
        const auto anew = board.make(job_program("copy"));
        for (const auto* made : {first.get(), second.get()}) {
            const auto pid = made->process->pid();
            CHECK(::getpgid(pid) == pid);
            CHECK(line_of(pid, "comm") == "copy");
            board.script.when("it has the descriptors of one that was started anew", [pid, &anew] {
                return descriptors_of(pid).size() >= 4 &&
                       descriptors_of(pid) == descriptors_of(anew->process->pid());
            });
            board.script.when("it does not look parked", [pid] {
                return line_of(pid, "cmdline").find("--parked") == std::string::npos;
            });
            board.script.run();
        }
        first->channel = OwnedFd();  // its node manager is gone, for all it knows
        board.wait_for_exit(*first);
        CHECK(first->exit->text() == "exit code 1");
        CHECK(first->process->last_words() == "control channel: the node manager is gone");
        CHECK(second->process->running());

        board.parked.give_up({job_program("copy"), {}});
        CHECK(board.parked.parked() == 0);
        CHECK(second->process->running());
        second->process->kill();
        board.wait_for_exit(*second);
        CHECK(second->exit->text() == "signal 9 (SIGKILL)");
    }
    CHECK(children().empty());
}

TEST_CASE("a parked program that was killed is parked again") {
    Board board;
    const auto file = job_program("copy");
    REQUIRE(board.park(file));
    REQUIRE(children().size() == 1);
    ::kill(children().front(), SIGKILL);
    board.script.when("its end is noticed", [&] { return board.parked.parked() == 0; });
    board.script.run();
    CHECK(board.park(file) != nullptr);
}

TEST_CASE("a parked program that does not answer is ended, in time") {
    Board board;
    auto* program = board.park(job_program("copy"));
    REQUIRE(program);
    const auto helper = board.make(*program);  // the parked program is the other child
    REQUIRE(helper->process);
    for (const auto child : children())
        if (child != helper->process->pid()) ::kill(child, SIGSTOP);
    const auto began = board.loop.now();
    const auto none = board.make(*program);
    CHECK_FALSE(none->process);
    CHECK(none->error.fault == Fault::unreachable);
    CHECK(board.loop.now() - began < 2s);
    CHECK(helper->process->running());
    helper->process->kill();
    board.wait_for_exit(*helper);
}

TEST_CASE("programs that cannot be parked are left alone") {
    for (const auto* program : {"/bin/false", "/bin/cat"}) {
        CAPTURE(program);
        Board board({.delay = 1ms, .patience = 100ms});
        CHECK(board.parked.find({program, {}}) == nullptr);
        board.parked.allow(program);
        const auto began = board.loop.now();
        board.script.when("given up", [&] { return board.loop.now() - began > 300ms; });
        board.script.run();
        CHECK(board.parked.find({program, {}}) == nullptr);
        CHECK(board.parked.parked() == 0);
        CHECK(children().empty());
    }
}

TEST_CASE("a program that does not say that it may be parked is not, and does not wait if it is made to") {
    Board board({.delay = 1ms});
    const auto file = job_program("test_unparked");
    const auto soon = [&](const char* what) {
        const auto began = board.loop.now();
        board.script.when(what, [&board, began] { return board.loop.now() - began > 200ms; });
        board.script.run();
    };
    CHECK(board.parked.find({file, {}}) == nullptr);
    soon("nobody allows it");
    CHECK(board.parked.find({file, {}}) == nullptr);
    CHECK(board.parked.parked() == 0);
    CHECK(children().empty());

    board.parked.allow(file);  // although it did not
    soon("it refuses");
    CHECK(board.parked.find({file, {}}) == nullptr);
    CHECK(board.parked.parked() == 0);
    CHECK(children().empty());
}

TEST_CASE("a program whose file is replaced is parked anew") {
    Board board;
    const auto file = board.scratch / "copy";
    fs::copy_file(job_program("copy"), file);
    REQUIRE(board.park(file));
    fs::copy_file(job_program("test_faulty"), board.scratch / "next");
    fs::rename(board.scratch / "next", file);
    CHECK(board.parked.find({file, {}}) == nullptr);
    CHECK(board.parked.parked() == 0);
    CHECK(children().empty());
    CHECK(board.park(file) != nullptr);
}

TEST_CASE("programs are parked up to a number, and for a time") {
    Board board({.most = 1, .delay = 1ms, .idle_limit = 200ms});
    REQUIRE(board.park(job_program("copy")));
    REQUIRE(board.park(job_program("test_faulty")));
    CHECK(board.parked.parked() == 1);
    board.script.when("nobody uses it", [&] { return board.parked.parked() == 0; });
    board.script.run();
    CHECK(children().empty());
}

TEST_CASE("a job of an overlay that was kept finds the program that has it ready; one that is not ready yet ends") {
    Board board({.delay = 1ms});
    const auto file = job_program("test_faulty");
    auto* plain = board.park(file);
    REQUIRE(plain);
    const ParkedJob quick{file, "/quick"}, slow{file, "/slow"};
    CHECK(board.parked.find(quick) == plain);
    board.parked.keep(quick);
    auto waiting = TimePoint::max();  // since when both do
    board.script.when("it is ready", [&] {
        const auto names = children();
        if (names.size() < 2 || !std::ranges::all_of(names, [](pid_t one) { return line_of(one, "comm") == "parked"; })) return false;
        waiting = std::min(waiting, board.loop.now());
        return board.loop.now() - waiting > 50ms;
    });
    board.script.run();
    REQUIRE(board.parked.find(quick) != nullptr);
    REQUIRE(board.parked.find(quick) != plain);
    CHECK(board.parked.find({file, "/another"}) == plain);
    const auto made = board.make(*board.parked.find(quick));
    REQUIRE(made->process);
    board.script.when("it does not look parked",
                      [&] { return line_of(made->process->pid(), "cmdline").find("--p") == std::string::npos; });
    board.script.run();
    made->process->kill();
    board.wait_for_exit(*made);

    board.parked.keep(slow);
    board.script.when("it makes it ready", [&] { return board.parked.parked() == 3; });
    board.script.run();
    CHECK(board.parked.find(slow) == plain);
    CHECK(board.parked.parked() == 2);

    const ParkedJob bad{file, "/bad"};
    for (int i = 0; i < 2; ++i) {  // once is enough
        board.parked.keep(bad);
        const auto began = board.loop.now();
        board.script.when("it fails", [&] { return board.loop.now() - began > 200ms; });
        board.script.run();
        CHECK(board.parked.parked() == 2);
        CHECK(board.parked.find(bad) == plain);
    }
    board.parked.give_up(quick);
    CHECK(board.parked.parked() == 1);
    CHECK(board.parked.find(quick) == plain);
    board.parked.keep(quick);  // not again
    board.parked.give_up({file, {}});
    CHECK(board.parked.parked() == 0);
    board.parked.keep({file, "/another"});
    CHECK(board.parked.find({file, "/another"}) == nullptr);
    CHECK(children().empty());
}

TEST_CASE("where an overlay's program was given up before, it is the plain one that is given up next") {
    Board board({.delay = 1ms});
    const auto file = job_program("test_faulty");
    auto* plain = board.park(file);
    REQUIRE(plain);
    const ParkedJob bad{file, "/bad"};
    board.parked.keep(bad);
    const auto began = board.loop.now();
    board.script.when("it fails", [&] { return board.loop.now() - began > 200ms; });
    board.script.run();
    REQUIRE(board.parked.find(bad) == plain);
    board.parked.give_up(bad);
    CHECK(board.parked.parked() == 0);
    CHECK(board.parked.find({file, {}}) == nullptr);
    CHECK(children().empty());
}
