// Apps on boards with fabrics of their own: real node managers and jobs on Linux's files of boards that are plain ones, with
// packages imported from what FINN leaves.
#include <doctest/doctest.h>

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "tests/e2e/zynq_cluster.hpp"

using namespace fard;
using namespace fard::e2e;
using namespace fard::test;
using namespace std::chrono_literals;

namespace {

std::string user_of(pid_t process) {
    const auto text = read_file(fmt::format("/proc/{}/status", process));
    const auto at = text.find("Uid:\t");
    return at == std::string::npos ? "" : text.substr(at + 5, text.find('\t', at + 5) - at - 5);
}

void check_app(int boards, const std::string& name, int chunks) {
    World world;
    const BuiltApp app(world, name);
    ZynqCluster cluster(world, app, boards);
    const auto first = cluster.submit(app.file(), chunks, "first");
    CAPTURE(first.err);
    REQUIRE(first.exit_code == 0);
    CHECK(read_file(cluster.result("first")) == cluster.uncut(app, "first"));
    const auto summary = first.json();
    CHECK(summary["reloads"] == boards);
    REQUIRE(summary["stages"].size() == static_cast<std::size_t>(boards));
    for (const auto& stage : summary["stages"]) CHECK(stage["device"] == "fpga0");
    std::vector<std::string> ids;
    for (const auto& package : app.packages()) ids.push_back(package.id);
    std::ranges::sort(ids);
    CHECK(eventually([&] { return cluster.loaded() == ids; }, 10s));

    const auto second = cluster.submit(app.file(), chunks, "second");
    CAPTURE(second.err);
    REQUIRE(second.exit_code == 0);
    CHECK(read_file(cluster.result("second")) == read_file(cluster.result("first")));
    CHECK(second.json()["reloads"] == 0);
    CHECK(cluster.nothing_leased());

    cluster.stop();  // what is loaded outlives the node managers
    cluster.start();
    CHECK(eventually([&] { return cluster.loaded() == ids; }, 10s));
    const auto third = cluster.submit(app.file(), chunks, "third");
    CAPTURE(third.err);
    REQUIRE(third.exit_code == 0);
    CHECK(third.json()["reloads"] == 0);
    CHECK(read_file(cluster.result("third")) == read_file(cluster.result("first")));
}

}  // namespace

TEST_CASE("two_stage_bnn on two Zynq boards: exact, and the second run loads nothing") {
    check_app(2, "two_stage_bnn", 40);
}

TEST_CASE("mobilenet_six_stage on six Zynq boards: exact, and the second run loads nothing") {
    check_app(6, "mobilenet_six_stage", 6);
}

TEST_CASE("a Zynq board's faults that pass: the run completes exactly, and nothing stays leased") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2);
    std::string right;
    int number = 0;
    for (auto fault : {&TreeBoard::load_failures, &TreeBoard::busy, &TreeBoard::wedges}) {
        CAPTURE(++number);
        for (std::size_t i = 0; i < 2; ++i)
            if (fault == &TreeBoard::wedges) cluster.board(i).wedges = i == 0;
            else fs::remove(cluster.board(i).roots().run / "fpga0.loaded");  // so that it is programmed anew
        if (fault != &TreeBoard::wedges) (cluster.board(0).*fault) = 1;
        const auto ran = cluster.submit(app.file(), 8, "fault");
        CAPTURE(ran.err);
        REQUIRE(ran.exit_code == 0);
        if (right.empty()) right = cluster.uncut(app, "fault");
        CHECK(read_file(cluster.result("fault")) == right);
        CHECK((cluster.board(0).*fault).load() == 0);
        CHECK(cluster.nothing_leased());
    }
}

TEST_CASE("a Zynq board's faults that stay: the run ends with the reason, and nothing stays leased") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    const auto broken = [](const TreeBoard& board, const std::string& file) { return (board.roots().dev.parent_path() / file).string(); };
    struct Fault {
        const char* step;
        std::function<void(TreeBoard&)> make;
        std::string reason;
    };
    const std::vector<Fault> faults{
        {"map", [&](TreeBoard& board) { fs::remove(broken(board, "dev/uio1")); }, "dev/uio1: No such file or directory"},
        {"map", [&](TreeBoard& board) { board.put("sys/class/u-dma-buf/udmabuf0/size", "4096\n"); }, "that the fabric can read"},
        {"unload", [&](TreeBoard& board) { fs::create_directories(broken(board, "run/fpga0.loaded/not-empty")); }, "fpga0.loaded"},
        {"program", [&](TreeBoard& board) {
             const auto flags = broken(board, "sys/class/fpga_manager/fpga0/flags");
             fs::remove(flags);
             fs::create_symlink("/dev/null", flags);
         }, "the driver does not keep its flags; nothing was programmed"},
        {"program", [&](TreeBoard& board) {
             const auto firmware = broken(board, "sys/class/fpga_manager/fpga0/firmware");
             fs::remove(firmware);
             fs::create_symlink("/dev/full", firmware);
         }, "programming failed"}};
    for (const auto& fault : faults) {
        CAPTURE(fault.step);
        CAPTURE(fault.reason);
        ZynqCluster cluster(world, app, 2);
        for (std::size_t i = 0; i < 2; ++i) fault.make(cluster.board(i));
        const auto ran = cluster.submit(app.file(), 4, "stays", {"--timeout", "30"});
        CHECK(ran.exit_code == 1);
        CHECK_MESSAGE(ran.err.find(fault.reason) != std::string::npos, ran.err);
        CHECK(cluster.nothing_leased());
        if (fault.step == std::string("program")) CHECK(cluster.loaded().empty());
    }
}

TEST_CASE("what the gate refuses is never programmed, unless the board accepts that part") {
    World world;
    const BuiltApp app(world, "two_stage_bnn", {.package = "clg400"});
    {
        ZynqCluster cluster(world, app, 2);
        const auto ran = cluster.submit(app.file(), 4, "gate");
        CHECK(ran.exit_code != 0);
        CHECK_MESSAGE(ran.err.find("accept_parts = [\"7z020clg400\"]") != std::string::npos, ran.err);
        CHECK(cluster.nothing_leased());
        for (std::size_t i = 0; i < 2; ++i) CHECK(cluster.board(i).programmed().empty());
    }
    ZynqCluster cluster(world, app, 2, {"--accept-part", "7z020clg400"});
    const auto ran = cluster.submit(app.file(), 4, "gate");
    CAPTURE(ran.err);
    REQUIRE(ran.exit_code == 0);
    CHECK(read_file(cluster.result("gate")) == cluster.uncut(app, "gate"));
}

TEST_CASE("a board helper that dies is there again for the next run") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2);
    REQUIRE(cluster.submit(app.file(), 4, "before").exit_code == 0);
    for (const auto& manager : cluster.managers()) {
        const auto helpers = helpers_of(manager.pid());
        REQUIRE(helpers.size() == 1);
        ::kill(helpers.front(), SIGKILL);
        CHECK(eventually([&] { const auto now = helpers_of(manager.pid()); return now.size() == 1 && now != helpers; }, 10s));
    }
    const auto ran = cluster.submit(app.file(), 4, "after");
    CAPTURE(ran.err);
    REQUIRE(ran.exit_code == 0);
    CHECK(ran.json()["reloads"] == 0);
    CHECK(read_file(cluster.result("after")) == read_file(cluster.result("before")));
    CHECK(cluster.nothing_leased());
}

TEST_CASE("a helper, a job or both killed in the middle of a DMA: the run completes exactly, and so does the next") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2);
    REQUIRE(cluster.submit(app.file(), 8, "before").exit_code == 0);
    const auto right = cluster.uncut(app, "before");
    const auto kill = [](const std::vector<pid_t>& processes) {
        for (const auto process : processes) ::kill(process, SIGKILL);
    };
    struct Death {
        bool helper, job, stuck;
    };
    for (const auto death : {Death{true, false, false}, Death{false, true, false}, Death{true, true, false}, Death{true, true, true}}) {
        CAPTURE(death.helper);
        CAPTURE(death.job);
        CAPTURE(death.stuck);
        auto& board = cluster.board(0);
        board.on_batch(2, [&, manager = cluster.managers()[0].pid()] {
            if (death.helper) kill(helpers_of(manager));
            if (death.job) kill(stages_of(manager));
            if (death.stuck) board.wedges = 1;
            std::this_thread::sleep_for(20ms);
        });
        for (const auto* tag : {"hurt", "next"}) {
            const auto ran = cluster.submit(app.file(), 8, tag);
            CAPTURE(ran.err);
            REQUIRE(ran.exit_code == 0);
            CHECK(read_file(cluster.result(tag)) == right);
            CHECK(cluster.nothing_leased());
        }
    }
}

TEST_CASE("a second node manager on a board's fabric does not start, and says who has it") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2);
    const auto state = world.files().path() / "second";
    fs::create_directory(state);
    fs::permissions(state, fs::perms::owner_all);
    const std::map<std::string, std::string> environment{{"XDG_RUNTIME_DIR", world.directory().string()}};
    auto words = cluster.command(0, state);
    const auto second = Background(words, environment).wait();
    CHECK(second.exit_code == 1);
    CHECK_MESSAGE(second.err.find("fpga0.lock") != std::string::npos, second.err);
    CHECK_MESSAGE(second.err.find(fmt::format("the node manager with process {}", cluster.managers()[0].pid())) != std::string::npos, second.err);
    const auto ran = cluster.submit(app.file(), 4, "first");
    CAPTURE(ran.err);
    REQUIRE(ran.exit_code == 0);
    CHECK(ran.json()["stages"][0]["device"] == "fpga0");
}

TEST_CASE("node managers and jobs of a user without rights run on fabrics that root alone may touch") {
    bool reachable = true;
    for (auto place = build_root(); place.has_relative_path(); place = place.parent_path())
        reachable = reachable && (fs::status(place).permissions() & fs::perms::others_exec) != fs::perms::none;
    if (::geteuid() != 0 || !reachable) {
        MESSAGE("skipped: only root can start a node manager that becomes another user, who must reach the programs");
        return;
    }
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2, {"--user", "nobody"});
    const auto ran = cluster.submit(app.file(), 4, "nobody");
    CAPTURE(ran.err);
    REQUIRE(ran.exit_code == 0);
    CHECK(read_file(cluster.result("nobody")) == cluster.uncut(app, "nobody"));
    for (const auto& manager : cluster.managers()) {
        CHECK(user_of(manager.pid()) != "0");
        const auto helpers = helpers_of(manager.pid());
        REQUIRE(helpers.size() == 1);
        CHECK(user_of(helpers.front()) == "0");
        for (const auto job : parked_of(manager.pid())) CHECK(user_of(job) == user_of(manager.pid()));
    }
    CHECK(cluster.submit(app.file(), 4, "again").json()["reloads"] == 0);
}

TEST_CASE("a package that was changed in a board's store is never programmed, and fetched again") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2);
    REQUIRE(cluster.submit(app.file(), 4, "before").exit_code == 0);
    cluster.stop();
    for (std::size_t i = 0; i < 2; ++i) {
        fs::remove(cluster.board(i).roots().run / "fpga0.loaded");
        for (const auto& package : app.packages())
            if (const auto file = cluster.stored(i, package.id) / "finn-accel.bit"; fs::exists(file)) {
                auto bytes = read_file(file);
                bytes[bytes.size() / 2] ^= 1;
                std::ofstream(file, std::ios::binary) << bytes;
            }
    }
    cluster.start();
    const auto ran = cluster.submit(app.file(), 4, "after");
    CAPTURE(ran.err);
    REQUIRE(ran.exit_code == 0);
    CHECK(read_file(cluster.result("after")) == read_file(cluster.result("before")));
    for (std::size_t i = 0; i < 2; ++i) CHECK(cluster.board(i).programmed().size() == 2);
}

TEST_CASE("a wrong result of a fabric is found where results are verified, and made again") {
    World world;
    const BuiltApp app(world, "two_stage_bnn");
    ZynqCluster cluster(world, app, 2);
    cluster.board(0).wrong = 1;
    const auto ran = cluster.submit(app.verified(world), 8, "verified");
    CAPTURE(ran.err);
    REQUIRE(ran.exit_code == 0);
    CHECK(cluster.board(0).wrong.load() == 0);
    CHECK(read_file(cluster.result("verified")) == cluster.uncut(app, "verified"));
    CHECK(ran.json()["reloads"] == 3);
}
