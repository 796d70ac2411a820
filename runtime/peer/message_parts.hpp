// Parts that several messages share. They travel as maps inside a message and have no number of their own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/tensor_desc.hpp"
#include "runtime/peer/endpoint.hpp"
#include "runtime/peer/ids.hpp"
#include "runtime/peer/message_fields.hpp"

namespace fard::wire {

struct Member {  // a node manager as others reach it
    PeerId peer;
    std::string name;       // the board's name
    Endpoint front_door;    // ROUTER: clients, joining peers, package pieces
    Endpoint publisher;     // PUB: state and commands
    Endpoint heartbeat;     // ROUTER of the heartbeat thread
    PublicKey key;          // of all three; empty where there are no keys
    static constexpr auto fields = std::tuple{
        field("peer", &Member::peer), field("name", &Member::name), field("front_door", &Member::front_door),
        field("publisher", &Member::publisher), field("heartbeat", &Member::heartbeat), field("key", &Member::key)};
    Address door() const { return {front_door, key}; }
    friend bool operator==(const Member&, const Member&) = default;
};

struct AllowedKey {  // a key that the cluster knows
    PublicKey key;
    std::uint8_t role = 0;  // 1 node, 2 user, 3 read-only (runtime/peer/key_ring.hpp: Role)
    std::string name;       // whose it is, for people
    bool revoked = false;
    static constexpr auto fields = std::tuple{field("key", &AllowedKey::key), field("role", &AllowedKey::role),
                                              field("name", &AllowedKey::name), field("revoked", &AllowedKey::revoked)};
    friend bool operator==(const AllowedKey&, const AllowedKey&) = default;
};

struct SlotState {  // what one slot of a device is at
    std::uint8_t state = 0;  // 0: idle, 1: loading, 2: loaded, 3: stuck
    std::string overlay;     // package id, of what it holds or loads
    std::string name;        // the overlay's, for people
    std::string why;         // it is stuck
    static constexpr auto fields = std::tuple{field("state", &SlotState::state), field("overlay", &SlotState::overlay),
                                              field("name", &SlotState::name), field("why", &SlotState::why)};
    friend bool operator==(const SlotState&, const SlotState&) = default;
};

struct DeviceState {  // one device as its board fingerprinted it
    std::string id;       // stable over restarts, unique on the board: "cpu0"
    std::string kind;     // "soft", "emulated", "zynq"
    std::uint32_t slots = 0;
    bool healthy = true;
    std::string detail;   // why it is unhealthy, or its description
    std::string part;     // of an FPGA, emulated or not
    std::vector<SlotState> loaded;  // by slot; empty: nothing is kept between jobs (a CPU)
    static constexpr auto fields =
        std::tuple{field("id", &DeviceState::id), field("kind", &DeviceState::kind), field("slots", &DeviceState::slots),
                   field("healthy", &DeviceState::healthy), field("detail", &DeviceState::detail),
                   field("part", &DeviceState::part), field("loaded", &DeviceState::loaded)};
    friend bool operator==(const DeviceState&, const DeviceState&) = default;
};

struct LinkEndpoint {  // where a receiver waits for one sender
    Endpoint data;    // the receiver's PULL
    Endpoint credit;  // the receiver's PUSH of cumulative credits
    PublicKey key;    // of both; empty where there are no keys
    std::uint64_t place = 0;  // the emulated board that the receiver is on (Pacer::place), 0: none
    static constexpr auto fields =
        std::tuple{field("data", &LinkEndpoint::data), field("credit", &LinkEndpoint::credit), field("key", &LinkEndpoint::key),
                   field("place", &LinkEndpoint::place)};
    friend bool operator==(const LinkEndpoint&, const LinkEndpoint&) = default;
};

struct NetworkWay {  // one direction of a network port, as an emulated board has it; 0: without a limit
    std::uint64_t ps_per_byte = 0;  // of payload
    std::uint64_t latency_ns = 0;
    static constexpr auto fields =
        std::tuple{field("ps_per_byte", &NetworkWay::ps_per_byte), field("latency_ns", &NetworkWay::latency_ns)};
    friend bool operator==(const NetworkWay&, const NetworkWay&) = default;
};

struct PartSpec {  // one of the parallel parts of a position, which makes some of its channels
    std::string overlay;
    std::vector<TensorDesc> outputs;  // as the position's, with its channels alone
    static constexpr auto fields = std::tuple{field("overlay", &PartSpec::overlay), field("outputs", &PartSpec::outputs)};
    friend bool operator==(const PartSpec&, const PartSpec&) = default;
};

struct PositionSpec {  // one position of a pipeline, resolved by the client
    std::string name;
    std::string program;  // a job program's name in the board's jobs directory: "stage", "copy", "first_stage"
    std::uint32_t replicas = 1;
    std::string device;   // device kind that it needs, "" for any
    std::string board;    // the name or a label of the boards that it may be on, "" for any
    std::string overlay;  // package id (SHA-256 of its overlay.toml, hex), "" if the job needs none
    std::vector<TensorDesc> inputs;
    std::vector<TensorDesc> outputs;
    std::map<std::string, std::string> params;  // the app's own settings for the job
    // Instead of replicas: jobs that each get every chunk and make some of the channels, in their order. Empty: none.
    std::vector<PartSpec> parts;
    std::uint32_t jobs() const { return parts.empty() ? replicas : static_cast<std::uint32_t>(parts.size()); }
    const std::string& overlay_of(std::uint32_t job) const { return parts.empty() ? overlay : parts[job].overlay; }
    static constexpr auto fields = std::tuple{
        field("name", &PositionSpec::name), field("program", &PositionSpec::program),
        field("replicas", &PositionSpec::replicas), field("device", &PositionSpec::device),
        field("overlay", &PositionSpec::overlay), field("inputs", &PositionSpec::inputs),
        field("outputs", &PositionSpec::outputs), field("params", &PositionSpec::params),
        field("board", &PositionSpec::board), field("parts", &PositionSpec::parts)};
    friend bool operator==(const PositionSpec&, const PositionSpec&) = default;
};

struct AppSpec {  // an app as node managers see it: no model, no files, only what a run needs
    std::string name;
    std::vector<PositionSpec> positions;
    std::uint64_t chunk_timeout_ms = 60'000;  // a job that holds one chunk longer is killed and counts as lost
    std::uint64_t window_bytes = 8 * mib;     // admission window: input bytes without an acknowledged result
    std::uint64_t link_bytes = 4 * mib;       // byte budget of each link between two jobs
    std::uint64_t batch = 0;                  // chunks of a turn, where positions share slots; 0: as the window allows
    std::uint64_t turn_wait_ms = 500;         // a turn for which nothing comes for so long gives way to one with chunks
    std::string schedule;                     // of `fard plan`: who sits where, and the order of turns; "": as is best without
    static constexpr auto fields =
        std::tuple{field("name", &AppSpec::name), field("positions", &AppSpec::positions),
                   field("chunk_timeout_ms", &AppSpec::chunk_timeout_ms), field("window_bytes", &AppSpec::window_bytes),
                   field("link_bytes", &AppSpec::link_bytes), field("batch", &AppSpec::batch),
                   field("turn_wait_ms", &AppSpec::turn_wait_ms), field("schedule", &AppSpec::schedule)};
    friend bool operator==(const AppSpec&, const AppSpec&) = default;
};

struct JobKey {  // one job of one wiring of a run
    RunId run;
    Epoch epoch;
    std::uint32_t position = 0;
    std::uint32_t replica = 0;
    static constexpr auto fields = std::tuple{field("run", &JobKey::run), field("epoch", &JobKey::epoch),
                                              field("position", &JobKey::position), field("replica", &JobKey::replica)};
    friend auto operator<=>(const JobKey&, const JobKey&) = default;
};

struct SlotRequest {  // what a run wants on one board
    std::uint32_t position = 0;
    std::uint32_t replica = 0;
    std::string device;  // the device's id on that board
    static constexpr auto fields =
        std::tuple{field("position", &SlotRequest::position), field("replica", &SlotRequest::replica),
                   field("device", &SlotRequest::device)};
    friend auto operator<=>(const SlotRequest&, const SlotRequest&) = default;
};

struct JobSpec {  // what a board needs to spawn one job
    std::uint32_t position = 0;
    std::uint32_t replica = 0;
    std::uint32_t positions = 1;  // of the pipeline
    std::uint32_t senders = 1;    // links to bind: the jobs of the position before, or 1 for the coordinator
    std::uint32_t receivers = 1;  // links to connect: the jobs of the position after, or 1 for the coordinator
    std::string device;           // the reserved device's id
    PositionSpec spec;            // of a part: with its own overlay and outputs
    std::vector<PartSpec> joins;  // the parts of the position before, by sender: of each chunk they send their channels
    bool to_each = false;         // the position after has parts: every receiver gets every chunk
    bool turns = false;           // it shares its slot: it loads and computes in its turns only
    std::uint64_t room = 0;       // chunks that may be on their way to it, wait or be computed there; 0: what its links hold
    std::uint64_t reserves = 0;   // results that the jobs behind it must have room for before a turn computes; 0: any
    std::uint64_t spread = 0;     // replicas behind it get so many chunks each in turn, from index `spread_from` on; 0: who has the fewest
    std::uint64_t spread_from = 0;
    static constexpr auto fields = std::tuple{
        field("position", &JobSpec::position), field("replica", &JobSpec::replica),
        field("positions", &JobSpec::positions), field("senders", &JobSpec::senders),
        field("receivers", &JobSpec::receivers), field("device", &JobSpec::device), field("spec", &JobSpec::spec),
        field("joins", &JobSpec::joins), field("to_each", &JobSpec::to_each), field("turns", &JobSpec::turns),
        field("room", &JobSpec::room), field("reserves", &JobSpec::reserves), field("spread", &JobSpec::spread),
        field("spread_from", &JobSpec::spread_from)};
    friend bool operator==(const JobSpec&, const JobSpec&) = default;
};

struct SlotTurns {  // the order of turns at a slot that jobs share, again and again
    std::vector<std::uint32_t> order;  // jobs, by their place in SPAWN
    static constexpr auto fields = std::tuple{field("order", &SlotTurns::order)};
    friend bool operator==(const SlotTurns&, const SlotTurns&) = default;
};

struct JobStats {  // totals of one job since it started; times in nanoseconds
    std::uint64_t chunks = 0;
    std::uint64_t load_ns = 0;     // loading the device
    std::uint64_t compute_ns = 0;  // inside process()
    std::uint64_t wait_ns = 0;     // waiting for input or for credit
    std::uint64_t bytes_out = 0;
    std::uint64_t late = 0;        // chunks delivered late by an emulated device
    std::uint64_t reloads = 0;     // overlays that the device had to load because it did not hold them
    std::uint64_t turns = 0;       // that it had at a slot that it shares
    static constexpr auto fields =
        std::tuple{field("chunks", &JobStats::chunks), field("load_ns", &JobStats::load_ns),
                   field("compute_ns", &JobStats::compute_ns), field("wait_ns", &JobStats::wait_ns),
                   field("bytes_out", &JobStats::bytes_out), field("late", &JobStats::late),
                   field("reloads", &JobStats::reloads), field("turns", &JobStats::turns)};
    friend bool operator==(const JobStats&, const JobStats&) = default;
};

struct JobProgress {  // how far a job is, as its page says
    std::uint32_t position = 0;
    std::uint32_t replica = 0;
    std::uint8_t step = 0;        // 0: it starts and loads its device, 1: it opens its links, 2: it is linked
    std::uint64_t unopened = 0;   // bit s: sender s has not opened its link to this job
    std::uint64_t chunks = 0;     // handed on since it started
    bool busy = false;            // inside process()
    static constexpr auto fields =
        std::tuple{field("position", &JobProgress::position), field("replica", &JobProgress::replica),
                   field("step", &JobProgress::step), field("unopened", &JobProgress::unopened),
                   field("chunks", &JobProgress::chunks), field("busy", &JobProgress::busy)};
    friend bool operator==(const JobProgress&, const JobProgress&) = default;
};

struct JobReport {  // one row of "stages" in a run's summary
    std::uint32_t position = 0;
    std::uint32_t replica = 0;
    std::string name;
    std::string board;
    std::string device;
    std::string overlay;
    JobStats stats;
    static constexpr auto fields =
        std::tuple{field("position", &JobReport::position), field("replica", &JobReport::replica),
                   field("name", &JobReport::name), field("board", &JobReport::board),
                   field("device", &JobReport::device), field("overlay", &JobReport::overlay),
                   field("stats", &JobReport::stats)};
    friend bool operator==(const JobReport&, const JobReport&) = default;
};

}  // namespace fard::wire
