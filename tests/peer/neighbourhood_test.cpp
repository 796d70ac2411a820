#include "runtime/peer/neighbourhood.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace fard;

namespace {

PeerId id(int number) {
    return {fmt::format("{:032x}", static_cast<unsigned>(number) * 2654435761u)};
}

struct Mesh {
    explicit Mesh(int members) {
        for (int i = 0; i < members; ++i) {
            wire::Record record;
            record.member.peer = id(i);
            roster.put(std::move(record));
        }
        for (int i = 0; i < members; ++i) {
            around.emplace_back(id(i));
            for (const auto& entry : roster)
                around.back().joined(entry->member.peer, roster);
        }
    }
    Roster roster;
    std::vector<Neighbourhood> around;
};

bool holds(const std::vector<PeerId>& peers, const PeerId& peer) {
    return std::ranges::find(peers, peer) != peers.end();
}

}  // namespace

TEST_CASE("up to 32 members everyone hears everyone, and exchanges heartbeats with six at most") {
    for (const int members : {1, 2, 5, 7, 32}) {
        const Mesh mesh(members);
        for (const auto& one : mesh.around) {
            CHECK(one.heard(mesh.roster).size() == static_cast<std::size_t>(members - 1));
            CHECK(one.behind(mesh.roster).size() == static_cast<std::size_t>(std::min(3, members - 1)));
        }
    }
}

TEST_CASE("beyond 32 members each hears a few, both ways, whatever their number") {
    for (const int members : {33, 64, 300}) {
        const Mesh mesh(members);
        std::size_t all = 0, most = 0;
        for (int i = 0; i < members; ++i) {
            const auto heard = mesh.around[i].heard(mesh.roster);
            all += heard.size();
            most = std::max(most, heard.size());
            for (int j = 0; j < members; ++j) {
                const bool hears = mesh.around[i].hears(id(j), mesh.roster);
                CHECK(hears == holds(heard, id(j)));
                CHECK(hears == mesh.around[j].hears(id(i), mesh.roster));
            }
        }
        CHECK(all / static_cast<std::size_t>(members) >= 8);
        CHECK(all / static_cast<std::size_t>(members) <= 13);
        CHECK(most < 28);
    }
}

TEST_CASE("heartbeats go to the next three on the ring, and come from the three before") {
    const Mesh mesh(50);
    for (int i = 0; i < 50; ++i) {
        const auto behind = mesh.around[i].behind(mesh.roster);
        for (int j = 0; j < 50; ++j)
            CHECK(holds(behind, id(j)) == holds(mesh.around[j].before(mesh.roster), id(i)));
        const auto place = mesh.roster.place_of(id(i));
        CHECK(behind.front() == mesh.roster[(place + 1) % 50].member.peer);
    }
}

TEST_CASE("a member that comes or goes changes the neighbourhood of a few") {
    Mesh mesh(200);
    std::vector<std::vector<PeerId>> before;
    for (auto& one : mesh.around)
        before.push_back(one.heard(mesh.roster));
    wire::Record record;
    record.member.peer = id(1000);
    mesh.roster.put(record);
    std::size_t changed = 0;
    for (std::size_t i = 0; i < mesh.around.size(); ++i) {
        mesh.around[i].joined(id(1000), mesh.roster);
        changed += mesh.around[i].heard(mesh.roster) != before[i] ? 1 : 0;
    }
    CHECK(changed >= 6);
    CHECK(changed < 20);
    mesh.roster.erase(id(1000));
    for (std::size_t i = 0; i < mesh.around.size(); ++i) {
        mesh.around[i].lost(id(1000), mesh.roster);
        CHECK(mesh.around[i].heard(mesh.roster) == before[i]);
    }
}

TEST_CASE("among up to 32 members a few stay neighbours when more come, both ways; beyond, those are the neighbours") {
    for (const int members : {20, 32, 40}) {
        const Mesh mesh(members);
        std::size_t all = 0;
        for (int i = 0; i < members; ++i)
            for (int j = 0; j < members; ++j) {
                const bool stays = mesh.around[i].stays(id(j), mesh.roster);
                CHECK(stays == mesh.around[j].stays(id(i), mesh.roster));
                if (members > 32) CHECK(stays == mesh.around[i].hears(id(j), mesh.roster));
                all += stays ? 1 : 0;
            }
        CHECK(all >= static_cast<std::size_t>(members) * 6);
        CHECK(all <= static_cast<std::size_t>(members) * 14);
    }
}
