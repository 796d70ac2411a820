// A mesh of many members in virtual time: the real Membership, Gossip and Liveness of each, joined by ports of limited
// speed. Connections are simulated as far as the protocol can see them: a subscription takes a while to come up, a
// killed process refuses connections, a machine without power says nothing at all.
#pragma once

#include <memory>
#include <set>
#include <unordered_map>

#include "runtime/peer/gossip.hpp"
#include "runtime/peer/liveness.hpp"
#include "tests/fakes/sim_network.hpp"
#include "tests/fakes/sim_ports.hpp"

namespace fard {

struct SimMeshOptions {
    double port_bytes_per_s = 12.5e6;  // 100 Mbit/s
    Duration latency = std::chrono::microseconds(200);
    std::uint64_t seed = 1;
};

class SimMesh {
  public:
    explicit SimMesh(SimMeshOptions options = {});
    ~SimMesh();

    // So many members that know each other, as long after their start as it takes to be at rest.
    void begin_with(std::size_t members);
    std::size_t join(std::size_t seed);     // a new process; its number
    void leave(std::size_t member);         // in order
    void kill(std::size_t member);          // the process; its machine refuses connections
    void cut_power(std::size_t member);     // the machine
    void stop(std::size_t member);          // the process, for a while
    void wake(std::size_t member);
    void cut(std::size_t a, std::size_t b); // the way between two, both directions
    void mend(std::size_t a, std::size_t b);
    void publish(std::size_t member, std::uint32_t runs);  // a new state

    SimLoop& world() { return world_; }
    const Membership& membership(std::size_t member) const;
    std::size_t size() const { return nodes_.size(); }
    bool lives(std::size_t member) const;

    bool agreed() const;     // all that live know all that live, with their latest states, and nobody else
    // Of all ports since the last call: bytes a second, out and in, the mean and the most of one member.
    struct Traffic {
        double mean_out = 0, mean_in = 0, most_out = 0, most_in = 0;
    };
    Traffic traffic();
    const SimPorts& ports() const { return ports_; }
    std::size_t false_losses() const { return false_losses_; }  // of who lived, as seen by who was not cut off

  private:
    struct Node;
    Node& node(std::size_t number) const { return *nodes_[number]; }
    bool open(std::size_t from, std::size_t to) const;  // messages get through

    void tick(Node& node);
    void apply(Node& node, const Membership::Changes& changes);
    void act(Node& node);
    void listen(Node& node);
    void publish_to_all(Node& node, std::size_t bytes, std::function<void(Node&)> take);
    void tell(Node& from, std::size_t to, std::size_t bytes, std::function<void(Node&)> take);
    void knock(Node& node, std::size_t door);
    void ping(Node& from, std::size_t to, const PeerId& about);
    void take_ping(Node& node, std::size_t from, const PeerId& about);
    void pong(Node& from, std::size_t to, const PeerId& about, Duration silent);
    void probe(Node& node, const PeerId& about);
    void probe_fresh(Node& node, std::size_t to);
    void heard(Node& node, const PeerId& peer);
    void sync(Node& node, const PeerId& with);

    SimMeshOptions options_;
    SimLoop world_;
    SimRandom random_;
    SimPorts ports_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::unordered_map<PeerId, std::size_t> numbers_;
    std::set<std::pair<std::size_t, std::size_t>> cuts_;
    std::vector<SimPorts::Traffic> before_;
    TimePoint measured_since_{};
    std::size_t false_losses_ = 0;
};

}  // namespace fard
