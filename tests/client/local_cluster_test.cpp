// Real node managers on this machine: brought up, asked, killed, taken down.
#include "client/local_cluster.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <future>
#include <iostream>

#include "client/api.hpp"
#include "client/cluster_files.hpp"
#include "client/locate.hpp"
#include "client/loop_thread.hpp"
#include "client/private_directory.hpp"
#include "tests/e2e/harness.hpp"
#include "tests/fakes/endpoints.hpp"

using namespace fard;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

// A loop on a thread of its own, with clusters on it.
struct Stage {
    SocketFactory sockets{Identity::local()};
    LoopThread thread;

    Result<std::unique_ptr<LocalCluster>> start(LocalClusterOptions options) {
        options.fardd = e2e::build_root() / "runtime/node_manager/fardd";
        std::promise<Result<std::unique_ptr<LocalCluster>>> started;
        auto outcome = started.get_future();
        thread.run([&] {
            LocalCluster::start(thread.loop(), sockets, std::move(options),
                                [&](Result<std::unique_ptr<LocalCluster>> cluster) {
                                    started.set_value(std::move(cluster));
                                });
        });
        return outcome.get();
    }
    void stop(std::unique_ptr<LocalCluster> cluster) {
        std::promise<void> stopped;
        thread.run([&] { cluster->stop(3s, [&] { stopped.set_value(); }); });
        stopped.get_future().wait();
        thread.run([&] { cluster.reset(); });
    }
};

std::size_t boards_known_at(const Address& door) {
    const auto answer = ask_first({door}, wire::Query{}, 2s);
    const auto* status = answer ? answer->body.as<wire::Status>() : nullptr;
    return status ? status->boards.size() : 0;
}

}  // namespace

TEST_CASE("an embedded cluster: every board knows every other, and nothing is left at the end") {
    Stage stage;
    LocalClusterOptions options;
    options.boards = 6;
    const auto before = std::chrono::steady_clock::now();
    auto cluster = stage.start(options);
    REQUIRE_MESSAGE(cluster, cluster.error().message);
    std::cerr << "six boards up in "
              << std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count()
              << " ms\n";
    const auto doors = (*cluster)->doors();
    REQUIRE(doors.size() == 6);
    for (const auto& door : doors)
        CHECK(boards_known_at(door) == 6);
    const fs::path directory = fs::path(doors[0].endpoint.path()).parent_path();
    CHECK(e2e::children_of(getpid()).size() == 6);
    stage.stop(std::move(*cluster));
    CHECK(e2e::children_of(getpid()).empty());
    CHECK(!fs::exists(directory));
}

TEST_CASE("tcp on loopback by option") {
    Stage stage;
    LocalClusterOptions options;
    options.boards = 2;
    options.tcp = true;
    auto cluster = stage.start(options);
    REQUIRE_MESSAGE(cluster, cluster.error().message);
    CHECK((*cluster)->doors()[1].text().starts_with("tcp://127.0.0.1:"));
    CHECK(boards_known_at((*cluster)->doors()[1]) == 2);
    stage.stop(std::move(*cluster));
}

TEST_CASE("a node manager that cannot start fails the cluster with its last words") {
    Stage stage;
    LocalClusterOptions options;
    options.boards = 2;
    options.slots = 100'000;  // more than fardd takes
    const auto cluster = stage.start(options);
    REQUIRE(!cluster);
    CHECK(cluster.error().fault == Fault::failed);
    CHECK_MESSAGE(cluster.error().message.find("100000") != std::string::npos, cluster.error().message);
    CHECK(e2e::children_of(getpid()).empty());
}

TEST_CASE("a detached cluster goes on, is up once, and is taken down with its files") {
    auto parent = PrivateDirectory::make("fard-test-detached");
    REQUIRE(parent);
    LocalClusterOptions options;
    options.boards = 3;
    options.detached = true;
    options.directory = (*parent)->path() / "fard";
    {
        Stage stage;
        auto cluster = stage.start(options);
        REQUIRE_MESSAGE(cluster, cluster.error().message);
        stage.thread.run([&] { cluster->reset(); });
    }
    CHECK(living_boards(options.directory).size() == 3);
    CHECK(boards_known_at(address_at("ipc://" + (options.directory / "node.ipc").string())) == 3);
    LocateOptions where;
    where.directory = options.directory;
    CHECK(locate(where)->doors.size() == 3);
    {
        Stage stage;
        const auto second = stage.start(options);
        REQUIRE(!second);
        CHECK(second.error().fault == Fault::refused);
        CHECK(second.error().message.find("up already") != std::string::npos);
    }
    CHECK(living_boards(options.directory).size() == 3);
    CHECK(take_down_cluster(options.directory, 10s) == std::size_t{3});
    CHECK(!fs::exists(options.directory));
    CHECK(take_down_cluster(options.directory, 10s).error().fault == Fault::unreachable);
}

TEST_CASE("what a killed cluster left is cleaned up by the next one") {
    auto parent = PrivateDirectory::make("fard-test-killed");
    REQUIRE(parent);
    LocalClusterOptions options;
    options.boards = 2;
    options.detached = true;
    options.directory = (*parent)->path() / "fard";
    Stage stage;
    auto cluster = stage.start(options);
    REQUIRE_MESSAGE(cluster, cluster.error().message);
    stage.thread.run([&] { cluster->reset(); });
    for (const auto& board : living_boards(options.directory))
        kill(board.pid, SIGKILL);
    CHECK(e2e::eventually([&] { return living_boards(options.directory).empty(); }, 5s));
    LocateOptions where;
    where.directory = options.directory;
    const auto found = locate(where);
    REQUIRE(found);
    CHECK(found->doors.empty());
    CHECK(found->note.find("does not answer") != std::string::npos);
    auto again = stage.start(options);
    REQUIRE_MESSAGE(again, again.error().message);
    stage.thread.run([&] { again->reset(); });
    CHECK(take_down_cluster(options.directory, 10s) == std::size_t{2});
}
