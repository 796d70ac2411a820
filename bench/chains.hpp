// Chains of processes that hand chunks on from a source to a sink in this process: fard's jobs, and bare
// libzmq.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace fard::bench {

struct ChainSpec {
    std::string transport;    // "ipc" or "tcp"
    std::string directory;    // for the sockets of ipc
    std::uint32_t processes;  // that hand chunks on
    std::uint64_t chunk_bytes;
    std::uint64_t window;  // chunks in flight on each link
    std::string jobs_dir;  // where the job programs lie
    bool keys = false;     // fard's chain over tcp with keys
};

// Its processes run from its making to its end, idle between measurements.
class Chain {
  public:
    virtual ~Chain() = default;

    // Chunks per second at the sink, from the first to the last that came within `span`; the chain is empty
    // before and after.
    virtual double throughput(std::chrono::nanoseconds span) = 0;

    // Median microseconds from source to sink, one chunk in flight.
    virtual double latency(std::chrono::nanoseconds span) = 0;
};

// The real job container with the stock `copy` job: epochs, trace stamps, credits.
Result<std::unique_ptr<Chain>> make_fard_chain(const ChainSpec& spec);

// PUSH and PULL; each process moves the received frames on without copying. The same bytes, always as two frames, and the
// same high-water marks.
Result<std::unique_ptr<Chain>> make_bare_chain(const ChainSpec& spec);

// What a process of the bare chain does: binds, prints the endpoint, hands on for ever.
int run_bare_relay(const std::string& bind, const std::string& connect, int high_water_mark);

std::uint64_t header_bytes(const ChainSpec& spec);  // of fard's first frame; the bare chain sends as many

}  // namespace fard::bench
