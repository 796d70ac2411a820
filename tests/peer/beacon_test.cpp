#include "runtime/peer/beacon.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "runtime/peer/codec.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/fakes/sim_loop.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

// A LAN in memory: everyone hears everything, itself too.
struct Ether {
    std::vector<std::function<void(std::string_view)>> ears;
    int sent = 0;
};
class EtherBroadcast final : public Broadcast {
  public:
    explicit EtherBroadcast(Ether& ether) : ether_(ether) {}
    void send(std::string_view datagram) override {
        ++ether_.sent;
        for (const auto& ear : ether_.ears)
            ear(datagram);
    }
    void receive(Loop&, std::function<void(std::string_view)> on_datagram) override {
        ether_.ears.push_back(std::move(on_datagram));
    }

  private:
    Ether& ether_;
};

wire::Beacon beacon(char digit, const std::string& cluster = "lab") {
    return {cluster,
            wire::protocol_version,
            {std::string(32, digit)},
            at(fmt::format("tcp://10.0.0.{}:4000", digit))};
}

struct Board {
    Board(SimLoop& loop, Ether& ether, wire::Beacon ours)
        : lan(loop, std::make_unique<EtherBroadcast>(ether), std::move(ours),
              [this](const wire::Beacon& other) { found.push_back(other.front_door.text()); }) {}
    std::vector<std::string> found;
    LanBeacon lan;
};

}  // namespace

TEST_CASE("boards of one cluster find each other on a LAN, others and themselves they ignore") {
    SimLoop loop;
    Ether ether;
    Board a(loop, ether, beacon('1')), b(loop, ether, beacon('2')),
        stranger(loop, ether, beacon('3', "attic"));
    loop.run_for(1s);
    CHECK(a.found == std::vector<std::string>{"tcp://10.0.0.2:4000", "tcp://10.0.0.2:4000"});
    CHECK(b.found == std::vector<std::string>{"tcp://10.0.0.1:4000"});
    CHECK(stranger.found.empty());
    CHECK(ether.sent == 6);
}

TEST_CASE("rubbish on the beacon's port is dropped and counted") {
    SimLoop loop;
    Ether ether;
    Board a(loop, ether, beacon('1'));
    EtherBroadcast(ether).send("rubbish");
    EtherBroadcast(ether).send(wire::encode({}, wire::Leave{}));
    auto newer = beacon('4');
    newer.protocol = 99;
    EtherBroadcast(ether).send(wire::encode({}, newer));
    CHECK(a.lan.counters().malformed == 1);
    CHECK(a.lan.counters().unknown == 1);
    CHECK(a.found.empty());
}
