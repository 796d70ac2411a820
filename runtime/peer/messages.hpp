// Every control message of fard, as plain structs. docs/protocol.md is the same table in prose; a test holds the two
// together. A struct names its type number (never reused), version, size cap, and its fields once, in `fields`; the
// codec (codec.hpp) is generated from that.
//
// Who speaks to whom:  peer -> peer over the mesh;  client <-> node manager over its front door (ROUTER/DEALER);
// node manager <-> job over a SOCK_SEQPACKET pair that the job inherits.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "base/tensor_desc.hpp"
#include "runtime/peer/ids.hpp"

namespace fard::wire {

inline constexpr std::uint32_t protocol_version = 1;

// One field of a message: its key on the wire and where it lies in the struct. A blob is a string of any bytes.
template <typename Struct, typename Value, bool blob_ = false>
struct Field {
    static constexpr bool is_blob = blob_;
    const char* key;
    Value Struct::*member;
};
template <typename Struct, typename Value>
constexpr Field<Struct, Value> field(const char* key, Value Struct::*member) {
    return {key, member};
}
template <typename Struct>
constexpr Field<Struct, std::string, true> blob(const char* key, std::string Struct::*member) {
    return {key, member};
}

// The fields of any struct that travels as a map: a message, a part of one, or a TensorDesc.
inline constexpr auto tensor_fields = std::tuple{
    field("name", &TensorDesc::name), field("shape", &TensorDesc::shape), field("layout", &TensorDesc::layout),
    field("type", &TensorDesc::type), field("declared", &TensorDesc::declared)};
template <typename Struct>
constexpr const auto& fields_of() {
    if constexpr (std::is_same_v<Struct, TensorDesc>) {
        return tensor_fields;
    } else {
        return Struct::fields;
    }
}

inline constexpr std::size_t kib = 1024;
inline constexpr std::size_t mib = 1024 * kib;

// ---- parts that messages share -----------------------------------------------------------------------------------

struct Member {  // a node manager as others reach it
    PeerId peer;
    std::string name;       // the board's name
    std::string front_door; // ROUTER: clients, joining peers, package pieces
    std::string publisher;  // PUB: state and commands
    std::string heartbeat;  // ROUTER of the heartbeat thread
    static constexpr auto fields = std::tuple{
        field("peer", &Member::peer), field("name", &Member::name), field("front_door", &Member::front_door),
        field("publisher", &Member::publisher), field("heartbeat", &Member::heartbeat)};
    friend bool operator==(const Member&, const Member&) = default;
};

struct DeviceState {  // one device as its board fingerprinted it
    std::string id;       // stable over restarts, unique on the board: "cpu0"
    std::string kind;     // "soft", "emulated", "zynq"
    std::uint32_t slots = 0;
    bool healthy = true;
    std::string detail;   // why it is unhealthy, or its description
    static constexpr auto fields =
        std::tuple{field("id", &DeviceState::id), field("kind", &DeviceState::kind), field("slots", &DeviceState::slots),
                   field("healthy", &DeviceState::healthy), field("detail", &DeviceState::detail)};
    friend bool operator==(const DeviceState&, const DeviceState&) = default;
};

struct LinkEndpoint {  // where a receiver waits for one sender
    std::string data;    // the receiver's PULL
    std::string credit;  // the receiver's PUSH of cumulative credits
    static constexpr auto fields =
        std::tuple{field("data", &LinkEndpoint::data), field("credit", &LinkEndpoint::credit)};
    friend bool operator==(const LinkEndpoint&, const LinkEndpoint&) = default;
};

struct PositionSpec {  // one position of a pipeline, resolved by the client
    std::string name;
    std::string program;  // a job program's name in the board's jobs directory: "stage", "copy", "first_stage"
    std::uint32_t replicas = 1;
    std::string device;   // device kind that it needs, "" for any
    std::string overlay;  // package id (SHA-256 of its overlay.toml, hex), "" if the job needs none
    std::vector<TensorDesc> inputs;
    std::vector<TensorDesc> outputs;
    std::map<std::string, std::string> params;  // the app's own settings for the job
    static constexpr auto fields = std::tuple{
        field("name", &PositionSpec::name), field("program", &PositionSpec::program),
        field("replicas", &PositionSpec::replicas), field("device", &PositionSpec::device),
        field("overlay", &PositionSpec::overlay), field("inputs", &PositionSpec::inputs),
        field("outputs", &PositionSpec::outputs), field("params", &PositionSpec::params)};
    friend bool operator==(const PositionSpec&, const PositionSpec&) = default;
};

struct AppSpec {  // an app as node managers see it: no model, no files, only what a run needs
    std::string name;
    std::vector<PositionSpec> positions;
    std::uint64_t chunk_timeout_ms = 60'000;  // a job that holds one chunk longer is killed and counts as lost
    std::uint64_t window_bytes = 8 * mib;     // admission window: input bytes without an acknowledged result
    std::uint64_t link_bytes = 4 * mib;       // byte budget of each link between two jobs
    static constexpr auto fields =
        std::tuple{field("name", &AppSpec::name), field("positions", &AppSpec::positions),
                   field("chunk_timeout_ms", &AppSpec::chunk_timeout_ms), field("window_bytes", &AppSpec::window_bytes),
                   field("link_bytes", &AppSpec::link_bytes)};
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
    PositionSpec spec;
    static constexpr auto fields = std::tuple{
        field("position", &JobSpec::position), field("replica", &JobSpec::replica),
        field("positions", &JobSpec::positions), field("senders", &JobSpec::senders),
        field("receivers", &JobSpec::receivers), field("device", &JobSpec::device), field("spec", &JobSpec::spec)};
    friend bool operator==(const JobSpec&, const JobSpec&) = default;
};

struct JobStats {  // totals of one job since it started; times in nanoseconds
    std::uint64_t chunks = 0;
    std::uint64_t load_ns = 0;     // loading the device
    std::uint64_t compute_ns = 0;  // inside process()
    std::uint64_t wait_ns = 0;     // waiting for input or for credit
    std::uint64_t bytes_out = 0;
    std::uint64_t late = 0;        // chunks delivered late by an emulated device
    static constexpr auto fields =
        std::tuple{field("chunks", &JobStats::chunks), field("load_ns", &JobStats::load_ns),
                   field("compute_ns", &JobStats::compute_ns), field("wait_ns", &JobStats::wait_ns),
                   field("bytes_out", &JobStats::bytes_out), field("late", &JobStats::late)};
    friend bool operator==(const JobStats&, const JobStats&) = default;
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

// ---- any answer --------------------------------------------------------------------------------------------------

struct Done {  // the plain positive answer to a request
    static constexpr std::uint16_t type = 1, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "DONE";
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const Done&, const Done&) = default;
};

struct Refused {  // the negative answer to any request
    static constexpr std::uint16_t type = 2, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "REFUSED";
    std::uint8_t fault = 0;  // fard::Fault
    std::string reason;
    static constexpr auto fields = std::tuple{field("fault", &Refused::fault), field("reason", &Refused::reason)};
    friend bool operator==(const Refused&, const Refused&) = default;
};

// ---- membership --------------------------------------------------------------------------------------------------

struct Hello {  // a joining peer to a seed's front door; answered by WELCOME or REFUSED
    static constexpr std::uint16_t type = 10, version = 1;
    static constexpr std::size_t cap = 4 * kib;
    static constexpr const char* name = "HELLO";
    std::string cluster;
    std::uint32_t protocol = protocol_version;
    Member member;
    static constexpr auto fields = std::tuple{field("cluster", &Hello::cluster), field("protocol", &Hello::protocol),
                                              field("member", &Hello::member)};
    friend bool operator==(const Hello&, const Hello&) = default;
};

struct Welcome {  // the members that the seed knows, itself first
    static constexpr std::uint16_t type = 11, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "WELCOME";
    std::vector<Member> members;
    static constexpr auto fields = std::tuple{field("members", &Welcome::members)};
    friend bool operator==(const Welcome&, const Welcome&) = default;
};

struct Gossip {  // published each second and on change: the members that the publisher knows and the ones it lost
    static constexpr std::uint16_t type = 12, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "GOSSIP";
    std::vector<Member> members;
    std::vector<PeerId> lost;
    static constexpr auto fields = std::tuple{field("members", &Gossip::members), field("lost", &Gossip::lost)};
    friend bool operator==(const Gossip&, const Gossip&) = default;
};

struct Leave {  // published by a peer that stops in order
    static constexpr std::uint16_t type = 13, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "LEAVE";
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const Leave&, const Leave&) = default;
};

struct Ping {  // heartbeat thread to heartbeat thread, and client to heartbeat thread
    static constexpr std::uint16_t type = 14, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "PING";
    std::uint64_t sequence = 0;
    PeerId about;  // whom the sender asks about: "" the receiver itself, else a peer that the sender has not heard
    static constexpr auto fields = std::tuple{field("sequence", &Ping::sequence), field("about", &Ping::about)};
    friend bool operator==(const Ping&, const Ping&) = default;
};

struct Pong {
    static constexpr std::uint16_t type = 15, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "PONG";
    std::uint64_t sequence = 0;
    PeerId about;
    std::uint64_t silent_ms = 0;  // how long the answerer has not heard from `about` itself
    static constexpr auto fields = std::tuple{field("sequence", &Pong::sequence), field("about", &Pong::about),
                                              field("silent_ms", &Pong::silent_ms)};
    friend bool operator==(const Pong&, const Pong&) = default;
};

struct Beacon {  // UDP broadcast on a LAN
    static constexpr std::uint16_t type = 16, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "BEACON";
    std::string cluster;
    std::uint32_t protocol = protocol_version;
    PeerId peer;
    std::string front_door;
    static constexpr auto fields = std::tuple{field("cluster", &Beacon::cluster), field("protocol", &Beacon::protocol),
                                              field("peer", &Beacon::peer), field("front_door", &Beacon::front_door)};
    friend bool operator==(const Beacon&, const Beacon&) = default;
};

// ---- published state ---------------------------------------------------------------------------------------------

struct BoardState {  // published each second and on change
    static constexpr std::uint16_t type = 20, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "BOARD_STATE";
    std::vector<DeviceState> devices;
    std::vector<std::uint32_t> slots_free;  // one per device
    std::vector<std::string> overlays;      // package ids in the store
    std::uint32_t runs = 0;                 // that this board coordinates
    static constexpr auto fields =
        std::tuple{field("devices", &BoardState::devices), field("slots_free", &BoardState::slots_free),
                   field("overlays", &BoardState::overlays), field("runs", &BoardState::runs)};
    friend bool operator==(const BoardState&, const BoardState&) = default;
};

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
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "RESERVED";
    bool granted = false;
    std::uint64_t decision = 0;
    static constexpr auto fields =
        std::tuple{field("granted", &Reserved::granted), field("decision", &Reserved::decision)};
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
    std::vector<std::string> sources;  // front doors that hold the packages, best first
    static constexpr auto fields = std::tuple{
        field("run", &Spawn::run), field("epoch", &Spawn::epoch), field("app", &Spawn::app),
        field("chunk_timeout_ms", &Spawn::chunk_timeout_ms), field("link_bytes", &Spawn::link_bytes),
        field("jobs", &Spawn::jobs), field("sources", &Spawn::sources)};
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
    static constexpr auto fields = std::tuple{field("job", &JobWire::job), field("receivers", &JobWire::receivers)};
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
    bool fatal = false;      // process() threw or the job refused its configuration: the run ends, no next wiring
    std::string cause;       // "signal 9 (SIGKILL)", "exit code 3", "threw: ...", "held chunk 17 for more than 60 s"
    std::string last_words;  // the last lines of its standard error
    static constexpr auto fields = std::tuple{field("job", &JobLost::job), field("board", &JobLost::board),
                                              field("fatal", &JobLost::fatal), field("cause", &JobLost::cause),
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

struct Piece {  // at most 1 MiB of the package's archive
    static constexpr std::uint16_t type = 51, version = 1;
    static constexpr std::size_t cap = 2 * mib;
    static constexpr const char* name = "PIECE";
    std::string package;
    std::uint64_t offset = 0;
    std::uint64_t total = 0;
    std::string bytes;
    static constexpr auto fields = std::tuple{field("package", &Piece::package), field("offset", &Piece::offset),
                                              field("total", &Piece::total), blob("bytes", &Piece::bytes)};
    friend bool operator==(const Piece&, const Piece&) = default;
};

// ---- client <-> node manager --------------------------------------------------------------------------------------

struct Submit {  // answered by ADMITTED or REFUSED; repeated with the same attempt it is the same submission
    static constexpr std::uint16_t type = 60, version = 1;
    static constexpr std::size_t cap = 4 * mib;
    static constexpr const char* name = "SUBMIT";
    RunId run;
    std::uint32_t attempt = 0;
    std::uint64_t ticket = 0;       // 0 at the first attempt, else the one that the first coordinator took
    AppSpec app;
    std::uint64_t chunks = 0;       // how many chunks this attempt will carry
    std::vector<LinkEndpoint> results;  // where the client waits for the results
    static constexpr auto fields =
        std::tuple{field("run", &Submit::run), field("attempt", &Submit::attempt), field("ticket", &Submit::ticket),
                   field("app", &Submit::app), field("chunks", &Submit::chunks), field("results", &Submit::results)};
    friend bool operator==(const Submit&, const Submit&) = default;
};

struct Admitted {
    static constexpr std::uint16_t type = 61, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "ADMITTED";
    std::uint64_t ticket = 0;
    LinkEndpoint inputs;                // where the coordinator waits for the chunks
    std::vector<std::string> missing;   // packages that no board has: the client offers them (OFFER)
    std::vector<Member> members;        // where to go on if this coordinator is lost, this one first
    static constexpr auto fields =
        std::tuple{field("ticket", &Admitted::ticket), field("inputs", &Admitted::inputs),
                   field("missing", &Admitted::missing), field("members", &Admitted::members)};
    friend bool operator==(const Admitted&, const Admitted&) = default;
};

struct RunState {  // node manager -> client, on change and each 500 ms; also the client's heartbeat
    static constexpr std::uint16_t type = 62, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "RUN_STATE";
    RunId run;
    Epoch epoch;
    std::string phase;  // admitted, placed, wired, running, draining; done, failed, cancelled; lost: this attempt ended
                        // without fault of the run, the client goes on with the next attempt elsewhere
    std::string app;
    std::uint64_t admitted = 0;    // chunks taken from the client
    std::uint64_t results = 0;     // results that the sink took
    std::uint64_t replays = 0;     // chunks sent again after a loss
    std::uint64_t duplicates = 0;  // results dropped because their index had one
    std::uint64_t reloads = 0;
    std::uint8_t fault = 0;        // fard::Fault, with phase failed
    std::string reason;            // why it waits, failed, or was cancelled
    std::vector<JobReport> jobs;   // with phase done: one row per job
    std::vector<Member> members;   // kept current
    static constexpr auto fields = std::tuple{
        field("run", &RunState::run), field("epoch", &RunState::epoch), field("phase", &RunState::phase),
        field("app", &RunState::app), field("admitted", &RunState::admitted), field("results", &RunState::results),
        field("replays", &RunState::replays), field("duplicates", &RunState::duplicates),
        field("reloads", &RunState::reloads), field("fault", &RunState::fault), field("reason", &RunState::reason),
        field("jobs", &RunState::jobs), field("members", &RunState::members)};
    friend bool operator==(const RunState&, const RunState&) = default;
};

struct Offer {  // the client's package, piece by piece; answered by DONE, the last piece once the package is verified
    static constexpr std::uint16_t type = 63, version = 1;
    static constexpr std::size_t cap = 2 * mib;
    static constexpr const char* name = "OFFER";
    Piece piece;
    static constexpr auto fields = std::tuple{field("piece", &Offer::piece)};
    friend bool operator==(const Offer&, const Offer&) = default;
};

struct ClientAlive {  // client -> coordinator each 500 ms; silence for 10 s ends the run
    static constexpr std::uint16_t type = 64, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "CLIENT_ALIVE";
    RunId run;
    std::uint32_t attempt = 0;
    static constexpr auto fields = std::tuple{field("run", &ClientAlive::run), field("attempt", &ClientAlive::attempt)};
    friend bool operator==(const ClientAlive&, const ClientAlive&) = default;
};

struct Cancel {  // anyone's wish to end a run; any node manager takes it and passes it on; answered when it ended
    static constexpr std::uint16_t type = 65, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "CANCEL";
    RunId run;
    bool relayed = false;  // by a node manager: not to be passed on again
    static constexpr auto fields = std::tuple{field("run", &Cancel::run), field("relayed", &Cancel::relayed)};
    friend bool operator==(const Cancel&, const Cancel&) = default;
};

struct Finish {  // the client has every result (or gives up): the coordinator drains, reaps, answers RUN_STATE
    static constexpr std::uint16_t type = 66, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "FINISH";
    RunId run;
    std::uint32_t attempt = 0;
    static constexpr auto fields = std::tuple{field("run", &Finish::run), field("attempt", &Finish::attempt)};
    friend bool operator==(const Finish&, const Finish&) = default;
};

struct Query {  // what a board knows of itself and the cluster; answered by STATUS
    static constexpr std::uint16_t type = 67, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "QUERY";
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const Query&, const Query&) = default;
};

struct BoardRow {  // one board in a status
    Member member;
    BoardState state;
    std::uint64_t silent_ms = 0;
    static constexpr auto fields = std::tuple{field("member", &BoardRow::member), field("state", &BoardRow::state),
                                              field("silent_ms", &BoardRow::silent_ms)};
    friend bool operator==(const BoardRow&, const BoardRow&) = default;
};

struct Status {
    static constexpr std::uint16_t type = 68, version = 1;
    static constexpr std::size_t cap = 4 * mib;
    static constexpr const char* name = "STATUS";
    std::string cluster;
    std::uint32_t protocol = protocol_version;
    std::vector<BoardRow> boards;
    std::vector<RunState> runs;  // that the answering board coordinates, and the last ones that ended
    static constexpr auto fields =
        std::tuple{field("cluster", &Status::cluster), field("protocol", &Status::protocol),
                   field("boards", &Status::boards), field("runs", &Status::runs)};
    friend bool operator==(const Status&, const Status&) = default;
};

struct Shutdown {  // ends this node manager in order; over its ipc front door only
    static constexpr std::uint16_t type = 69, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "SHUTDOWN";
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const Shutdown&, const Shutdown&) = default;
};

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
    std::string link_place;       // ipc: the directory for sockets; tcp: the address to bind
    std::uint64_t link_bytes = 0; // byte budget of each link
    static constexpr auto fields = std::tuple{
        field("job", &JobConfig::job), field("app", &JobConfig::app), field("board", &JobConfig::board),
        field("spec", &JobConfig::spec), field("package_dir", &JobConfig::package_dir),
        field("device_kind", &JobConfig::device_kind), field("link_transport", &JobConfig::link_transport),
        field("link_place", &JobConfig::link_place), field("link_bytes", &JobConfig::link_bytes)};
    friend bool operator==(const JobConfig&, const JobConfig&) = default;
};

struct JobUp {  // the job has bound its links (loading the device may still go on)
    static constexpr std::uint16_t type = 81, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "JOB_UP";
    std::vector<LinkEndpoint> links;
    static constexpr auto fields = std::tuple{field("links", &JobUp::links)};
    friend bool operator==(const JobUp&, const JobUp&) = default;
};

struct JobConnect {  // where to push; the job connects and opens its links
    static constexpr std::uint16_t type = 82, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "JOB_CONNECT";
    std::vector<LinkEndpoint> receivers;
    static constexpr auto fields = std::tuple{field("receivers", &JobConnect::receivers)};
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
    static constexpr auto fields = std::tuple{field("reason", &JobFailed::reason)};
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

// ---- data links ---------------------------------------------------------------------------------------------------

struct LinkOpen {  // the first message on a link
    static constexpr std::uint16_t type = 90, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "LINK_OPEN";
    RunId run;
    Epoch epoch;
    std::string from;  // "client", "coordinator", or "position/replica" of the sender
    std::vector<TensorDesc> tensors;
    std::string overlay;
    static constexpr auto fields =
        std::tuple{field("run", &LinkOpen::run), field("epoch", &LinkOpen::epoch), field("from", &LinkOpen::from),
                   field("tensors", &LinkOpen::tensors), field("overlay", &LinkOpen::overlay)};
    friend bool operator==(const LinkOpen&, const LinkOpen&) = default;
};

struct Credit {  // on the reverse pair: chunks taken since the link was opened
    static constexpr std::uint16_t type = 91, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "CREDIT";
    RunId run;
    Epoch epoch;
    std::uint64_t taken = 0;
    static constexpr auto fields = std::tuple{field("run", &Credit::run), field("epoch", &Credit::epoch),
                                              field("taken", &Credit::taken)};
    friend bool operator==(const Credit&, const Credit&) = default;
};

// The one table. Codec, caps, docs/protocol.md and the fuzz target are made from it. The chunk header (type 92) has a
// form of its own (chunk_header.hpp), because it is patched in place.
using Table = std::tuple<Done, Refused, Hello, Welcome, Gossip, Leave, Ping, Pong, Beacon, BoardState, Reserve, Reserved,
                         Grant, Wounded, Commit, Renew, Release, Spawn, Spawned, Wire, Drain, Drained, JobLost, Fetch,
                         Piece, Submit, Admitted, RunState, Offer, ClientAlive, Cancel, Finish, Query, Status, Shutdown,
                         JobConfig, JobUp, JobConnect, JobLinked, JobFailed, JobDrain, JobDrained, LinkOpen, Credit>;

}  // namespace fard::wire
