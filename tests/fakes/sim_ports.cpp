#include "tests/fakes/sim_ports.hpp"

#include <algorithm>

namespace fard {

std::size_t SimPorts::add() {
    ports_.emplace_back();
    return ports_.size() - 1;
}

Duration SimPorts::time_of(std::size_t bytes) const {
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(static_cast<double>(bytes) / bytes_per_s_));
}

void SimPorts::send(std::size_t from, std::size_t to, std::size_t bytes, Loop::Callback arrive) {
    count(from, to, bytes);
    auto& out = ports_[from].out_free;
    auto& in = ports_[to].in_free;
    const auto start = std::max(world_.now(), out);
    out = start + time_of(bytes);
    const auto arrival = std::max(out + latency_, in + time_of(bytes));
    in = arrival;
    longest_queue_ = std::max(longest_queue_, arrival - world_.now() - latency_ - time_of(bytes));
    world_.call_at(arrival, std::move(arrive));
}

void SimPorts::count(std::size_t from, std::size_t to, std::size_t bytes) {
    ports_[from].traffic.out += bytes;
    ports_[to].traffic.in += bytes;
}

}  // namespace fard
