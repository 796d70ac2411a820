#include "runtime/node_manager/package_fetch.hpp"

#include "client/package_offer.hpp"
#include "tests/node_manager/package_world.hpp"

using namespace fard;
using namespace fard::test;

namespace {

void give(PackageWorld& world, const std::string& door, const PackedArchive& package) {
    std::size_t open = pieces_of(package);
    for (std::uint64_t number = 0; number < pieces_of(package); ++number)
        world.machines.at(door)->store->take(piece_of(package, number), [&](const Result<>& result) {
            CHECK(result);
            --open;
        });
    CHECK(world.loop.run_while_not([&] { return open == 0; }, 600s));
}

// A fetch by one machine, and what came of it.
struct Fetched {
    Fetched(PackageWorld& the_world, const std::string& door, const std::string& id,
            const std::vector<std::string>& sources)
        : world(the_world) {
        std::vector<Address> doors;
        for (const auto& source : sources)
            doors.push_back(address_at(source));
        world.machines.at(door)->fetch->fetch(id, doors, 600s, [this](Result<> end) {
            CHECK_FALSE(result);
            result = std::move(end);
            at = world.loop.now();
        });
    }
    const Result<>& wait(Duration limit = 600s) {
        CHECK(world.loop.run_while_not([this] { return result.has_value(); }, limit));
        REQUIRE(result);
        return *result;
    }
    PackageWorld& world;
    std::optional<Result<>> result;
    TimePoint at;
};

}  // namespace

TEST_CASE("a package is fetched, once for all who want it, and none of its bytes twice") {
    PackageWorld world;
    const auto package = sample_package("p", 2'000'000);
    give(world, (world.add("a"), "a"), package);
    auto& b = world.add("b");
    Fetched one(world, "b", package.id, {"a"}), two(world, "b", package.id, {"a", "shut"});
    CHECK(b.fetch->under_way() == 1);
    CHECK(one.wait());
    CHECK(two.wait());
    CHECK(b.fetch->under_way() == 0);
    CHECK(b.store->path(package.id));
    CHECK(static_cast<double>(world.ports["a"].sent) < 1.05 * static_cast<double>(package.bytes.size()));
    CHECK(Fetched(world, "b", package.id, {}).wait());  // it is here
}

TEST_CASE("what is here but damaged is replaced") {
    PackageWorld world;
    const auto package = sample_package("p", 500'000);
    world.add("a");
    auto& b = world.add("b");
    give(world, "a", package);
    give(world, "b", package);
    b.disk.damage("/state/overlays/" + package.id + "/stage.onnx");
    b.store = OverlayStore::open({world.loop, b.disk, b.writer, b.packer, b.reader}, "/state/overlays", {}, {}).value();
    PackageFetch again(world.loop, *b.store, [](const Address&) -> Result<std::unique_ptr<PieceSource>> {
        return fail(Fault::unreachable, "nobody is there");
    });
    std::optional<Result<>> result;
    again.fetch(package.id, {address_at("x")}, 60s, [&](Result<> end) { result = std::move(end); });
    CHECK(world.loop.run_while_not([&] { return result.has_value(); }, 60s));
    CHECK(result->error().message == "no board could give package " + package.id + ": ipc:///x: nobody is there");
    CHECK_FALSE(b.store->has(package.id));
}

TEST_CASE("several sources share the work, and one that is lost costs nothing but its share") {
    PackageWorld world;
    world.bytes_per_s = 12.5e6;
    const auto package = sample_package("p", 8'000'000);
    for (const auto* door : {"a", "b", "c"}) {
        world.add(door);
        give(world, door, package);
    }
    world.ports.clear();
    world.add("d");
    Fetched fetched(world, "d", package.id, {"a", "b", "c"});
    world.loop.run_for(200ms);
    world.machines.at("c")->answers = false;
    CHECK(fetched.wait());
    CHECK(world.ports["a"].sent > 2'000'000);
    CHECK(world.ports["b"].sent > 2'000'000);
    CHECK(static_cast<double>(world.ports["d"].received) < 1.1 * static_cast<double>(package.bytes.size()));
}

TEST_CASE("a source that lies is found out, and the others give what is right") {
    PackageWorld world;
    const auto package = sample_package("p", 1'000'000);
    for (const auto* door : {"a", "liar", "b"}) {
        world.add(door);
        give(world, door, package);
    }
    world.machines.at("liar")->disk.damage("/state/overlays/" + package.id + "/stage.onnx", SimDisk::By::itself);
    world.add("d");
    CHECK(Fetched(world, "d", package.id, {"liar", "a", "b"}).wait());
    world.add("e");
    const auto alone = Fetched(world, "e", package.id, {"liar"}).wait();
    REQUIRE_FALSE(alone);
    CHECK(alone.error().fault == Fault::corrupt);
    CHECK(alone.error().message.find("liar: ") != std::string::npos);
}

TEST_CASE("there is no limit on the whole, only on standing still") {
    PackageWorld world;
    world.bytes_per_s = 20'000;
    const auto package = sample_package("p", 2'000'000);
    world.add("a");
    give(world, "a", package);
    world.add("b");
    Fetched fetched(world, "b", package.id, {"a"});
    CHECK(fetched.wait());
    CHECK(fetched.at - TimePoint(1h) > 99s);
}

TEST_CASE("errors name every source and what came of it") {
    PackageWorld world;
    const auto package = sample_package("p", 500'000);
    world.add("a");
    world.add("dead").answers = false;
    world.add("d");
    const auto none = Fetched(world, "d", package.id, {}).wait();
    CHECK(none.error().message == "no board could give package " + package.id + ": none that has it was named");
    const auto some = Fetched(world, "d", package.id, {"a", "dead", "shut"}).wait();
    REQUIRE_FALSE(some);
    CHECK(some.error().fault == Fault::not_found);
    for (const auto* part : {"a: has 0 bytes of it", "dead: no answer", "shut: the door is shut"})
        CHECK_MESSAGE(some.error().message.find(part) != std::string::npos, some.error().message);
}

TEST_CASE("a full disk ends a fetch with the reason") {
    PackageWorld world;
    const auto package = sample_package("p", 500'000);
    world.add("a");
    give(world, "a", package);
    world.add("b").disk.capacity = 300'000;
    const auto failed = Fetched(world, "b", package.id, {"a"}).wait();
    REQUIRE_FALSE(failed);
    CHECK(failed.error().fault == Fault::io);
    CHECK(failed.error().message.find("the disk is full") != std::string::npos);
}

TEST_CASE("a fetch that nobody asks for any more is dropped") {
    PackageWorld world;
    world.add("a");
    auto& b = world.add("b");
    std::optional<Result<>> result;
    b.fetch->fetch(std::string(64, 'a'), {address_at("a")}, 3s, [&](Result<> end) { result = std::move(end); });
    world.loop.run_for(4s);
    REQUIRE(result);
    CHECK(result->error().fault == Fault::cancelled);
}

namespace {

// Six boards, a client on a seventh machine, and a run whose packages are on their way.
struct Cluster {
    PackageWorld world;
    std::vector<std::string> doors;
    std::vector<PackedArchive> packages;
    PackageOffer::Archives archives;
    struct WorldCourier final : Courier {
        explicit WorldCourier(PackageWorld& the_world) : world(the_world) {}
        void ask(const PeerId& to, wire::Body body, Duration, Answer answer) override {
            world.ask("b0", to.hex, std::move(body), std::move(answer));
        }
        PackageWorld& world;
    } courier{world};
    std::optional<Gathering> gathering;
    std::optional<PackageOffer> offer;
    bool ready = false;
    std::optional<Error> failed;
    std::set<std::string> holders;
    TimePoint began, ready_at;

    Cluster(int boards, std::size_t bytes, int different) {
        for (int i = 0; i < boards; ++i) {
            doors.push_back("b" + std::to_string(i));
            world.add(doors.back());
        }
        for (int i = 0; i < different; ++i) {
            packages.push_back(sample_package("stage " + std::to_string(i), bytes));
            archives[packages.back().id] = std::make_shared<const std::string>(packages.back().bytes);
        }
    }
    using Wanted = std::function<std::set<std::size_t>(std::size_t board)>;  // which packages
    // The client offers all packages to b0; each board wants `wanted` of them.
    void start(const Wanted& wanted) {
        began = world.loop.now();
        std::vector<std::string> missing;
        for (const auto& package : packages)
            missing.push_back(package.id);
        gathering.emplace(world.loop, courier, RunId{std::string(32, 'a')},
                          Gathering::Events{.ready =
                                                [this] {
                                                    ready = true;
                                                    ready_at = world.loop.now();
                                                },
                                            .board_failed = [this](const PeerId&, const Error& why) { failed = why; },
                                            .progress = [] {}});
        gather(wanted);
        offer.emplace(world.loop, archives, 20s,
                      [this](wire::Body body, Duration, Answer answer) {
                          world.ask("client", "b0", std::move(body), std::move(answer));
                      },
                      PackageOffer::Events{.done = [] {}, .failed = [this](const Error& why) { failed = why; }});
        offer->want(missing);
    }
    void gather(const Wanted& wanted) {
        ready = false;
        Gathering::Wishes wishes;
        for (std::size_t b = 0; b < doors.size(); ++b)
            for (const auto p : wanted(b))
                wishes[PeerId{doors[b]}].insert(packages[p].id);
        gathering->start(wishes, [wishes](const PeerId& board, const std::string& package) {
            std::vector<Address> ways{address_at("b0")};
            for (const auto& [other, ids] : wishes)
                if (other != board && ids.contains(package) && other.hex != "b0") ways.push_back(address_at(other.hex));
            return ways;
        });
    }
    double seconds() const { return std::chrono::duration<double>(ready_at - began).count(); }
    std::uint64_t sent_by_boards() {
        std::uint64_t bytes = 0;
        for (const auto& door : doors)
            bytes += world.ports[door].sent;
        return bytes;
    }
    std::uint64_t bytes() const {
        std::uint64_t sum = 0;
        for (const auto& package : packages)
            sum += package.bytes.size();
        return sum;
    }
};

}  // namespace

TEST_CASE("six packages of 16.8 MB for six boards, on 100 Mbit/s: as fast as the client's port, each byte once") {
    Cluster cluster(6, 16'800'000, 6);
    cluster.world.bytes_per_s = 12.5e6;
    for (auto& [door, machine] : cluster.world.machines)
        machine->disk.bytes_per_s = 100e6;
    cluster.start([](std::size_t board) { return std::set{board}; });
    CHECK(cluster.world.loop.run_while_not([&] { return cluster.ready; }, 60s));
    const auto port = static_cast<double>(cluster.bytes()) / 12.5e6;
    CHECK_MESSAGE(cluster.seconds() < 1.15 * port, cluster.seconds(), " s, the port needs ", port, " s");
    CHECK(static_cast<double>(cluster.world.ports["client"].sent) < 1.1 * static_cast<double>(cluster.bytes()));
    CHECK(static_cast<double>(cluster.sent_by_boards()) < 1.1 * static_cast<double>(cluster.bytes()));
}

TEST_CASE("a run goes on when the rest of its packages is a matter of a moment, once") {
    Cluster cluster(3, 16'800'000, 3);
    cluster.world.bytes_per_s = 12.5e6;
    cluster.start([](std::size_t board) { return std::set{board}; });
    const auto has = [&cluster](std::size_t board) {
        return cluster.world.machines.at(cluster.doors[board])->store->path(cluster.packages[board].id).has_value();
    };
    CHECK(cluster.world.loop.run_while_not([&] { return cluster.ready; }, 60s));
    CHECK(has(0));
    CHECK_FALSE(has(2));
    CHECK_FALSE(cluster.gathering->under_way());
    CHECK(cluster.world.loop.run_while_not([&] { return has(2); }, 3s));  // what was asked for comes all the same

    cluster.world.add("b2");  // another one, which has nothing
    cluster.gather([](std::size_t board) { return std::set{board}; });
    CHECK(cluster.world.loop.run_while_not([&] { return cluster.ready; }, 60s));
    CHECK(has(2));
}

TEST_CASE("one package for six boards: they give it to each other while it arrives") {
    Cluster cluster(6, 4'000'000, 1);
    cluster.world.bytes_per_s = 12.5e6;
    cluster.start([](std::size_t) { return std::set<std::size_t>{0}; });
    CHECK(cluster.world.loop.run_while_not([&] { return cluster.ready; }, 60s));
    const auto package = static_cast<double>(cluster.bytes());
    CHECK(static_cast<double>(cluster.sent_by_boards()) < 1.1 * 5 * package);
    CHECK_MESSAGE(static_cast<double>(cluster.world.ports["b0"].sent) < 2 * package, cluster.world.ports["b0"].sent,
                  " bytes from the coordinator");
    CHECK_MESSAGE(cluster.seconds() < 2.5 * package / 12.5e6, cluster.seconds());
}

TEST_CASE("a slow client's packages are waited for as long as they come") {
    Cluster cluster(2, 1'000'000, 2);
    cluster.world.bytes_per_s = 30'000;
    cluster.start([](std::size_t board) { return std::set{board}; });
    CHECK(cluster.world.loop.run_while_not([&] { return cluster.ready || cluster.failed; }, 300s));
    CHECK(cluster.ready);
    CHECK(cluster.seconds() > 66);
}

TEST_CASE("a board whose disk is full fails alone, and says why") {
    Cluster cluster(3, 500'000, 3);
    cluster.world.machines.at("b2")->disk.capacity = 400'000;
    cluster.start([](std::size_t board) { return std::set{board}; });
    CHECK(cluster.world.loop.run_while_not([&] { return cluster.ready || cluster.failed; }, 60s));
    REQUIRE(cluster.failed);
    CHECK(cluster.failed->fault == Fault::io);
}

TEST_CASE("an offer goes on where an earlier one stopped") {
    Cluster cluster(1, 1'000'000, 1);
    const auto& package = cluster.packages[0];
    for (std::uint64_t number = 0; number < 6; ++number)
        cluster.world.machines.at("b0")->store->take(piece_of(package, number), [](const Result<>&) {});
    cluster.world.loop.run_for(1s);
    cluster.start([](std::size_t) { return std::set<std::size_t>{0}; });
    CHECK(cluster.world.loop.run_while_not([&] { return cluster.ready; }, 60s));
    CHECK(cluster.world.ports["client"].sent < 300'000);
}

TEST_CASE("what HELD says is held against its own sizes") {
    PieceSet set(300'000);
    set.add(0);
    set.add(2);
    const auto held = set.to_held("p");
    CHECK(held.held == wire::piece_bytes + 300'000 - 2 * wire::piece_bytes);
    CHECK(held.pieces == std::string(1, '\x05'));
    const auto again = PieceSet::of(held).value();
    CHECK(again.has(2));
    CHECK_FALSE(again.has(1));
    CHECK_FALSE(again.has(3));
    set.add(1);
    CHECK(set.to_held("p").pieces.empty());
    CHECK(PieceSet::of(set.to_held("p"))->complete());
    CHECK(PieceSet::of({"p", 0, 0, ""})->held() == 0);
    CHECK_FALSE(PieceSet::of({"p", 100, 101, ""}));
    CHECK_FALSE(PieceSet::of({"p", largest_archive + 1, 0, ""}));
    CHECK_FALSE(PieceSet::of({"p", 300'000, 5, ""}));
    CHECK_FALSE(PieceSet::of({"p", 300'000, 5, "too long"}));
    CHECK(PieceSet::of({"p", 300'000, 5, "\xff"})->complete());  // its bits count, not what it says of them
}

TEST_CASE("the window between two peers grows where the way is fast, and leaves room where it is slow") {
    FlowWindow window;
    for (int i = 0; i < 20; ++i)
        window.answered(1ms);
    CHECK(window.size() == 8);
    for (int i = 0; i < 20; ++i)
        window.answered(90ms);
    CHECK(window.size() == 5);
    window.answered(52ms);  // 100 Mbit/s
    CHECK(window.size() == 5);
    for (int i = 0; i < 4; ++i)
        window.answered(500ms);
    CHECK(window.size() == 1);
    window.answered(100ms);
    CHECK(window.size() == 2);
}
