// One page of memory that a job shares with its node manager (a memfd that the job inherits as descriptor 4):
// what it is at, without a message per chunk. The job writes, the node manager reads; every field alone is
// consistent.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fard {

struct JobPage {
    static constexpr std::uint64_t current_version = 2;

    std::atomic<std::uint64_t> version;  // current_version, written by the node manager
    std::atomic<std::uint64_t>
        busy_since_ns;  // CLOCK_MONOTONIC when process() was entered, 0 when it is not running
    std::atomic<std::uint64_t> busy_index;  // the chunk that it holds; valid while busy_since_ns is not 0
    std::atomic<std::uint64_t> chunks;      // done since the job started
    std::atomic<std::uint64_t> compute_ns;  // inside process()
    std::atomic<std::uint64_t> wait_ns;     // waiting for input or for credit
    std::atomic<std::uint64_t> bytes_out;
    std::atomic<std::uint64_t> looked_ns;  // CLOCK_MONOTONIC when it last looked at its control channel; outside of
                                           // process() it does so ten times a second, if it is not stopped
    std::atomic<std::uint64_t> step;       // 0: loading its device, 1: opening its links, 2: linked
    std::atomic<std::uint64_t> unopened;   // bit s: sender s has not opened its link to this job
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a JobPage is shared between processes");
inline constexpr std::size_t job_page_bytes = 4096;
static_assert(sizeof(JobPage) <= job_page_bytes);

inline constexpr int job_control_fd = 3;  // SOCK_SEQPACKET to the node manager
inline constexpr int job_page_fd = 4;     // the memfd, if there is one
inline constexpr int job_device_fd = 5;   // what comes with the device, where JOB_CONFIG says so
inline constexpr int job_board_fd = 6;    // an emulated board's memory, where JOB_CONFIG says so
inline constexpr std::uint8_t job_has_device = 1, job_has_board = 2;  // JOB_CONFIG's `descriptors`

}  // namespace fard
