// What people who run boards see of them: logs, status, doctor, pinned positions, job programs of their own.
#include <doctest/doctest.h>
#include <signal.h>

#include <fstream>
#include <thread>

#include "tests/e2e/harness.hpp"
#include "tests/has.hpp"

using namespace fard::e2e;
using namespace std::chrono_literals;

namespace {

struct Position {
    std::string name, rest;  // more lines of its table
};

std::string app(const World& world, const std::vector<Position>& positions, int chunks = 5,
                const std::string& file = "app.toml") {
    std::string text = "[app]\nname = \"a\"\n[input]\nrandom_chunks = " + std::to_string(chunks) +
                       "\n[[input.tensor]]\nname = \"bytes\"\nshape = [1, 64]\ntype = \"UINT8\"\n[pipeline]\n";
    for (const auto& position : positions)
        text += "[[pipeline.position]]\nname = \"" + position.name + "\"\n" + position.rest + "\n";
    return world.files().write(file, text).string();
}

Background node_manager(const World& world, const std::string& name, std::vector<std::string> more = {}) {
    std::vector<std::string> command{(build_root() / "runtime/node_manager/fardd").string(), "--name", name, "--state-dir",
                                     (world.directory() / name).string()};
    command.insert(command.end(), more.begin(), more.end());
    return Background(command, {{"XDG_RUNTIME_DIR", world.directory().string()}, {"FARD_NODE", ""}});
}

std::string door(const World& world, const std::string& name) {
    return (world.directory() / name / "node.ipc").string();
}

std::size_t boards_at(const World& world, const std::string& name) {
    const auto status = world.fard({"status", "--json", "--node", door(world, name)}).json();
    std::size_t ready = 0;
    if (status.is_object())
        for (const auto& board : status["boards"])
            ready += !board["devices"].empty();
    return ready;
}

}  // namespace

TEST_CASE("a run's way is in the log of every board that had to do with it") {
    World world;
    world.up(2);
    const auto file = app(world, {{"front", "job = \"copy\""}, {"back", "job = \"test_faulty\"\nparams = { print = \"hello\" }"}});
    const auto run = world.fard({"submit", file, "--json"}).json();
    REQUIRE(run.is_object());
    const std::string id = run["run_id"];
    const auto logs = world.fard({"logs", id.substr(0, 10)});
    REQUIRE_MESSAGE(logs.exit_code == 0, logs.err);
    std::size_t last = 0;
    for (const std::string part : {"taken from ", "placed: 'front' on b", "wired and running", "done: 5 of 5 results"}) {
        const auto at = logs.out.find(part, last);
        CHECK_MESSAGE(at != std::string::npos, part << " is missing or out of order in\n" << logs.out);
        if (at != std::string::npos) last = at;
    }
    CHECK_MESSAGE(has(logs.out, "p1 'back': hello"), logs.out);
    CHECK_MESSAGE(has(logs.out, "b0 "), logs.out);
    CHECK_MESSAGE(has(logs.out, "b1 "), logs.out);
    // The same in the boards' own logs.
    std::string files;
    for (const std::string board : {"b0", "b1"})
        files += read_file(world.directory() / "fard" / (board + ".log"));
    CHECK_MESSAGE(has(files, "run " + id.substr(0, 8) + " p1 'back': hello"), files);
    CHECK(world.fard({"logs", "--json", id}).out.find("\"who\":\"p1 'back'\"") != std::string::npos);
    CHECK(world.fard({"logs"}).exit_code == 0);
    CHECK(world.fard({"logs", std::string(32, '0')}).exit_code == 2);
    CHECK(world.fard({"logs", "xyz"}).exit_code == 2);
    world.down();
}

TEST_CASE("logs are followed until the run has ended; status says whose it is and where") {
    World world;
    world.up(2);
    const auto file = app(world, {{"slow", "job = \"test_faulty\"\nparams = { slow_ms = 100 }"}}, 1000);
    auto submitted = world.start({"submit", file});
    nlohmann::json run;
    REQUIRE(eventually([&] {
        const auto status = world.fard({"status", "--json"}).json();
        for (const auto& one : status["runs"])
            if (one["phase"] == "running" && one["results"] > 0) run = one;
        return run.is_object();
    }, 20s));
    CHECK(run["chunks"] == 1000);
    CHECK(has(run["owner"], "@"));
    CHECK(run["places"].size() == 1);
    CHECK(run["places"][0]["name"] == "slow");
    const auto text = world.fard({"status"}).out;
    CHECK_MESSAGE(has(text, "/1000"), text);
    CHECK_MESSAGE(has(text, "on slow b"), text);
    auto followed = world.start({"logs", "-f", run["run_id"]});
    std::this_thread::sleep_for(200ms);
    CHECK(world.fard({"cancel", run["run_id"]}).exit_code == 0);
    const auto seen = followed.wait(20s);
    CHECK(seen.exit_code == 0);
    CHECK_MESSAGE(has(seen.out, "cancelled: "), seen.out);
    submitted.wait(20s);
    world.down();
}

TEST_CASE("a lost board is shown, with why, until it is back") {
    World world;
    world.up(3);
    const auto victim = world.node_managers().front();
    kill(victim, SIGKILL);
    std::string text;
    CHECK_MESSAGE(eventually([&] {
        const auto outcome = world.fard({"status"});
        text = outcome.out;
        return has(text, " lost ") && has(text, " ago");
    }, 20s), text);
    CHECK_MESSAGE(has(text, "2 boards"), text);
    world.down();
}

TEST_CASE("positions go where they are told; two boards of one name are told apart") {
    const World world;
    auto a = node_manager(world, "zed1");
    REQUIRE(eventually([&] { return boards_at(world, "zed1") == 1; }, 10s));
    auto b = node_manager(world, "other", {"--seed", "ipc://" + door(world, "zed1"), "--label", "camera"});
    REQUIRE(eventually([&] { return boards_at(world, "zed1") == 2 && boards_at(world, "other") == 2; }, 10s));
    const auto file = app(world, {{"one", "job = \"copy\"\nboard = \"zed1\""}, {"two", "job = \"copy\"\nboard = \"camera\""}});
    const auto run = world.fard({"submit", file, "--json", "--node", door(world, "zed1")});
    REQUIRE_MESSAGE(run.exit_code == 0, run.err);
    CHECK(run.json()["stages"][0]["board"] == "zed1");
    CHECK(run.json()["stages"][1]["board"] == "other");
    const auto nowhere = world.fard({"submit", app(world, {{"one", "job = \"copy\"\nboard = \"zed9\""}}), "--node", door(world, "zed1")});
    CHECK(nowhere.exit_code == 1);
    CHECK_MESSAGE(has(nowhere.err, "'camera', 'other', 'zed1'"), nowhere.err);

    auto twin = node_manager(world, "twin", {"--seed", "ipc://" + door(world, "zed1"), "--name=zed1"});
    (void)twin;
    const auto down = world.fard({"down", "--node", door(world, "zed1"), "--all"});
    CHECK_MESSAGE(down.exit_code == 0, down.err);
    CHECK(a.wait(10s).exit_code == 0);
    CHECK(b.wait(10s).exit_code == 0);
}

TEST_CASE("the doctor looks at every board and every way, and finds what is wrong") {
    World world;
    const auto alone = world.fard({"doctor", "--json"}).json();
    REQUIRE(alone.is_object());
    world.up(2);
    const auto found = world.fard({"doctor", "--json"}).json();
    REQUIRE(found.is_object());
    std::size_t ways = 0, clocks = 0, discoveries = 0;
    for (const auto& finding : found["findings"]) {
        ways += finding["what"] == "way";
        clocks += finding["what"] == "clock";
        discoveries += finding["what"] == "discovery" && finding["level"] == "ok";
        CHECK_MESSAGE((finding["level"] == "ok") == (finding["remedy"] == ""), finding.dump());
    }
    CHECK(ways == 2);
    CHECK(clocks == 2);
    CHECK(discoveries == 2);
    CHECK(has(world.fard({"doctor", "--quick"}).out, "knows all 2 boards"));
    const auto stopped = world.node_managers().back();
    kill(stopped, SIGSTOP);
    const auto sick = world.fard({"doctor", "--quick"});
    kill(stopped, SIGCONT);
    CHECK(sick.exit_code == 1);
    CHECK_MESSAGE(has(sick.out, "fault"), sick.out);
    CHECK_MESSAGE(has(sick.out, "what to do"), sick.out);
    world.down();
}

TEST_CASE("job programs of one's own: by path in the app file, by --jobs-dir, and never in vain") {
    const World world;
    const auto programs = world.files().path() / "my jobs";
    fs::create_directory(programs);
    fs::copy_file(build_root() / "jobs" / "copy", programs / "mine");
    const auto by_path = world.fard({"submit", app(world, {{"p", "job = \"./my jobs/mine\""}}), "--json"});
    CHECK_MESSAGE(by_path.exit_code == 0, by_path.err);
    const auto by_name = app(world, {{"p", "job = \"mine\""}, {"q", "job = \"copy\""}}, 5, "by_name.toml");
    CHECK(world.fard({"submit", by_name, "--jobs-dir", programs.string()}).exit_code == 0);
    const auto missing = world.fard({"submit", app(world, {{"p", "job = \"stag\""}})});
    CHECK(missing.exit_code == 2);
    CHECK_MESSAGE(has(missing.err, "did you mean stage?"), missing.err);
    CHECK(world.fard({"up", "--boards", "1", "--jobs-dir", "/no/such"}).exit_code == 2);
    CHECK(world.fard({"up", "--boards", "1", "--jobs-dir", programs.string()}).exit_code == 0);
    CHECK(world.fard({"submit", by_name}).exit_code == 0);
    CHECK(world.fard({"submit", by_name, "--jobs-dir", programs.string()}).exit_code == 2);
    CHECK(world.fard({"down"}).exit_code == 0);
}

TEST_CASE("mistakes get the answer that helps") {
    const World world;
    const auto model = (source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx").string();
    const auto whole = (source_root() / "apps/two_stage_bnn.toml").string();
    const auto& files = world.files();
    const auto with_cut = [&](const std::string& cut) {
        return files.write("cut.toml", "[app]\nname = \"c\"\n[model]\nfile = \"" + model + "\"\ncuts = [\"" + cut +
                                           "\"]\n[pipeline]\n[[pipeline.position]]\nname = \"a\"\n[[pipeline.position]]\n"
                                           "name = \"b\"\n").string();
    };
    struct Case {
        std::vector<std::string> command;
        std::string part;
    };
    for (const auto& wrong : std::vector<Case>{
             {{"submit", model}, "is a model, not an app file"},
             {{"run", whole, "--input", "x.npy"}, "is an app file, not a model"},
             {{"submit", whole, "--output", whole}, "that is the app file"},
             {{"submit", whole, "--output", "x.csv"}, "ends in .npy"},
             {{"submit", whole, "--output", "-"}, "standard output"},
             {{"submit", whole, "--output", "/tmp/a.npy", "--prepared", "/tmp/a.npy"}, "the file of --output"},
             {{"run", model, "--input", "x.npy", "--output", "x.npy"}, "that is an input"},
             {{"inspect", model, "--dot", model}, "it would be replaced"},
             {{"inspect", model, "--dot", "/nope/x.dot"}, "No such file or directory"},
             {{"submit", with_cut("nonsense_name")}, "`fard inspect` lists where it can be cut"},
             {{"submit", files.write("one.toml", "[app]\nname = \"x\"\n[pipeline.position]\nname = \"a\"\n").string()}, "two brackets"},
             {{"submit", files.write("noname.toml", "[app]\n[pipeline]\n").string()}, "[app] needs a key 'name'"},
             {{"ps"}, "`fard status`"},
             {{"stop"}, "`fard down`"},
             {{"submit", whole, "--timeout", "soon"}, "like 5s"},
             {{"status", "--node", world.directory().string()}, ""},
         }) {
        const auto outcome = world.fard(wrong.command);
        if (!wrong.part.empty()) CHECK_MESSAGE(outcome.exit_code == 2, wrong.part << ": " << outcome.err);
        CHECK_MESSAGE(has(outcome.err, wrong.part), wrong.part << " is not in: " << outcome.err);
        CHECK(outcome.out.empty());
    }
    CHECK(world.node_managers().empty());
}

TEST_CASE("inspect shows where a network can be cut, and what an app's stages weigh") {
    const World world;
    const auto model = (source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx").string();
    const auto table = world.fard({"inspect", model});
    REQUIRE(table.exit_code == 0);
    CHECK(has(table.out, "21 cuts"));
    CHECK(table.out.starts_with("input "));
    const auto json = world.fard({"inspect", model, "--json"}).json();
    CHECK(json["cut_points"].size() == json["cuts"].size());
    REQUIRE(json["legal_cuts"].size() == 12);  // never between a layer and its thresholds
    CHECK(json["legal_cuts"][1] == nlohmann::json{{"after", "Conv_0"}, {"tensors", {"Threshold_conv_0"}}, {"wire_bytes", 14400}});
    const auto stages = world.fard({"inspect", (source_root() / "apps/two_stage_bnn.toml").string(), "--json"}).json();
    REQUIRE(stages["stages"].size() == 2);
    CHECK(stages["stages"][0]["bytes_out"] == stages["stages"][1]["bytes_in"]);
    CHECK(stages["stages"][0]["macs"].get<std::int64_t>() + stages["stages"][1]["macs"].get<std::int64_t>() == json["macs"]);
    CHECK(has(world.fard({"inspect", (source_root() / "apps/two_stage_bnn.toml").string()}).out, "bytes out"));
}
