// The mesh's rules among many members, in virtual time. tests/soak/mesh_sim.cpp is the same at full size.
#include "tests/peer/mesh_sim.hpp"

#include <doctest/doctest.h>

using namespace fard;
using namespace std::chrono_literals;

namespace {

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

// How long it takes until all agree.
Duration convergence(SimMesh& mesh, Duration limit) {
    const auto begin = mesh.world().now();
    REQUIRE(mesh.world().run_while_not([&] { return mesh.agreed(); }, limit));
    return mesh.world().now() - begin;
}

}  // namespace

TEST_CASE("members that start together find each other through one seed") {
    for (const std::size_t members : {2, 6, 32, 33, 64}) {
        SimMesh mesh({.seed = members});
        for (std::size_t i = 0; i < members; ++i)
            mesh.join(0);
        const auto took = convergence(mesh, 5s);
        MESSAGE(members << " members: all know all after " << seconds(took) << " s");
        CHECK(took < 3s);
        mesh.world().run_for(5s);
        CHECK(mesh.agreed());
        CHECK(mesh.false_losses() == 0);
    }
}

TEST_CASE("at rest a member's traffic does not grow with their number") {
    double at_64 = 0;
    for (const std::size_t members : {64, 256}) {
        SimMesh mesh;
        mesh.begin_with(members);
        mesh.traffic();
        mesh.world().run_for(5s);
        const auto traffic = mesh.traffic();
        MESSAGE(members << " members: " << traffic.mean_out << " B/s out, " << traffic.mean_in << " in, at most "
                        << traffic.most_out << " out");
        CHECK(traffic.mean_out < 20'000);
        CHECK(traffic.mean_in < 20'000);
        if (members == 64) at_64 = traffic.mean_out;
        if (members == 256) CHECK(traffic.mean_out < at_64 * 8 / 6);  // as the logarithm
        CHECK(mesh.agreed());
        CHECK(mesh.false_losses() == 0);
    }
}

TEST_CASE("who is killed or loses power is noticed by all, and nobody else is taken for gone") {
    for (const bool power : {false, true}) {
        SimMesh mesh;
        mesh.begin_with(200);
        for (const std::size_t victim : {7, 8, 100})  // two of them side by side in the order of their start
            power ? mesh.cut_power(victim) : mesh.kill(victim);
        const auto took = convergence(mesh, 5s);
        MESSAGE((power ? "power" : "process") << ": noticed by all after " << seconds(took) << " s");
        CHECK(took < (power ? 2500ms : 1s));
        mesh.world().run_for(5s);
        CHECK(mesh.agreed());
        CHECK(mesh.false_losses() == 0);
    }
}

TEST_CASE("a newcomer and a new state are known to all soon, a member that leaves is gone soon") {
    SimMesh mesh;
    mesh.begin_with(150);
    mesh.join(42);
    CHECK(convergence(mesh, 5s) < 2s);
    mesh.publish(3, 5);
    CHECK_FALSE(mesh.agreed());
    CHECK(convergence(mesh, 5s) < 500ms);
    mesh.leave(77);
    CHECK(convergence(mesh, 5s) < 500ms);
    CHECK(mesh.false_losses() == 0);
}

TEST_CASE("a process that was stopped is lost, and a member again when it wakes") {
    for (const std::size_t members : {6, 60}) {
        SimMesh mesh;
        mesh.begin_with(members);
        mesh.stop(3);
        mesh.world().run_for(4s);
        CHECK(mesh.membership(0).members().size() == members - 1);
        mesh.wake(3);
        CHECK(convergence(mesh, 10s) < 2s);
        CHECK(mesh.false_losses() == 0);
    }
}

TEST_CASE("who is cut off loses the others, is lost alone, and comes back") {
    for (const std::size_t members : {6, 60}) {
        SimMesh mesh;
        mesh.begin_with(members);
        for (std::size_t i = 0; i < members; ++i)
            if (i != 3) mesh.cut(3, i);
        mesh.world().run_for(20s);
        for (std::size_t i = 0; i < members; ++i)
            if (i != 3) CHECK(mesh.membership(i).members().size() == members - 1);
        for (std::size_t i = 0; i < members; ++i)
            if (i != 3) mesh.mend(3, i);
        convergence(mesh, 15s);
    }
}

TEST_CASE("two members that are cut from each other alone stay members") {
    for (const std::size_t members : {6, 60}) {
        SimMesh mesh;
        mesh.begin_with(members);
        const auto& roster = mesh.membership(0).roster();
        // The nearest on the ring, which exchange heartbeats.
        std::size_t other = 0;
        const auto behind = mesh.membership(0).neighbourhood().behind(roster).front();
        while (mesh.membership(other).self().peer != behind) ++other;
        mesh.cut(0, other);
        mesh.world().run_for(10s);
        CHECK(mesh.agreed());
        CHECK(mesh.false_losses() == 0);
    }
}

TEST_CASE("both halves of a split mesh become one again") {
    SimMesh mesh;
    mesh.begin_with(40);
    for (std::size_t a = 0; a < 20; ++a)
        for (std::size_t b = 20; b < 40; ++b)
            mesh.cut(a, b);
    mesh.world().run_for(20s);
    CHECK(mesh.membership(0).members().size() == 20);
    CHECK(mesh.membership(39).members().size() == 20);
    for (std::size_t a = 0; a < 20; ++a)
        for (std::size_t b = 20; b < 40; ++b)
            mesh.mend(a, b);
    convergence(mesh, 20s);
}
