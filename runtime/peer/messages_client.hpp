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
    std::string owner;              // who submits it, for people: "ann@desk"
    bool on_board = false;          // the client is on this board: where boards are emulated, it has this one's ports and no other
    static constexpr auto fields =
        std::tuple{field("run", &Submit::run), field("attempt", &Submit::attempt), field("ticket", &Submit::ticket),
                   field("app", &Submit::app), field("chunks", &Submit::chunks),
                   field("owner", &Submit::owner), field("on_board", &Submit::on_board)};
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

struct RunPlace {  // where one job of a run is, or was last
    std::uint32_t position = 0;
    std::uint32_t replica = 0;  // or the number of the part
    std::string name;   // the position's
    std::string board;  // the board's
    std::uint32_t parts = 0;    // that the position has; 0: replicas
    static constexpr auto fields =
        std::tuple{field("position", &RunPlace::position), field("replica", &RunPlace::replica),
                   field("name", &RunPlace::name), field("board", &RunPlace::board), field("parts", &RunPlace::parts)};
    friend bool operator==(const RunPlace&, const RunPlace&) = default;
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
    std::uint64_t chunks = 0;      // how many this attempt carries in all
    std::string owner;             // as SUBMIT said
    std::uint64_t age_ms = 0;      // since this attempt was taken
    std::vector<RunPlace> places;  // of its jobs, once they have any
    // Once the run has its places: where the coordinator waits for the chunks, and where for the client to fetch results.
    std::vector<LinkEndpoint> ends;
    std::vector<std::string> missing;  // packages that no board has (any more): the client offers them
    NetworkWay way;  // where boards are emulated: what the client's own port does, each way
    std::uint64_t batch = 0;   // chunks of a turn, while positions share slots; 0: each has its own
    std::uint64_t shared = 0;  // slots that are shared
    std::uint64_t turns = 0;   // with phase done: that positions had
    static constexpr auto fields = std::tuple{
        field("run", &RunState::run), field("epoch", &RunState::epoch), field("phase", &RunState::phase),
        field("app", &RunState::app), field("admitted", &RunState::admitted), field("results", &RunState::results),
        field("replays", &RunState::replays), field("duplicates", &RunState::duplicates),
        field("reloads", &RunState::reloads), field("fault", &RunState::fault), field("reason", &RunState::reason),
        field("jobs", &RunState::jobs), field("members", &RunState::members),
        field("chunks", &RunState::chunks), field("owner", &RunState::owner), field("age_ms", &RunState::age_ms),
        field("places", &RunState::places), field("ends", &RunState::ends), field("missing", &RunState::missing),
        field("way", &RunState::way), field("batch", &RunState::batch), field("shared", &RunState::shared), field("turns", &RunState::turns)};
    friend bool operator==(const RunState&, const RunState&) = default;
};

struct Offer {  // the client's package, piece by piece; answered by DONE, the last piece once the package is verified
    static constexpr std::uint16_t type = 63, version = 1;
    static constexpr std::size_t cap = 256 * kib;
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
    std::uint64_t age_ms = 0;  // since the answering board knows it
    static constexpr auto fields = std::tuple{field("member", &BoardRow::member), field("state", &BoardRow::state),
                                              field("silent_ms", &BoardRow::silent_ms), field("age_ms", &BoardRow::age_ms)};
    friend bool operator==(const BoardRow&, const BoardRow&) = default;
};

struct LostBoard {  // one that was a member and is none any more
    std::string name;
    std::string front_door;
    std::uint64_t ago_ms = 0;
    std::string why;
    static constexpr auto fields = std::tuple{field("name", &LostBoard::name), field("front_door", &LostBoard::front_door),
                                              field("ago_ms", &LostBoard::ago_ms), field("why", &LostBoard::why)};
    friend bool operator==(const LostBoard&, const LostBoard&) = default;
};

struct Status {
    static constexpr std::uint16_t type = 68, version = 1;
    static constexpr std::size_t cap = 4 * mib;
    static constexpr const char* name = "STATUS";
    std::string cluster;
    std::uint32_t protocol = protocol_version;
    std::vector<BoardRow> boards;
    std::vector<RunState> runs;  // that the answering board coordinates, and the last ones that ended
    std::vector<LostBoard> lost;  // in the last ten minutes, the latest first
    bool insecure = false;        // it is bound off loopback without keys
    PeerId peer;                  // of the answering board
    static constexpr auto fields =
        std::tuple{field("cluster", &Status::cluster), field("protocol", &Status::protocol),
                   field("boards", &Status::boards), field("runs", &Status::runs), field("lost", &Status::lost),
                   field("insecure", &Status::insecure), field("peer", &Status::peer)};
    friend bool operator==(const Status&, const Status&) = default;
};

struct Mend {  // devices of this board that were taken out of placement may be used again; answered by DONE
    static constexpr std::uint16_t type = 78, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "MEND";
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const Mend&, const Mend&) = default;
};

struct Shutdown {  // ends this node manager in order; over its ipc front door only
    static constexpr std::uint16_t type = 69, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "SHUTDOWN";
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const Shutdown&, const Shutdown&) = default;
};

// ---- what there is to tell of a run

struct Logs {  // answered by LOG_LINES: what the answering board keeps of a run behind a line that the asker has
    static constexpr std::uint16_t type = 70, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "LOGS";
    RunId run;                // empty: of everything
    std::uint64_t after = 0;  // the number of the asker's last line
    static constexpr auto fields = std::tuple{field("run", &Logs::run), field("after", &Logs::after)};
    friend bool operator==(const Logs&, const Logs&) = default;
};

struct LogLine {
    std::uint64_t number = 0;  // goes up by one from line to line, from 1 at the board's start
    std::int64_t time_ns = 0;  // by the board's clock, since 1970
    RunId run;
    std::string level;         // "debug", "info", "warning", "error"
    std::string who;           // the part that speaks: "run", "p0 'stem'"
    std::string text;
    static constexpr auto fields =
        std::tuple{field("number", &LogLine::number), field("time_ns", &LogLine::time_ns), field("run", &LogLine::run),
                   field("level", &LogLine::level), field("who", &LogLine::who), field("text", &LogLine::text)};
    friend bool operator==(const LogLine&, const LogLine&) = default;
};

struct LogLines {
    static constexpr std::uint16_t type = 71, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "LOG_LINES";
    std::string board;
    std::vector<LogLine> lines;  // the oldest first
    bool more = false;           // there are others behind the last of these
    static constexpr auto fields = std::tuple{field("board", &LogLines::board), field("lines", &LogLines::lines),
                                              field("more", &LogLines::more)};
    friend bool operator==(const LogLines&, const LogLines&) = default;
};

// ---- what is wrong, if something is

struct Check {  // answered by CHECKED: what the board finds when it looks at itself
    static constexpr std::uint16_t type = 72, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "CHECK";
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const Check&, const Check&) = default;
};

struct CheckRow {
    std::string level;   // "ok", "warning", "fault"
    std::string what;    // what was looked at: "open files"
    std::string text;    // what was found
    std::string remedy;  // what to do; empty where nothing is
    static constexpr auto fields = std::tuple{field("level", &CheckRow::level), field("what", &CheckRow::what),
                                              field("text", &CheckRow::text), field("remedy", &CheckRow::remedy)};
    friend bool operator==(const CheckRow&, const CheckRow&) = default;
};

struct Checked {
    static constexpr std::uint16_t type = 73, version = 1;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "CHECKED";
    std::string board;
    std::int64_t time_ns = 0;  // the board's clock, since 1970
    std::vector<CheckRow> rows;
    static constexpr auto fields = std::tuple{field("board", &Checked::board), field("time_ns", &Checked::time_ns),
                                              field("rows", &Checked::rows)};
    friend bool operator==(const Checked&, const Checked&) = default;
};

struct Fill {  // answered by FILLED, with that many bytes of nothing: to measure a way
    static constexpr std::uint16_t type = 74, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "FILL";
    std::uint64_t bytes = 0;  // at most 1 MiB
    static constexpr auto fields = std::tuple{field("bytes", &Fill::bytes)};
    friend bool operator==(const Fill&, const Fill&) = default;
};

struct Filled {
    static constexpr std::uint16_t type = 75, version = 1;
    static constexpr std::size_t cap = 2 * mib;
    static constexpr const char* name = "FILLED";
    std::string bytes;
    static constexpr auto fields = std::tuple{blob("bytes", &Filled::bytes)};
    friend bool operator==(const Filled&, const Filled&) = default;
};

struct Probe {  // the answering board asks another front door to FILL; answered by PROBED, or REFUSED with why not
    static constexpr std::uint16_t type = 76, version = 1;
    static constexpr std::size_t cap = 4 * kib;
    static constexpr const char* name = "PROBE";
    Address front_door;  // of a member that the answering board knows
    static constexpr auto fields = std::tuple{field("front_door", &Probe::front_door)};
    friend bool operator==(const Probe&, const Probe&) = default;
};

struct Probed {
    static constexpr std::uint16_t type = 77, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "PROBED";
    std::uint64_t small_ns = 0;  // from the question to the answer, with hardly a byte
    std::uint64_t large_ns = 0;  // the same with 1 MiB
    static constexpr auto fields =
        std::tuple{field("small_ns", &Probed::small_ns), field("large_ns", &Probed::large_ns)};
    friend bool operator==(const Probed&, const Probed&) = default;
};

}  // namespace fard::wire
