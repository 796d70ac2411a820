// Network ports in virtual time: each sends and receives so many bytes a second, what comes while it is busy queues up,
// and the way between two takes a while.
#pragma once

#include <functional>
#include <vector>

#include "tests/fakes/sim_loop.hpp"

namespace fard {

class SimPorts {
  public:
    SimPorts(SimLoop& world, double bytes_per_s, Duration latency)
        : world_(world), bytes_per_s_(bytes_per_s), latency_(latency) {}

    std::size_t add();  // another port's number

    // Both ports are busy for as long as the bytes take; `arrive` is called when the last one has come.
    void send(std::size_t from, std::size_t to, std::size_t bytes, Loop::Callback arrive);
    // Bytes that nobody waits for: acknowledgements, handshakes.
    void count(std::size_t from, std::size_t to, std::size_t bytes);

    struct Traffic {
        std::uint64_t out = 0, in = 0;
    };
    const Traffic& traffic(std::size_t port) const { return ports_[port].traffic; }
    Duration longest_queue() const { return longest_queue_; }  // that a message has waited in

  private:
    struct Port {
        TimePoint out_free{}, in_free{};
        Traffic traffic;
    };
    Duration time_of(std::size_t bytes) const;

    SimLoop& world_;
    double bytes_per_s_;
    Duration latency_, longest_queue_{};
    std::vector<Port> ports_;
};

}  // namespace fard
