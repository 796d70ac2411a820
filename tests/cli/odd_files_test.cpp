// The real `fard` and `fardd` where a name is not that of a file, where a system gives too little, and where names hold more than
// letters.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <limits>

#include "base/npy.hpp"
#include "tests/e2e/harness.hpp"
#include "tests/has.hpp"

using namespace fard::e2e;
using namespace std::chrono_literals;

namespace {

Background shell(const World& world, const std::string& script, std::map<std::string, std::string> more = {}) {
    more.insert({{"XDG_RUNTIME_DIR", world.directory().string()},
                 {"FARD_NODE", ""},
                 {"dir", world.files().path().string()},
                 {"model", (source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx").string()},
                 {"fard", (build_root() / "cli" / "fard").string()},
                 {"fardd", (build_root() / "runtime/node_manager/fardd").string()}});
    return Background({"/bin/bash", "-c", script}, more);
}

std::string app_text(const std::string& name, const std::string& job, int chunks) {
    return "[app]\nname = \"" + name + "\"\n[input]\nrandom_chunks = " + std::to_string(chunks) +
           "\n[[input.tensor]]\nname = \"bytes\"\nshape = [1, 64]\ntype = \"UINT8\"\n[pipeline]\n[[pipeline.position]]\nname = \"p\"\n" + job +
           "\n";
}

}  // namespace

TEST_CASE("a pipe that nobody writes into, and what else is no file, is refused wherever a file is named") {
    const World world;
    REQUIRE(::mkfifo((world.files().path() / "p").c_str(), 0600) == 0);
    fs::create_directories(world.files().path() / "keys");
    fs::permissions(world.files().path() / "keys", fs::perms::owner_all);
    REQUIRE(::mkfifo((world.files().path() / "keys/key").c_str(), 0600) == 0);
    world.files().write("a.toml", app_text("a", "job = \"copy\"", 3));
    world.files().write("m.toml", "[app]\nname = \"m\"\n[model]\nfile = \"p\"\n[pipeline]\n[[pipeline.position]]\nname = \"x\"\n");
    world.files().write("d.toml", "[app]\nname = \"d\"\n[model]\nfile = \"" + (source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx").string() +
                                      "\"\n[input]\ndefault = \"p\"\n[pipeline]\n[[pipeline.position]]\nname = \"x\"\n");
    struct Case {
        std::string command, part;
    };
    const std::string nobody = "is a pipe that nobody writes into", no_file = "is a pipe, not a file";
    for (const auto& wrong : std::vector<Case>{
             {"submit $dir/p", nobody},
             {"submit $dir/a.toml --schedule $dir/p", nobody},
             {"submit $dir/m.toml", "m.toml: file in [model]: "},
             {"submit $dir/d.toml", "d.toml: default in [input]: "},
             {"submit /dev/zero", "is a device, not a file"},
             {"run $model --input $dir/p", nobody},
             {"run $model --input /dev/zero", "is a device, not a file"},
             {"run $dir/p --input x.npy", no_file},
             {"inspect $dir/p", no_file},
             {"inspect $model --dot $dir/p", "a pipe that nobody reads"},
             {"split $model --cluster $dir/p", nobody},
             {"split $model --board zedboard --folding $dir/p", nobody},
             {"plan $model --board zedboard --boards 2 --svg $dir/p", "a pipe that nobody reads"},
             {"join --ticket $dir/p", nobody},
             {"overlay import $dir/p --store $dir/store", "p"},
         }) {
        const auto outcome = shell(world, "exec $fard " + wrong.command).wait(60s);
        CHECK_MESSAGE(outcome.exit_code == 2, wrong.command << ": " << outcome.exit_code << " " << outcome.err);
        CHECK_MESSAGE(has(outcome.err, wrong.part), wrong.command << ": " << outcome.err);
    }
    const auto key = shell(world, "exec $fard status --node 127.0.0.1:9", {{"FARD_KEYS", (world.files().path() / "keys").string()}}).wait(60s);
    CHECK_MESSAGE(has(key.err, no_file), key.err);
    const auto config = shell(world, "exec $fardd --config $dir/p").wait(60s);
    CHECK_MESSAGE(has(config.err, nobody), config.err);
}

TEST_CASE("what a shell writes into a pipe is read: an app, inputs, a node manager's configuration") {
    const World world;
    const auto app = world.files().write("a.toml", app_text("a", "job = \"copy\"", 3)).string();
    CHECK(shell(world, "$fard submit <(cat $dir/a.toml)").wait().exit_code == 0);
    CHECK(shell(world, "cat $dir/a.toml | $fard submit /dev/stdin").wait().exit_code == 0);
    const auto images = (source_root() / "apps/two_stage_bnn/images").string();
    const auto image = fs::directory_iterator(images)->path().string();
    const auto run = shell(world, "$fard run $model --input " + image + " --output $dir/a.npy && $fard run $model --input <(cat " + image +
                                      ") --output $dir/b.npy && cmp $dir/a.npy $dir/b.npy").wait();
    CHECK_MESSAGE(run.exit_code == 0, run.err);
    const auto config = shell(world, "exec $fardd --config <(echo 'slots = \"two\"')").wait();
    CHECK_MESSAGE(has(config.err, "slots: expected a whole number, not a string"), config.err);
}

TEST_CASE("too few descriptors end a command at once, and say what helps") {
    World world;
    world.files().write("a.toml", app_text("a", "job = \"copy\"", 3));
    const auto alone = shell(world, "ulimit -n 24; exec $fard submit $dir/a.toml").wait(60s);
    CHECK(alone.exit_code == 1);
    CHECK_MESSAGE(has(alone.err, "ulimit -n"), alone.err);
    world.up(2);
    for (const std::string command : {"submit $dir/a.toml", "status"})
        for (const std::string limit : {"16", "24", "32"}) {
            const auto outcome = shell(world, "ulimit -n " + limit + "; exec $fard " + command).wait(60s);
            CHECK_MESSAGE(outcome.exit_code == 1, command << " with " << limit << ": " << outcome.exit_code << " " << outcome.err);
            CHECK_MESSAGE(has(outcome.err, "descriptors (open files) of " + limit + " are left"), outcome.err);
        }
    CHECK(shell(world, "ulimit -n 128; exec $fard submit $dir/a.toml").wait(60s).exit_code == 0);
    CHECK(shell(world, "ulimit -Sn 16; exec $fard submit $dir/a.toml").wait(60s).exit_code == 0);
    const auto board = shell(world, "ulimit -n 48; exec $fardd --name x --state-dir $dir/s").wait(60s);
    CHECK(board.exit_code == 1);
    CHECK_MESSAGE(has(board.err, "descriptors (open files) of 48 are left"), board.err);
    world.down();
}

TEST_CASE("names that are no names are refused, and control characters reach no terminal") {
    const World world;
    for (const std::string name : {".", "..", "-x", "a\\nb", "a\\u001bb"}) {
        const auto file = world.files().write("a.toml", app_text(name, "job = \"copy\"", 3)).string();
        const auto outcome = world.fard({"submit", file});
        CHECK_MESSAGE(outcome.exit_code == 2, name << ": " << outcome.err);
        CHECK_MESSAGE(has(outcome.err, "a.toml:2:8: name in [app] is"), outcome.err);
        CHECK_FALSE(has(outcome.err, "\x1b"));
    }
    for (const std::string name : {".", "..", "-x", "$'a\\nb'"}) {
        const auto outcome = shell(world, "exec $fardd --state-dir $dir/s --name=" + name).wait(60s);
        CHECK_MESSAGE(outcome.exit_code == 2, name << ": " << outcome.err);
    }
    const auto typed = shell(world, "exec $fard submit $'/no/such\\e[2J'").wait();
    CHECK_MESSAGE(has(typed.err, "/no/such\\x1b[2J: no such file"), typed.err);
}

TEST_CASE("labels of another network and results that are no numbers are remarked") {
    const World world;
    std::string labels;
    for (const auto* label : {"cat", "dog", "bird"})
        labels += std::string(label) + "\n";
    world.files().write("labels.txt", labels);
    world.files().write("m.toml", "[app]\nname = \"m\"\n[model]\nfile = \"" + (source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx").string() +
                                      "\"\nlabels = \"labels.txt\"\n[pipeline]\n[[pipeline.position]]\nname = \"x\"\n");
    const auto labelled = shell(world, "exec $fard submit $dir/m.toml --input " + (source_root() / "apps/two_stage_bnn/images").string()).wait();
    CHECK(labelled.exit_code == 0);
    CHECK_MESSAGE(has(labelled.err, "m.toml: labels in [model]: 3 names, and a result has 10 values; those without a name"), labelled.err);

    std::vector<std::byte> bytes(3 * sizeof(float));
    const float values[] = {1, std::numeric_limits<float>::quiet_NaN(), 2};
    std::memcpy(bytes.data(), values, bytes.size());
    REQUIRE(fard::write_npy(world.files().path() / "nan.npy", {fard::NpyType::f4, {1, 3}, bytes}));
    world.files().write("f.toml", "[app]\nname = \"f\"\n[[input.tensor]]\nname = \"x\"\nshape = [1, 3]\ntype = \"FLOAT32\"\n[pipeline]\n"
                                  "[[pipeline.position]]\nname = \"p\"\njob = \"copy\"\n");
    const auto numbers = shell(world, "exec $fard submit $dir/f.toml --input $dir/nan.npy").wait();
    CHECK_MESSAGE(numbers.exit_code == 0, numbers.err);
    CHECK_MESSAGE(has(numbers.err, "1 input holds values that are no numbers (NaN)"), numbers.err);
    CHECK_MESSAGE(has(numbers.err, "1 result holds values that are no numbers (NaN)"), numbers.err);
}

TEST_CASE("a standard error that nobody reads holds up no run") {
    const World world;
    world.files().write("a.toml", app_text("a", "job = \"copy\"", 3));
    REQUIRE(::mkfifo((world.files().path() / "log").c_str(), 0600) == 0);
    const int pipe = ::open((world.files().path() / "log").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    REQUIRE(pipe >= 0);
    while (::write(pipe, "x", 1) == 1) {
    }
    CHECK(shell(world, "exec $fard submit $dir/a.toml 2> $dir/log").wait(60s).exit_code == 0);
    ::close(pipe);
}
