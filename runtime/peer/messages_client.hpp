// Between a client and a node manager.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard::wire {

struct Submit {  // answered by ADMITTED or REFUSED; repeated with the same attempt it is the same submission
    static constexpr std::uint16_t type = 60, version = 1;
    static constexpr std::size_t cap = 4 * mib;
    static constexpr const char* name = "SUBMIT";
    RunId run;
    std::uint32_t attempt = 0;
    std::uint64_t ticket = 0;       // 0 at the first attempt, else the one that the first coordinator took
    AppSpec app;
    std::uint64_t chunks = 0;       // how many chunks this attempt will carry
    static constexpr auto fields =
        std::tuple{field("run", &Submit::run), field("attempt", &Submit::attempt), field("ticket", &Submit::ticket),
                   field("app", &Submit::app), field("chunks", &Submit::chunks)};
    friend bool operator==(const Submit&, const Submit&) = default;
};

struct Admitted {
    static constexpr std::uint16_t type = 61, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "ADMITTED";
    std::uint64_t ticket = 0;
    std::vector<std::string> missing;   // packages that no board has: the client offers them (OFFER)
    std::vector<Member> members;        // where to go on if this coordinator is lost, this one first
    static constexpr auto fields =
        std::tuple{field("ticket", &Admitted::ticket), field("missing", &Admitted::missing), field("members", &Admitted::members)};
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
    // Once the run has its places: where the coordinator waits for the chunks, and where it gives the results.
    std::vector<LinkEndpoint> ends;
    static constexpr auto fields = std::tuple{
        field("run", &RunState::run), field("epoch", &RunState::epoch), field("phase", &RunState::phase),
        field("app", &RunState::app), field("admitted", &RunState::admitted), field("results", &RunState::results),
        field("replays", &RunState::replays), field("duplicates", &RunState::duplicates),
        field("reloads", &RunState::reloads), field("fault", &RunState::fault), field("reason", &RunState::reason),
        field("jobs", &RunState::jobs), field("members", &RunState::members), field("ends", &RunState::ends)};
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
    bool insecure = false;       // it is bound off loopback without keys
    static constexpr auto fields =
        std::tuple{field("cluster", &Status::cluster), field("protocol", &Status::protocol),
                   field("boards", &Status::boards), field("runs", &Status::runs),
                   field("insecure", &Status::insecure)};
    friend bool operator==(const Status&, const Status&) = default;
};

struct Shutdown {  // ends this node manager in order; over its ipc front door only
    static constexpr std::uint16_t type = 69, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "SHUTDOWN";
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const Shutdown&, const Shutdown&) = default;
};

}  // namespace fard::wire
