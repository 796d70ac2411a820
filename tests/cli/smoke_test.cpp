// The real `fard` on real node managers: what each subcommand does, and what it says when it cannot.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <iostream>
#include <thread>

#include "tests/e2e/harness.hpp"

using namespace fard::e2e;
using namespace std::chrono_literals;

namespace {

bool says(const Outcome& outcome, const std::string& part) {
    return outcome.err.find(part) != std::string::npos;
}

std::string copy_app(const World& world, int positions, std::uint64_t chunks, int bytes = 64) {
    std::string text = "[app]\nname = \"copy\"\n[input]\nrandom_chunks = " + std::to_string(chunks) +
                       "\n[[input.tensor]]\nname = \"bytes\"\nshape = [1, " + std::to_string(bytes) +
                       "]\ntype = \"UINT8\"\n[pipeline]\n";
    for (int p = 0; p < positions; ++p)
        text += "[[pipeline.position]]\nname = \"copy" + std::to_string(p) + "\"\njob = \"copy\"\n";
    return world.files().write("copy.toml", text).string();
}

std::string run_under_way(const World& world) {
    const auto status = world.fard({"status", "--json"}).json();
    for (const auto& run : status["runs"])
        if (run["phase"] == "running" && run["results"] > 0) return run["run_id"];
    return "";
}

}  // namespace

TEST_CASE("up, status, a second up, down, and nothing left") {
    World world;
    const auto up = world.fard({"up", "--boards", "3", "--json"});
    REQUIRE_MESSAGE(up.exit_code == 0, up.err);
    CHECK(up.json()["nodes"].size() == 3);
    CHECK(world.node_managers().size() == 3);
    struct stat status {};
    REQUIRE(stat((world.directory() / "fard").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0700);

    const auto shown = world.fard({"status", "--json"}).json();
    REQUIRE(shown["boards"].size() == 3);
    CHECK(shown["boards"][0]["devices"][0]["id"] == "cpu0");
    CHECK(world.fard({"status"}).out.find("3 boards") != std::string::npos);

    const auto second = world.fard({"up", "--boards", "2"});
    CHECK(second.exit_code == 1);
    CHECK(says(second, "up already"));
    CHECK(world.node_managers().size() == 3);

    CHECK(world.fard({"down"}).exit_code == 0);
    CHECK(world.node_managers().empty());
    CHECK(!fs::exists(world.directory() / "fard"));
    const auto again = world.fard({"down"});
    CHECK(again.exit_code == 3);
    CHECK(says(again, "no local cluster is up"));
    CHECK(world.fard({"status"}).exit_code == 3);
}

TEST_CASE("submit on a cluster that is up, and on its own; nothing stays behind") {
    World world;
    const auto app = copy_app(world, 2, 50);
    const auto alone = world.fard({"submit", app, "--json"});
    REQUIRE_MESSAGE(alone.exit_code == 0, alone.err);
    CHECK(alone.json()["chunks_out"] == 50);
    CHECK(alone.json()["stages"].size() == 2);
    CHECK(alone.err.empty());
    CHECK(world.node_managers().empty());

    world.up(2);
    const auto warm = world.fard({"submit", app, "--json", "--chunks", "120"});
    REQUIRE_MESSAGE(warm.exit_code == 0, warm.err);
    CHECK(warm.json()["chunks_out"] == 120);
    CHECK(eventually([&] { return world.jobs().empty(); }, 3s));
    world.down();
}

TEST_CASE("--prepared and --output of a copy are the same array, --chunks goes round") {
    World world;
    const auto app = copy_app(world, 1, 7);
    const auto in = world.files().path() / "in.npy", out = world.files().path() / "out.npy";
    const auto run =
        world.fard({"submit", app, "--chunks", "20", "--prepared", in.string(), "--output", out.string()});
    REQUIRE_MESSAGE(run.exit_code == 0, run.err);
    const auto bytes = read_file(out);
    CHECK(bytes == read_file(in));
    CHECK(bytes.find("(20, 64)") != std::string::npos);
    const auto header =
        10u + static_cast<unsigned char>(bytes[8]) + 256u * static_cast<unsigned char>(bytes[9]);
    const auto row = (bytes.size() - header) / 20;
    CHECK(bytes.substr(header, row) == bytes.substr(header + 7 * row, row));
    CHECK(bytes.substr(header, row) != bytes.substr(header + row, row));
    CHECK(run.out.find("20 of 20 results") != std::string::npos);
}

TEST_CASE("a named node that does not answer ends with 3 within seconds") {
    World world;
    const auto app = copy_app(world, 1, 1);
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"status", "--node", "/tmp/fard-no-such.ipc"},
          {"submit", app, "--node", "tcp://127.0.0.1:9"},
          {"cancel", "00ff", "--node", "ipc:///tmp/fard-no-such.ipc"}}) {
        const auto outcome = world.fard(command);
        CHECK(outcome.exit_code == 3);
        CHECK(says(outcome, "--node"));
        CHECK(says(outcome, "no node manager answers"));
        CHECK(outcome.took < 4s);
    }
}

TEST_CASE("a dead local cluster counts as none, and that is said") {
    World world;
    const auto app = copy_app(world, 1, 3);
    world.up(2);
    for (const auto manager : world.node_managers())
        kill(manager, SIGKILL);
    CHECK(eventually([&] { return world.node_managers().empty(); }, 5s));
    const auto run = world.fard({"submit", app, "--json"});
    CHECK(run.exit_code == 0);
    CHECK(run.json()["chunks_out"] == 3);
    CHECK(says(run, "does not answer within 0.3 s"));
    CHECK(world.fard({"status"}).exit_code == 3);
    world.up(2);  // cleans up
    world.down();
}

TEST_CASE("wrong usage and wrong input end with 2, say what was meant, and start nothing") {
    World world;
    const auto app = copy_app(world, 1, 3);
    const auto& files = world.files();
    struct Case {
        std::vector<std::string> command;
        std::string part;
    };
    for (const auto& wrong : std::vector<Case>{
             {{"submti", app}, "did you mean submit?"},
             {{"submit", app, "--chunk", "3"}, "did you mean --chunks?"},
             {{"submit", app, "--chunks", "many"}, "--chunks many"},
             {{"submit", "/no/such.toml"}, "/no/such.toml"},
             {{"submit", app, "--input", "/no/such.png"}, "/no/such.png"},
             {{"submit", files.write("key.toml", "[pipelin]\n").string()}, "did you mean pipeline?"},
             {{"submit", app, "--input", files.write("x.png", "no picture").string()}, "x.png"},
             {{"submit", app, "--output", "/no/such/directory/out.npy"}, "/no/such/directory"},
             {{"submit", app, "--node", "http://x"}, "is not a node's address"},
             {{"run", files.write("x.onnx", "no model").string(), "--input", app}, "x.onnx"},
             {{"run", "/no/such.onnx"}, "--input PATH is missing"},
             {{"up", "--boards", "1000"}, "1 to 256"},
             {{"cancel", "xyz", "--node", "nonsense"}, "nonsense"},
         }) {
        const auto outcome = world.fard(wrong.command);
        CHECK_MESSAGE(outcome.exit_code == 2, wrong.part << ": " << outcome.err);
        CHECK_MESSAGE(says(outcome, wrong.part), outcome.err);
        CHECK_MESSAGE(outcome.out.empty(), outcome.out);
        CHECK(world.node_managers().empty());
    }
}

TEST_CASE("a run is cancelled from elsewhere; its client says so and ends with 1") {
    World world;
    world.up(2);
    const auto app = copy_app(world, 2, 4, 1 << 20);
    auto submitted = world.start({"submit", app, "--chunks", "200000", "--json"});
    std::string run;
    REQUIRE(eventually([&] { return !(run = run_under_way(world)).empty(); }, 20s));
    const auto cancelled = world.fard({"cancel", run.substr(0, 8)});
    CHECK_MESSAGE(cancelled.exit_code == 0, cancelled.err);
    CHECK(cancelled.out == "run " + run + " is cancelled\n");
    const auto outcome = submitted.wait(10s);
    CHECK(outcome.exit_code == 1);
    CHECK_MESSAGE(says(outcome, "cancel"), outcome.err);
    CHECK(outcome.out.empty());
    CHECK(eventually([&] { return world.jobs().empty(); }, 3s));
    const auto again = world.fard({"cancel", run});
    CHECK(again.exit_code == 2);
    CHECK(says(again, "no run"));
    world.down();
}

TEST_CASE("Ctrl-C ends the run and takes the embedded cluster down") {
    World world;
    const auto app = copy_app(world, 2, 4, 1 << 20);
    const auto output = world.files().path() / "out.npy";
    auto submitted = world.start({"submit", app, "--chunks", "3000", "--output", output.string()});
    REQUIRE(eventually([&] { return world.jobs().size() == 2; }, 20s));
    std::this_thread::sleep_for(50ms);
    submitted.signal(SIGINT);
    const auto outcome = submitted.wait(15s);
    CHECK(outcome.exit_code == 1);
    CHECK_MESSAGE(says(outcome, "interrupted"), outcome.err);
    CHECK(world.node_managers().empty());
    CHECK(!fs::exists(output));
    CHECK(std::distance(fs::directory_iterator(world.files().path()), fs::directory_iterator()) ==
          1);  // the app
}

TEST_CASE("a submit that is killed leaves no process, and its files go with the next one") {
    World world;
    const auto app = copy_app(world, 2, 4, 1 << 20);
    {
        auto submitted = world.start({"submit", app, "--chunks", "100000"});
        REQUIRE(eventually([&] { return world.jobs().size() == 2; }, 20s));
        submitted.signal(SIGKILL);
        submitted.wait(5s);
    }
    CHECK(eventually([&] { return world.node_managers().empty(); }, 5s));
    CHECK(world.fard({"submit", copy_app(world, 1, 1)}).exit_code == 0);
}

TEST_CASE("a board that does not end is named by down") {
    World world;
    world.up(2);
    const auto stopped = world.node_managers().front();
    kill(stopped, SIGSTOP);
    const auto down = world.fard({"down", "--timeout", "1"});
    CHECK(down.exit_code == 1);
    CHECK_MESSAGE(says(down, std::to_string(stopped)), down.err);
    kill(stopped, SIGCONT);  // and it ends, as it was told
    CHECK(eventually([&] { return world.node_managers().empty(); }, 10s));
    world.fard({"down"});
    CHECK(!fs::exists(world.directory() / "fard"));
}

TEST_CASE("the C++ example sends twenty images to node managers that run") {
    World world;
    world.up(2);
    const auto program = build_root() / "examples" / "send_job_data";
    const auto app = source_root() / "apps" / "two_stage_bnn.toml";
    const auto outcome = Background({program.string(), app.string()},
                                    {{"XDG_RUNTIME_DIR", world.directory().string()}, {"FARD_NODE", ""}})
                             .wait(3min);
    REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
    CHECK(outcome.out.find("chunk 19: ") != std::string::npos);
    CHECK(outcome.out.find("20 results in") != std::string::npos);
    world.down();
}
