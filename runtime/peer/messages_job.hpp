// Between a node manager and its jobs, and the control messages of the data links.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/peer/message_parts.hpp"

namespace fard::wire {

// ---- node manager <-> job -----------------------------------------------------------------------------------------

struct JobConfig {  // the first message to a new job
    static constexpr std::uint16_t type = 80, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "JOB_CONFIG";
    JobKey job;
    std::string app;
    std::string board;
    JobSpec spec;
    std::string package_dir;      // where the overlay lies unpacked and verified, "" if none
    std::string device_kind;      // of the reserved device
    std::string link_transport;   // "ipc" or "tcp"
    std::string link_place;       // ipc: the directory for sockets; tcp: as LinkPlace has it
    std::uint64_t link_bytes = 0; // byte budget of each link
    std::uint32_t slot = 0;       // of the reserved device
    std::uint8_t descriptors = 0; // that the job has: 1: the device's, 2: the emulated board's (runtime/peer/job_page.hpp)
    std::uint8_t security = 0;    // of the links: 0 on this machine alone, 1 anywhere without keys, 2 with keys of the job's own
    static constexpr auto fields = std::tuple{
        field("job", &JobConfig::job), field("app", &JobConfig::app), field("board", &JobConfig::board),
        field("spec", &JobConfig::spec), field("package_dir", &JobConfig::package_dir),
        field("device_kind", &JobConfig::device_kind), field("link_transport", &JobConfig::link_transport),
        field("link_place", &JobConfig::link_place), field("link_bytes", &JobConfig::link_bytes),
        field("security", &JobConfig::security), field("slot", &JobConfig::slot),
        field("descriptors", &JobConfig::descriptors)};
    friend bool operator==(const JobConfig&, const JobConfig&) = default;
};

struct JobUp {  // the job has bound its links (loading the device may still go on)
    static constexpr std::uint16_t type = 81, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "JOB_UP";
    std::vector<LinkEndpoint> links;
    std::uint8_t parking = 0;  // 0: the program must not be parked; else which form of it it speaks (base/park.hpp)
    bool prepares = false;     // parked, it makes an overlay ready in advance where it is told which
    static constexpr auto fields =
        std::tuple{field("links", &JobUp::links), field("parking", &JobUp::parking), field("prepares", &JobUp::prepares)};
    friend bool operator==(const JobUp&, const JobUp&) = default;
};

struct JobConnect {  // where to push; the job connects and opens its links
    static constexpr std::uint16_t type = 82, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "JOB_CONNECT";
    std::vector<LinkEndpoint> receivers;
    std::vector<PublicKey> senders;  // who may connect to each of the job's own links
    static constexpr auto fields =
        std::tuple{field("receivers", &JobConnect::receivers), field("senders", &JobConnect::senders)};
    friend bool operator==(const JobConnect&, const JobConnect&) = default;
};

struct JobLinked {  // LINK_OK of all the job's senders, and its device is loaded or loading
    static constexpr std::uint16_t type = 83, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "JOB_LINKED";
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const JobLinked&, const JobLinked&) = default;
};

struct JobFailed {  // the job's last message when it ends itself with a reason
    static constexpr std::uint16_t type = 84, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "JOB_FAILED";
    std::string reason;
    std::uint8_t fault = 10;  // fard::Fault; what of them ends the run: JOB_LOST
    static constexpr auto fields = std::tuple{field("reason", &JobFailed::reason), field("fault", &JobFailed::fault)};
    friend bool operator==(const JobFailed&, const JobFailed&) = default;
};

struct JobDrain {  // end: report and exit 0
    static constexpr std::uint16_t type = 85, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "JOB_DRAIN";
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const JobDrain&, const JobDrain&) = default;
};

struct JobDrained {  // the job's last message after JOB_DRAIN
    static constexpr std::uint16_t type = 86, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "JOB_DRAINED";
    JobStats stats;
    static constexpr auto fields = std::tuple{field("stats", &JobDrained::stats)};
    friend bool operator==(const JobDrained&, const JobDrained&) = default;
};

struct JobDevice {  // what has become of the job's device
    static constexpr std::uint16_t type = 87, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "JOB_DEVICE";
    std::uint8_t state = 0;  // 1: it loads the job's overlay, 2: it has loaded it, 3: it is stuck, and is loaded anew
    std::string why;         // what a loading one waits for; why it is stuck
    static constexpr auto fields = std::tuple{field("state", &JobDevice::state), field("why", &JobDevice::why)};
    friend bool operator==(const JobDevice&, const JobDevice&) = default;
};

struct JobTurn {  // the job's slot is its own until it says that the turn is over
    static constexpr std::uint16_t type = 88, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "JOB_TURN";
    std::uint64_t number = 0;   // of the job's turns, from 1 on
    std::uint64_t chunks = 0;   // then it is over; 0: the turn of that number ends when the device is empty
    std::uint64_t wait_ms = 0;  // without a chunk for so long it stands idle, and says so
    static constexpr auto fields = std::tuple{field("number", &JobTurn::number), field("chunks", &JobTurn::chunks),
                                              field("wait_ms", &JobTurn::wait_ms)};
    friend bool operator==(const JobTurn&, const JobTurn&) = default;
};

struct JobReady {  // what a job that takes turns could do, on change
    static constexpr std::uint16_t type = 89, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "JOB_READY";
    std::uint64_t over = 0;   // its last turn that is over; the device is let go
    std::uint64_t chunks = 0; // computed in all its turns
    bool ready = false;       // without a turn: chunks wait, and their results have room
    bool idle = false;        // in its turn: it has had nothing to do for `wait_ms`
    static constexpr auto fields = std::tuple{field("over", &JobReady::over), field("chunks", &JobReady::chunks),
                                              field("ready", &JobReady::ready), field("idle", &JobReady::idle)};
    friend bool operator==(const JobReady&, const JobReady&) = default;
};

// ---- data links ---------------------------------------------------------------------------------------------------

struct LinkOpen {  // the first message on a link
    static constexpr std::uint16_t type = 90, version = 2;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "LINK_OPEN";
    RunId run;
    Epoch epoch;
    std::string from;  // "client", "coordinator", or "position/replica" of the sender
    std::vector<TensorDesc> tensors;
    std::string overlay;
    std::uint64_t place = 0;  // the emulated board that the sender is on (Pacer::place), 0: none
    static constexpr auto fields =
        std::tuple{field("run", &LinkOpen::run), field("epoch", &LinkOpen::epoch), field("from", &LinkOpen::from),
                   field("tensors", &LinkOpen::tensors), field("overlay", &LinkOpen::overlay), field("place", &LinkOpen::place)};
    friend bool operator==(const LinkOpen&, const LinkOpen&) = default;
};

struct Credit {  // on the reverse pair: chunks taken since the link was opened, and how many may have been sent by then
    static constexpr std::uint16_t type = 91, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "CREDIT";
    RunId run;
    Epoch epoch;
    std::uint64_t taken = 0;
    std::uint64_t limit = 0;  // chunks that may be sent since the link was opened
    static constexpr auto fields = std::tuple{field("run", &Credit::run), field("epoch", &Credit::epoch),
                                              field("taken", &Credit::taken), field("limit", &Credit::limit)};
    friend bool operator==(const Credit&, const Credit&) = default;
};

}  // namespace fard::wire
