// Between peers: answers to any request, membership, published state.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/peer/message_parts.hpp"

namespace fard::wire {

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

// ---- published state ---------------------------------------------------------------------------------------------

struct BoardState {  // what a board is and how busy it is; a part of NEWS and STATUS
    static constexpr std::uint16_t type = 20, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "BOARD_STATE";
    std::vector<DeviceState> devices;
    std::vector<std::uint32_t> slots_free;  // one per device
    std::vector<std::string> overlays;      // package ids in the store
    std::uint32_t runs = 0;                 // that this board coordinates
    std::vector<std::string> labels;        // what positions may ask for besides its name
    std::vector<std::string> programs;      // job programs in its jobs directories
    static constexpr auto fields =
        std::tuple{field("devices", &BoardState::devices), field("slots_free", &BoardState::slots_free),
                   field("overlays", &BoardState::overlays), field("runs", &BoardState::runs),
                   field("labels", &BoardState::labels), field("programs", &BoardState::programs)};
    friend bool operator==(const BoardState&, const BoardState&) = default;
};

// ---- membership --------------------------------------------------------------------------------------------------

struct Record {  // what members tell each other of one of them; the higher incarnation is the newer
    Member member;                  // without endpoints if it is gone
    std::uint64_t life = 0;         // drawn by the process at its start
    std::uint64_t incarnation = 0;  // raised by the member itself, when it finds itself taken for gone
    std::string gone;               // why it is no member any more; empty while it is
    bool ended = false;             // its process has: nobody can have heard it since
    std::uint64_t state_version = 0, overlays_version = 0;  // counted by the member; 0 has none
    std::vector<BoardState> state;      // none or one, without its overlays: left out where the receiver has it
    bool with_overlays = false;         // `overlays` are those of overlays_version
    std::vector<std::string> overlays;
    static constexpr auto fields = std::tuple{
        field("member", &Record::member), field("life", &Record::life), field("incarnation", &Record::incarnation),
        field("gone", &Record::gone), field("ended", &Record::ended), field("state_version", &Record::state_version),
        field("overlays_version", &Record::overlays_version), field("state", &Record::state),
        field("with_overlays", &Record::with_overlays), field("overlays", &Record::overlays)};
    friend bool operator==(const Record&, const Record&) = default;
};

struct Hello {  // a joining peer to a seed's front door; answered by WELCOME or REFUSED
    static constexpr std::uint16_t type = 10, version = 2;
    static constexpr std::size_t cap = 64 * kib;
    static constexpr const char* name = "HELLO";
    std::string cluster;
    std::uint32_t protocol = protocol_version;
    Record record;
    bool listen = false;  // from a member: be subscribed to my publisher, I want to ask you something
    static constexpr auto fields = std::tuple{field("cluster", &Hello::cluster), field("protocol", &Hello::protocol),
                                              field("record", &Hello::record), field("listen", &Hello::listen)};
    friend bool operator==(const Hello&, const Hello&) = default;
};

struct Welcome {  // the seed itself, the joining peer as it is known from now on, and some of the others
    static constexpr std::uint16_t type = 11, version = 2;
    static constexpr std::size_t cap = 2 * mib;
    static constexpr const char* name = "WELCOME";
    std::vector<Record> records;
    std::vector<AllowedKey> keys;  // that the cluster knows
    static constexpr auto fields = std::tuple{field("records", &Welcome::records), field("keys", &Welcome::keys)};
    friend bool operator==(const Welcome&, const Welcome&) = default;
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

struct News {  // published on change, and passed on by who hears only some: records; also the answer to SYNC
    static constexpr std::uint16_t type = 17, version = 1;
    static constexpr std::size_t cap = 2 * mib;
    static constexpr const char* name = "NEWS";
    std::vector<Record> records;
    static constexpr auto fields = std::tuple{field("records", &News::records)};
    friend bool operator==(const News&, const News&) = default;
};

struct Digest {  // published each second: what the publisher knows, in short
    static constexpr std::uint16_t type = 18, version = 2;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "DIGEST";
    std::uint32_t members = 0;
    std::uint64_t hash = 0;  // runtime/peer/roster.hpp
    std::uint64_t keys = 0;  // runtime/peer/key_ring.hpp; 0 without keys
    static constexpr auto fields = std::tuple{field("members", &Digest::members), field("hash", &Digest::hash),
                                              field("keys", &Digest::keys)};
    friend bool operator==(const Digest&, const Digest&) = default;
};

struct Sync {  // to a peer whose digest differs; answered by NEWS
    static constexpr std::uint16_t type = 19, version = 1;
    static constexpr std::size_t cap = 4 * kib;
    static constexpr const char* name = "SYNC";
    std::vector<std::uint64_t> sums;  // of each part of what the asker knows
    static constexpr auto fields = std::tuple{field("sums", &Sync::sums)};
    friend bool operator==(const Sync&, const Sync&) = default;
};

struct Beacon {  // UDP broadcast on a LAN
    static constexpr std::uint16_t type = 16, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "BEACON";
    std::string cluster;
    std::uint32_t protocol = protocol_version;
    PeerId peer;
    Endpoint front_door;
    static constexpr auto fields = std::tuple{field("cluster", &Beacon::cluster), field("protocol", &Beacon::protocol),
                                              field("peer", &Beacon::peer), field("front_door", &Beacon::front_door)};
    friend bool operator==(const Beacon&, const Beacon&) = default;
};

// ---- keys ---------------------------------------------------------------------------------------------------------

struct Allowed {  // node -> all (state), on change; node -> a front door, answered by ALLOWED: the keys of the cluster
    static constexpr std::uint16_t type = 22, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "ALLOWED";
    std::vector<AllowedKey> keys;
    static constexpr auto fields = std::tuple{field("keys", &Allowed::keys)};
    friend bool operator==(const Allowed&, const Allowed&) = default;
};

struct Join {  // whoever holds a ticket -> the front door that it names: takes the ticket's role; answered by JOINED
    static constexpr std::uint16_t type = 23, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "JOIN";
    PublicKey key;          // of the newcomer, from now on
    std::string board;      // a name for people
    static constexpr auto fields = std::tuple{field("key", &Join::key), field("board", &Join::board)};
    friend bool operator==(const Join&, const Join&) = default;
};

struct Ticket {  // node -> its front door: who proves this key may say JOIN once, within ten minutes; answered by DONE
    static constexpr std::uint16_t type = 25, version = 1;
    static constexpr std::size_t cap = 1 * kib;
    static constexpr const char* name = "TICKET";
    PublicKey key;
    std::uint8_t role = 0;
    static constexpr auto fields = std::tuple{field("key", &Ticket::key), field("role", &Ticket::role)};
    friend bool operator==(const Ticket&, const Ticket&) = default;
};

struct Joined {  // answer to JOIN
    static constexpr std::uint16_t type = 24, version = 1;
    static constexpr std::size_t cap = 1 * mib;
    static constexpr const char* name = "JOINED";
    std::string cluster;
    std::uint8_t role = 0;
    std::vector<AllowedKey> keys;
    std::vector<Address> doors;  // of the members, the answerer first
    static constexpr auto fields = std::tuple{field("cluster", &Joined::cluster), field("role", &Joined::role),
                                              field("keys", &Joined::keys), field("doors", &Joined::doors)};
    friend bool operator==(const Joined&, const Joined&) = default;
};

}  // namespace fard::wire
