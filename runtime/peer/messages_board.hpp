// From a coordinator to a board and back: reservation, a run's jobs, packages.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/peer/message_parts.hpp"

namespace fard::wire {

// ---- reservation: coordinator -> board, answered ------------------------------------------------------------------
//
// Two numbers keep delayed and re-ordered messages apart. `round` is the coordinator's: it goes up each time that the
// coordinator asks anew within one epoch. `decision` is the board's: it goes up each time that a reservation is made,
// granted or taken back there, so the higher one is the newer one, and a COMMIT names the grant that it is for.

struct Reserve {  // answered by RESERVED or REFUSED (epoch or round too low, never fits)
    static constexpr std::uint16_t type = 30, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "RESERVE";
    RunId run;
    std::uint64_t ticket = 0;
    Epoch epoch;
    std::uint64_t round = 0;
    std::vector<SlotRequest> slots;
    static constexpr auto fields =
        std::tuple{field("run", &Reserve::run), field("ticket", &Reserve::ticket), field("epoch", &Reserve::epoch),
                   field("round", &Reserve::round), field("slots", &Reserve::slots)};
    friend bool operator==(const Reserve&, const Reserve&) = default;
};

struct Reserved {  // how the reservation stands: its slots are held, or it is queued (a GRANT follows when they are)
    static constexpr std::uint16_t type = 31, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "RESERVED";
    bool granted = false;
    std::uint64_t decision = 0;
    std::vector<JobProgress> jobs;  // of that epoch, in the answer to RENEW
    static constexpr auto fields =
        std::tuple{field("granted", &Reserved::granted), field("decision", &Reserved::decision),
                   field("jobs", &Reserved::jobs)};
    friend bool operator==(const Reserved&, const Reserved&) = default;
};

struct Grant {  // board -> coordinator: the queued reservation has its slots now; answered by DONE or REFUSED
    static constexpr std::uint16_t type = 32, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "GRANT";
    RunId run;
    Epoch epoch;
    std::uint64_t decision = 0;
    static constexpr auto fields = std::tuple{field("run", &Grant::run), field("epoch", &Grant::epoch),
                                              field("decision", &Grant::decision)};
    friend bool operator==(const Grant&, const Grant&) = default;
};

struct Wounded {  // board -> coordinator: an older run took the tentative slots; the reservation is queued again
    static constexpr std::uint16_t type = 33, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "WOUNDED";
    RunId run;
    Epoch epoch;
    std::uint64_t decision = 0;
    static constexpr auto fields = std::tuple{field("run", &Wounded::run), field("epoch", &Wounded::epoch),
                                              field("decision", &Wounded::decision)};
    friend bool operator==(const Wounded&, const Wounded&) = default;
};

struct Commit {  // tentative -> firm; answered by DONE, or REFUSED when that grant no longer stands
    static constexpr std::uint16_t type = 34, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "COMMIT";
    RunId run;
    Epoch epoch;
    std::uint64_t decision = 0;  // of the RESERVED or GRANT that granted the slots
    static constexpr auto fields = std::tuple{field("run", &Commit::run), field("epoch", &Commit::epoch),
                                              field("decision", &Commit::decision)};
    friend bool operator==(const Commit&, const Commit&) = default;
};

struct Renew {  // each second; answered by RESERVED, or REFUSED when there is no such reservation
    static constexpr std::uint16_t type = 35, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "RENEW";
    RunId run;
    Epoch epoch;
    static constexpr auto fields = std::tuple{field("run", &Renew::run), field("epoch", &Renew::epoch)};
    friend bool operator==(const Renew&, const Renew&) = default;
};

struct Release {  // ends everything that the run has on the board up to this epoch; DONE once the jobs are reaped
    static constexpr std::uint16_t type = 36, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "RELEASE";
    RunId run;
    Epoch epoch;
    static constexpr auto fields = std::tuple{field("run", &Release::run), field("epoch", &Release::epoch)};
    friend bool operator==(const Release&, const Release&) = default;
};

// ---- a run's jobs: coordinator -> board, answered -----------------------------------------------------------------

struct Spawn {  // under a firm lease of the same epoch; answered by SPAWNED or REFUSED
    static constexpr std::uint16_t type = 40, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "SPAWN";
    RunId run;
    Epoch epoch;
    std::string app;
    std::uint64_t chunk_timeout_ms = 0;
    std::uint64_t link_bytes = 0;
    std::vector<JobSpec> jobs;
    std::vector<Address> sources;  // front doors that hold the packages, best first
    std::vector<SlotTurns> turns;  // of the slots that several of its jobs share
    std::uint64_t batch = 0;       // chunks of a turn
    std::uint64_t chunks = 0;      // how many this wiring carries
    std::uint64_t turn_wait_ms = 0;  // as AppSpec has it
    static constexpr auto fields = std::tuple{
        field("run", &Spawn::run), field("epoch", &Spawn::epoch), field("app", &Spawn::app),
        field("chunk_timeout_ms", &Spawn::chunk_timeout_ms), field("link_bytes", &Spawn::link_bytes),
        field("jobs", &Spawn::jobs), field("sources", &Spawn::sources), field("turns", &Spawn::turns),
        field("batch", &Spawn::batch), field("chunks", &Spawn::chunks), field("turn_wait_ms", &Spawn::turn_wait_ms)};
    friend bool operator==(const Spawn&, const Spawn&) = default;
};

struct JobBound {  // where one spawned job waits for its senders
    JobKey job;
    std::vector<LinkEndpoint> links;  // one per sender, in the senders' replica order
    static constexpr auto fields = std::tuple{field("job", &JobBound::job), field("links", &JobBound::links)};
    friend bool operator==(const JobBound&, const JobBound&) = default;
};

struct Spawned {  // answer to SPAWN, once all its jobs are up and bound
    static constexpr std::uint16_t type = 41, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "SPAWNED";
    std::vector<JobBound> jobs;
    static constexpr auto fields = std::tuple{field("jobs", &Spawned::jobs)};
    friend bool operator==(const Spawned&, const Spawned&) = default;
};

struct JobWire {  // where one job pushes to
    JobKey job;
    std::vector<LinkEndpoint> receivers;  // in the receivers' replica order
    std::vector<PublicKey> senders;       // who may connect to its own links, in their order; none without keys
    static constexpr auto fields = std::tuple{field("job", &JobWire::job), field("receivers", &JobWire::receivers),
                                              field("senders", &JobWire::senders)};
    friend bool operator==(const JobWire&, const JobWire&) = default;
};

struct Wire {  // answered by DONE when the jobs of this board are connected and every LINK_OPEN to them is confirmed
    static constexpr std::uint16_t type = 42, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "WIRE";
    RunId run;
    Epoch epoch;
    std::vector<JobWire> jobs;
    static constexpr auto fields =
        std::tuple{field("run", &Wire::run), field("epoch", &Wire::epoch), field("jobs", &Wire::jobs)};
    friend bool operator==(const Wire&, const Wire&) = default;
};

struct Drain {  // no more chunks will come: jobs report and end; answered by DRAINED when they are reaped
    static constexpr std::uint16_t type = 43, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "DRAIN";
    RunId run;
    Epoch epoch;
    static constexpr auto fields = std::tuple{field("run", &Drain::run), field("epoch", &Drain::epoch)};
    friend bool operator==(const Drain&, const Drain&) = default;
};

struct Drained {
    static constexpr std::uint16_t type = 44, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "DRAINED";
    std::vector<JobReport> jobs;
    static constexpr auto fields = std::tuple{field("jobs", &Drained::jobs)};
    friend bool operator==(const Drained&, const Drained&) = default;
};

struct JobLost {  // board -> coordinator: a job ended before DRAIN; answered by DONE
    static constexpr std::uint16_t type = 45, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "JOB_LOST";
    JobKey job;
    std::string board;
    bool fatal = false;      // process() failed, or nothing could do what is asked: the run ends, no next wiring
    std::uint8_t fault = 0;  // fard::Fault, as the job said it; 0 if it said nothing
    std::string cause;       // "signal 9 (SIGKILL)", "exit code 3", "threw: ...", "held chunk 17 for more than 60 s"
    std::string last_words;  // the last lines of its standard error
    static constexpr auto fields = std::tuple{field("job", &JobLost::job), field("board", &JobLost::board),
                                              field("fatal", &JobLost::fatal), field("fault", &JobLost::fault),
                                              field("cause", &JobLost::cause),
                                              field("last_words", &JobLost::last_words)};
    friend bool operator==(const JobLost&, const JobLost&) = default;
};

// ---- packages: anyone -> a front door, answered -------------------------------------------------------------------

struct Fetch {  // answered by PIECE or REFUSED(not_found)
    static constexpr std::uint16_t type = 50, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "FETCH";
    std::string package;
    std::uint64_t offset = 0;
    static constexpr auto fields = std::tuple{field("package", &Fetch::package), field("offset", &Fetch::offset)};
    friend bool operator==(const Fetch&, const Fetch&) = default;
};

inline constexpr std::uint64_t piece_bytes = 128 * kib;  // of an archive; the last piece of one may be shorter

struct Piece {  // one piece of the package's archive
    static constexpr std::uint16_t type = 51, version = 1;
    static constexpr std::size_t cap = 256 * kib;
    static constexpr const char* name = "PIECE";
    std::string package;
    std::uint64_t offset = 0;  // a multiple of piece_bytes
    std::uint64_t total = 0;   // bytes of the archive
    std::string bytes;
    static constexpr auto fields = std::tuple{field("package", &Piece::package), field("offset", &Piece::offset),
                                              field("total", &Piece::total), blob("bytes", &Piece::bytes)};
    friend bool operator==(const Piece&, const Piece&) = default;
};

struct Holds {  // which pieces of a package are there? Answered by HELD, once there are more than `known` bytes
    static constexpr std::uint16_t type = 52, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "HOLDS";
    std::string package;
    std::uint64_t known = 0;    // bytes that the asker knows of
    std::uint64_t wait_ms = 0;  // it is answered after that time at the latest; at most 1,000
    static constexpr auto fields = std::tuple{field("package", &Holds::package), field("known", &Holds::known),
                                              field("wait_ms", &Holds::wait_ms)};
    friend bool operator==(const Holds&, const Holds&) = default;
};

struct Held {
    static constexpr std::uint16_t type = 53, version = 1;
    static constexpr std::size_t cap = 4 * kib;
    static constexpr const char* name = "HELD";
    std::string package;
    std::uint64_t total = 0;  // bytes of its archive; 0: nothing of it is there
    std::uint64_t held = 0;   // bytes that are there
    std::string pieces;       // one bit for each piece, the first in the least significant bit; empty: all or none
    static constexpr auto fields = std::tuple{field("package", &Held::package), field("total", &Held::total),
                                              field("held", &Held::held), blob("pieces", &Held::pieces)};
    friend bool operator==(const Held&, const Held&) = default;
};

struct PackageWish {  // a package that a board is to have
    std::string package;
    std::vector<Address> sources;  // front doors of who has it or is getting it
    static constexpr auto fields =
        std::tuple{field("package", &PackageWish::package), field("sources", &PackageWish::sources)};
    friend bool operator==(const PackageWish&, const PackageWish&) = default;
};

struct Gather {  // coordinator -> board: have these packages; answered by GATHERED once it has, or after 1 s
    static constexpr std::uint16_t type = 54, version = 1;
    static constexpr std::size_t cap = 256 * kib;
    static constexpr const char* name = "GATHER";
    RunId run;
    std::vector<PackageWish> packages;
    static constexpr auto fields =
        std::tuple{field("run", &Gather::run), field("packages", &Gather::packages)};
    friend bool operator==(const Gather&, const Gather&) = default;
};

struct GatheredPackage {
    std::string package;
    bool ready = false;       // it is there and every byte of it was verified
    std::uint64_t held = 0;   // bytes of its archive that are there
    std::uint64_t total = 0;  // 0: not known yet
    std::uint8_t fault = 0;   // fard::Fault, if it cannot be had as things are; asking again tries again
    std::string reason;
    static constexpr auto fields =
        std::tuple{field("package", &GatheredPackage::package), field("ready", &GatheredPackage::ready),
                   field("held", &GatheredPackage::held),       field("total", &GatheredPackage::total),
                   field("fault", &GatheredPackage::fault),     field("reason", &GatheredPackage::reason)};
    friend bool operator==(const GatheredPackage&, const GatheredPackage&) = default;
};

struct Gathered {  // how far the board has got with each package of a GATHER
    static constexpr std::uint16_t type = 55, version = 1;
    static constexpr std::size_t cap = 256 * kib;
    static constexpr const char* name = "GATHERED";
    std::vector<GatheredPackage> packages;
    static constexpr auto fields = std::tuple{field("packages", &Gathered::packages)};
    friend bool operator==(const Gathered&, const Gathered&) = default;
};

}  // namespace fard::wire
