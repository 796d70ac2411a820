// Real fardd processes.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>

#include "base/child_process.hpp"
#include "runtime/peer/front_door.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "tests/node_manager/script.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/overlays/scratch.hpp"

using namespace fard;
using namespace fard::test;
using namespace std::chrono_literals;

namespace {

std::filesystem::path fardd() {
    const char* build = std::getenv("FARD_BUILD_ROOT");
    REQUIRE_MESSAGE(build, "FARD_BUILD_ROOT is not set; run by `meson test`");
    return std::filesystem::path(build) / "runtime/node_manager/fardd";
}

// Reads one line from a pipe, for at most 10 s.
std::string read_line(int fd) {
    std::string line;
    char byte = 0;
    pollfd wait{fd, POLLIN, 0};
    while (::poll(&wait, 1, 10'000) == 1 && ::read(fd, &byte, 1) == 1 && byte != '\n')
        line += byte;
    return line;
}

// A node manager of its own, visited by the test.
struct Board {
    Board(AsioLoop& loop, SocketFactory& sockets, const std::filesystem::path& state,
          const std::vector<std::string>& more = {})
        : state_dir(state) {
        int ready[2];
        REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
        ChildSpec spec{.program = fardd(),
                       .args = {"--state-dir", state.string(), "--name", state.filename(), "--cluster",
                                "test", "--ready-fd", "3"},
                       .descriptors = {{3, ready[1]}}};
        spec.args.insert(spec.args.end(), more.begin(), more.end());
        auto started = ChildProcess::start(loop, spec, [this](const ChildExit& ended) { exit = ended; });
        REQUIRE_MESSAGE(started, started.error().message);
        child = std::move(*started);
        ::close(ready[1]);
        const auto line = read_line(ready[0]);
        ::close(ready[0]);
        if (!line.starts_with("ready ")) return;
        door = line.substr(6);
        visitor = std::move(Visitor::knock(loop, sockets, PeerId{random_hex(16)}, address_at(door)).value());
    }

    void ask(wire::Body body) {
        answer.reset();
        visitor->ask(std::move(body), 5s, [this](Result<wire::Body> said) { answer = std::move(said); });
    }
    template <typename Message>
    const Message* answered() const {
        return answer && *answer ? (**answer).as<Message>() : nullptr;
    }
    std::size_t boards_known() const {
        const auto* status = answered<wire::Status>();
        if (!status) return 0;
        return static_cast<std::size_t>(std::ranges::count_if(
            status->boards, [](const wire::BoardRow& row) { return !row.state.devices.empty(); }));
    }

    std::filesystem::path state_dir;
    std::string door;
    std::optional<ChildExit> exit;
    std::unique_ptr<ChildProcess> child;
    std::unique_ptr<Visitor> visitor;
    std::optional<Result<wire::Body>> answer;
};

bool nothing_left(const std::filesystem::path& state_dir) {
    for (const auto& entry : std::filesystem::directory_iterator(state_dir)) {
        const auto name = entry.path().filename();
        if (name != "lock" && name != "overlays") return false;
    }
    return true;
}

// How a fardd ends that cannot start.
std::pair<int, std::string> refusal(AsioLoop& loop, const std::vector<std::string>& args) {
    std::pair<int, std::string> result{-1, ""};
    std::unique_ptr<ChildProcess> child;
    auto started = ChildProcess::start(loop, {.program = fardd(), .args = args}, [&](const ChildExit& exit) {
        result = {exit.code, child->last_words()};
    });
    REQUIRE(started);
    child = std::move(*started);
    Script script(loop);
    script.when("fardd to end", [&] { return !child->running(); });
    script.run();
    return result;
}

}  // namespace

TEST_CASE("a fardd is ready at once, tells its status, and goes when it is asked to") {
    Scratch scratch;
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    Board board(loop, sockets, scratch / "b0", {"--slots", "3"});
    CHECK(board.door == "ipc://" + (scratch / "b0" / "node.ipc").string());
    struct stat socket {};
    REQUIRE(::stat((scratch / "b0" / "node.ipc").c_str(), &socket) == 0);
    CHECK((socket.st_mode & 0777) == 0600);
    board.ask(wire::Query{});
    Script script(loop);
    script.when(
        "status", [&] { return board.answer.has_value(); },
        [&] {
            const auto* status = board.answered<wire::Status>();
            REQUIRE(status);
            CHECK(status->cluster == "test");
            CHECK(status->protocol == wire::protocol_version);
            REQUIRE(status->boards.size() == 1);
            CHECK(status->boards[0].member.name == "b0");
            CHECK(status->boards[0].member.front_door.text() == board.door);
            REQUIRE(status->boards[0].state.devices.size() == 1);
            CHECK(status->boards[0].state.devices[0].id == "cpu0");
            CHECK(status->boards[0].state.devices[0].slots == 3);
            CHECK(status->boards[0].state.slots_free == std::vector<std::uint32_t>{3});
            CHECK(status->runs.empty());
            board.ask(wire::Renew{});
        });
    script.when(
        "refusal", [&] { return board.answer.has_value(); },
        [&] {
            CHECK(board.answer->error().message == "a front door does not answer RENEW");
            board.ask(wire::Shutdown{});
        });
    script.when("goodbye", [&] { return board.answer.has_value() && board.exit.has_value(); });
    script.run();
    CHECK(board.answered<wire::Done>());
    CHECK(board.exit->text() == "exit code 0");
    CHECK(nothing_left(scratch / "b0"));
}

TEST_CASE("boards find each other by a seed, and notice who leaves and who is killed") {
    Scratch scratch;
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    Board first(loop, sockets, scratch / "b0");
    Board second(loop, sockets, scratch / "b1", {"--seed", first.door});
    Board third(loop, sockets, scratch / "b2", {"--seed", first.door});
    Script script(loop);
    const auto all_know = [&](std::vector<Board*> boards, std::size_t count) {
        for (auto* board : boards) {
            script.when(fmt::format("{} to know {} boards", board->state_dir.string(), count),
                        [board, count] {
                            if (board->answer && board->boards_known() == count) return true;
                            if (board->answer) board->ask(wire::Query{});
                            return false;
                        });
        }
    };
    for (auto* board : {&first, &second, &third})
        board->ask(wire::Query{});
    all_know({&first, &second, &third}, 3);
    script.when(
        "now", [] { return true; }, [&] { second.child->kill(SIGTERM); });
    script.when(
        "second to end", [&] { return second.exit.has_value(); },
        [&] {
            first.ask(wire::Query{});
            third.ask(wire::Query{});
        });
    all_know({&first, &third}, 2);
    script.when(
        "now", [] { return true; },
        [&] {
            third.child->kill(SIGKILL);
            first.ask(wire::Query{});
        });
    all_know({&first}, 1);
    script.run();
    CHECK(second.exit->text() == "exit code 0");
    CHECK(nothing_left(scratch / "b1"));
}

TEST_CASE("a board that was killed can be started again in its directory") {
    Scratch scratch;
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    auto board = std::make_unique<Board>(loop, sockets, scratch / "b0");
    CHECK_FALSE(board->door.empty());
    std::filesystem::create_directory(scratch / "b0" / "links" / "7");
    board.reset();  // SIGKILL
    CHECK_FALSE(nothing_left(scratch / "b0"));
    board = std::make_unique<Board>(loop, sockets, scratch / "b0");
    CHECK_FALSE(board->door.empty());
    CHECK(std::filesystem::is_empty(scratch / "b0" / "links"));
}

TEST_CASE("a package that one visitor offers, another can fetch") {
    Scratch scratch;
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    const auto package = pack_archive(small_manifest(), {{"stage.onnx", "small"}}).value();
    const auto& bytes = package.bytes;
    Board board(loop, sockets, scratch / "b0");
    board.ask(wire::Fetch{package.id, 0});
    Script script(loop);
    script.when(
        "refusal", [&] { return board.answer.has_value(); },
        [&] {
            CHECK(board.answer->error().fault == Fault::not_found);
            board.ask(wire::Offer{{package.id, 0, bytes.size(), bytes}});
        });
    script.when(
        "stored", [&] { return board.answer.has_value(); },
        [&] {
            CHECK(board.answered<wire::Done>());
            board.ask(wire::Fetch{package.id, 0});
        });
    script.when(
        "fetched", [&] { return board.answer.has_value(); },
        [&] {
            REQUIRE(board.answered<wire::Piece>());
            CHECK(board.answered<wire::Piece>()->bytes == bytes);
            board.ask(wire::Query{});
        });
    script.when(
        "status", [&] { return board.answer.has_value(); },
        [&] {
            REQUIRE(board.answered<wire::Status>());
            CHECK(board.answered<wire::Status>()->boards[0].state.overlays == std::vector{package.id});
        });
    script.run();
}

TEST_CASE("over tcp nobody but a signal shuts it down") {
    Scratch scratch;
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    Board board(loop, sockets, scratch / "b0", {"--front-door", "tcp://127.0.0.1:0"});
    CHECK(board.door.starts_with("tcp://127.0.0.1:"));
    CHECK_FALSE(board.door.ends_with(":0"));
    board.ask(wire::Shutdown{});
    Script script(loop);
    script.when(
        "refusal", [&] { return board.answer.has_value(); },
        [&] {
            REQUIRE_FALSE(board.answer->has_value());
            CHECK(board.answer->error().fault == Fault::refused);
            board.child->kill(SIGINT);
        });
    script.when("end", [&] { return board.exit.has_value(); });
    script.run();
    CHECK(board.exit->clean());
    CHECK(nothing_left(scratch / "b0"));
}

TEST_CASE("what cannot be started says why") {
    Scratch scratch;
    AsioLoop other_loop;
    SocketFactory sockets{Identity::local()};
    Board board(other_loop, sockets, scratch / "b0");
    std::filesystem::create_directory(scratch / "open");
    std::filesystem::permissions(scratch / "open", std::filesystem::perms(0755));
    std::ofstream(scratch / "file") << "x";
    const auto dir = [&](const char* name) { return (scratch / name).string(); };
    struct Case {
        std::vector<std::string> args;
        int code;
        std::string words;
    };
    const Case cases[] = {
        {{"--slotz"}, 2, "fardd: there is no option --slotz (did you mean --slots?); see fardd --help"},
        {{"--state-dir", dir("b0")}, 1, "another node manager has the directory " + dir("b0")},
        {{"--state-dir", dir("open")},
         2,
         "has mode 0755; only its owner may reach it: chmod 700 " + dir("open")},
        {{"--state-dir", dir("file")}, 2, dir("file") + " is not a directory; give another state_dir"},
        {{"--state-dir", dir("c"), "--front-door", board.door}, 1, "front door: cannot bind "},
        {{"--state-dir", dir("d"), "--front-door", "tcp://192.0.2.7:5555"}, 1, "to whoever reaches it with --insecure"},
        {{"--state-dir", dir("e"), "--ready-fd", "77"}, 2, "cannot write to ready_fd 77"},
    };
    for (const auto& wrong : cases) {
        CAPTURE(wrong.words);
        AsioLoop loop;
        const auto refused = refusal(loop, wrong.args);
        CHECK(refused.first == wrong.code);
        CHECK_MESSAGE(refused.second.find(wrong.words) != std::string::npos, refused.second);
    }
    CHECK(nothing_left(scratch / "c"));
    CHECK(nothing_left(scratch / "e"));
}

TEST_CASE("with die_with_parent it stops in order when its parent is killed") {
    Scratch scratch;
    int ready[2];
    REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
    const auto program = fardd().string();
    const auto state = (scratch / "b0").string();
    const pid_t parent = ::fork();
    REQUIRE(parent >= 0);
    if (parent == 0) {
        AsioLoop loop;
        auto child =
            ChildProcess::start(loop,
                                {.program = program,
                                 .args = {"--state-dir", state, "--die-with-parent", "--ready-fd", "3"},
                                 .descriptors = {{3, ready[1]}, {4, ready[1]}},
                                 .die_with_parent = false},
                                nullptr);
        ::pause();
        ::_exit(1);
    }
    ::close(ready[1]);
    CHECK(read_line(ready[0]) == "ready ipc://" + state + "/node.ipc");
    ::kill(parent, SIGKILL);
    ::waitpid(parent, nullptr, 0);
    CHECK(read_line(ready[0]).empty());  // descriptor 4 is open as long as the process lives
    ::close(ready[0]);
    CHECK(nothing_left(state));
}
