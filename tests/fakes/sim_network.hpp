// An in-memory network between simulated processes that loses, repeats, delays and re-orders messages, by a
// seed.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "runtime/peer/requests.hpp"
#include "tests/fakes/sim_loop.hpp"

namespace fard {

struct SimNetworkOptions {
    double loss = 0;        // probability that a message is lost
    double repetition = 0;  // probability that a message arrives twice
    Duration shortest_delay = std::chrono::microseconds(100);
    Duration longest_delay = std::chrono::microseconds(100);  // messages overtake each other when they differ
    bool encode = false;                                      // through the codec, as on a real wire; slower
};

// Small and fast, and the same on every platform (splitmix64).
class SimRandom {
  public:
    explicit SimRandom(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next();
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }  // bound > 0
    bool chance(double probability);
    Duration between(Duration low, Duration high);

  private:
    std::uint64_t state_;
};

class SimNetwork;

// One simulated process: a loop of its own, and its way of asking others.
class SimPeer {
  public:
    SimPeer(SimNetwork& network, PeerId id);
    const PeerId& id() const { return id_; }
    SimHost& loop() { return host_; }
    Requests& requests() { return requests_; }

  private:
    PeerId id_;
    SimHost host_;
    Requests requests_;
};

class SimNetwork {
  public:
    SimNetwork(SimLoop& world, std::uint64_t seed, SimNetworkOptions options = {});

    // A new process; lives as long as the network. Ids must be 32 hex digits if options.encode is set.
    SimPeer& add(PeerId id);
    SimPeer& peer(const PeerId& id) { return *peers_.at(id); }

    void stop(const PeerId& id) { peer(id).loop().stop(); }
    void wake(const PeerId& id) { peer(id).loop().wake(); }
    void kill(const PeerId& id) { peer(id).loop().kill(); }

    // Cuts the way between two processes, both directions, or mends it. What is under way still arrives.
    void cut(const PeerId& a, const PeerId& b);
    void mend(const PeerId& a, const PeerId& b);

    void set_options(SimNetworkOptions options) { options_ = options; }  // from the next message on
    SimLoop& world() { return world_; }

    struct Counters {
        std::uint64_t sent = 0, lost = 0, repeated = 0, delivered = 0;
    };
    const Counters& counters() const { return counters_; }

    // Called for each message that a process hands to the network; true swallows it.
    std::function<bool(const PeerId& from, const PeerId& to, const wire::Envelope&, const wire::Body&)>
        on_send;

  private:
    friend class SimPeer;
    void send(const PeerId& from, const PeerId& to, const wire::Envelope& envelope, const wire::Body& body);
    void carry(SimPeer& to, std::shared_ptr<const wire::Decoded> message);

    SimLoop& world_;
    SimRandom random_;
    SimNetworkOptions options_;
    std::map<PeerId, std::unique_ptr<SimPeer>> peers_;
    std::set<std::pair<PeerId, PeerId>> cuts_;
    Counters counters_;
};

}  // namespace fard
