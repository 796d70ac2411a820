// fard init and fard join: a cluster whose members know each other by their keys.
#include <unistd.h>

#include <iostream>
#include <sstream>
#include <toml++/toml.h>

#include "base/printable.hpp"
#include "base/replace_file.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/key_files.hpp"
#include "client/door_check.hpp"
#include "client/locate.hpp"
#include "client/ticket.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/known_nodes.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard::cli {
namespace {

using namespace std::chrono_literals;

namespace fs = std::filesystem;

CommandSpec init_spec() {
    return {"init",
            "make the first board of a cluster with keys",
            {},
            {{"front-door", "ENDPOINT", "where others reach this board, tcp://ADDRESS:PORT"},
             {"cluster", "ID", "the cluster's id (drawn)"},
             {"name", "NAME", "the board's name (the host's name)"},
             {"dir", "DIR", "where the keys are kept (FARD_KEYS, else ~/.config/fard/keys)"}}};
}

CommandSpec join_spec() {
    return {"join",
            "join a cluster with keys by a ticket, read from standard input",
            {},
            {{"ticket", "FILE", "read the ticket from this file, which only its owner may read"},
             {"front-door", "ENDPOINT", "of a board: where others reach it, tcp://ADDRESS:PORT"},
             {"name", "NAME", "the board's or the user's name (the host's name)"},
             {"dir", "DIR", "where the keys are kept (FARD_KEYS, else ~/.config/fard/keys)"}}};
}

std::string own_name(const Options& options) {
    char host[65] = "";
    ::gethostname(host, sizeof host - 1);
    return options.text("name", *host ? host : "board");
}

Result<Endpoint> front_door_of(const Options& options) {
    if (!options.given("front-door"))
        return fail(Fault::invalid_input, "--front-door is missing: say where others reach this board, tcp://ITS-ADDRESS:PORT");
    auto endpoint = Endpoint::parse_remote(options.text("front-door"));
    if (!endpoint) return fail_in("--front-door", endpoint.error());
    if (!endpoint->is_tcp())
        return fail(Fault::invalid_input, "--front-door: keys are for boards that others reach: give tcp://ADDRESS:PORT");
    return endpoint;
}

// An address that others reach this board by may be another machine's (a router that passes it on), but is nearly always a slip.
void note_foreign_address(const Endpoint& front_door) {
    if (!is_own_address(front_door))
        note(fmt::format("no interface of this machine has the address {}; fardd cannot bind it", front_door.address()));
}

std::string configuration(const std::string& name, const std::string& cluster, const fs::path& directory,
                          const Endpoint& front_door, const std::vector<Address>& seeds) {
    toml::table table{{"name", name}, {"cluster", cluster}, {"front_door", front_door.text()}, {"keys", directory.string()}};
    if (!seeds.empty()) {
        toml::array doors;
        for (const auto& seed : seeds)
            doors.push_back(seed.text());
        table.insert("seeds", std::move(doors));
    }
    std::ostringstream text;
    text << table << "\n";
    return text.str();
}

Result<> init(const Options& options) {
    const auto front_door = front_door_of(options);
    if (!front_door) return fail(front_door.error());
    const auto name = own_name(options);
    if (auto checked = check_key_name(name); !checked) return checked;
    const auto cluster = options.text("cluster", random_hex(8));
    if (!is_short_name(cluster))
        return fail(Fault::invalid_input, "--cluster: an id has at most 64 letters, digits, '.', '-' and '_', and neither '-' nor '.' "
                                          "in front; '{}' does not", cluster);
    const auto directory = key_directory_for(options.text("dir"));
    if (!directory) return fail(directory.error());
    const auto keys = KeyPair::make();
    if (auto written = keys.write(*directory / "key"); !written) return written;
    note_foreign_address(*front_door);
    auto ring = KeyRing::open(*directory / "allowed");
    if (!ring) return fail(ring.error());
    const Address door{*front_door, keys.public_key};
    const JoinTicket ticket{door, cluster, KeyPair::make(), Role::node};
    (*ring)->merge({{keys.public_key, static_cast<std::uint8_t>(Role::node), name, false}});
    if (auto added = (*ring)->add_ticket(ticket.keys.public_key, Role::node, ticket_lifetime); !added) return added;
    if (auto written = write_nodes(*directory, {door}); !written) return written;
    if (auto written = replace_file(*directory / "fardd.toml", configuration(name, cluster, *directory, *front_door, {}));
        !written)
        return written;
    err("cluster {}: the key of {} is {}\nstart it:  fardd --config {}\nanother board joins with the ticket below, once, within ten "
        "minutes:  fard join --front-door tcp://ITS-ADDRESS:PORT\n",
        cluster, name, keys.public_key.hex, (*directory / "fardd.toml").string());
    out("{}\n", ticket.text());
    return {};
}

Result<JoinTicket> read_ticket(const Options& options) {
    std::string line;
    if (!options.given("ticket")) {
        if (::isatty(STDIN_FILENO) != 0) note("paste the ticket here, then Enter");
        constexpr std::size_t longest = 4096;
        for (char c = 0; line.size() < longest && std::cin.get(c) && c != '\n';)
            line += c;
        return JoinTicket::parse(line);
    }
    const auto text = read_private_file(options.text("ticket"));
    if (!text) return fail_in("--ticket", text.error());
    return JoinTicket::parse(text->substr(0, text->find('\n')));
}

// Where a newcomer that becomes a board will be reached; asked for before the ticket is used up.
Result<Endpoint> front_door_for(const JoinTicket& ticket, const Options& options) {
    if (ticket.role == Role::node) {
        if (options.given("front-door")) return front_door_of(options);
        return fail(Fault::invalid_input,
                    "this ticket is for a board: say where others reach it, --front-door tcp://ITS-ADDRESS:PORT. The ticket "
                    "is still good");
    }
    if (!options.given("front-door")) return Endpoint();
    return fail(Fault::invalid_input,
                "--front-door is for boards, and this ticket makes a {} key: leave it out, or ask for a ticket by `fard keys "
                "ticket --role node`. The ticket is still good",
                name_of(ticket.role));
}

// The key of a join that has begun: the cluster may know it by now.
constexpr const char* begun_key = "key.joining";

void remove_from(const fs::path& directory, const std::vector<const char*>& names) {
    std::error_code ignored;
    for (const auto* name : names)
        fs::remove(directory / name, ignored);
}

// One that was broken off goes on with its key: who issued the ticket may have let it in, and its answer was not heard.
struct Newcomer {
    KeyPair keys;
    bool again = false;
};
Result<Newcomer> newcomer_in(const fs::path& directory) {
    std::error_code error;
    if (fs::exists(directory / "key", error)) return fail(key_is_there(directory / "key"));
    auto begun = KeyPair::read(directory / begun_key);
    if (begun) return Newcomer{std::move(*begun), true};
    if (begun.error().fault == Fault::corrupt) remove_from(directory, {begun_key});  // it was ended before it was written
    else if (begun.error().fault != Fault::not_found) return fail(begun.error());
    Newcomer newcomer{KeyPair::make()};
    if (auto written = newcomer.keys.write(directory / begun_key); !written) return fail(written.error());
    return newcomer;
}

// What a join that came to nothing has written. The key stays where the cluster may know it.
void take_back(const fs::path& directory, bool key_too) {
    remove_from(directory, {"allowed", "nodes", "fardd.toml"});
    if (key_too) remove_from(directory, {begun_key});
}

tl::unexpected<Error> to_go_on(const Error& why, const fs::path& directory) {
    take_back(directory, false);
    return fail(why.fault, "{}; the same command with the same ticket goes on from here", why.message);
}

// All that will be written, as far as it is known before the ticket is used: a disk that is full is found out while it is good.
Result<> write_ahead(const JoinTicket& ticket, const std::string& name, const fs::path& directory, const Endpoint& front_door) {
    auto written = write_nodes(directory, {ticket.door});
    if (written && ticket.role == Role::node)
        written = replace_file(directory / "fardd.toml", configuration(name, ticket.cluster, directory, front_door, {ticket.door}));
    return written;
}

// Asks who issued the ticket. Nothing was let in where it says no; where it says nothing, nobody knows.
Result<wire::Joined> ask_to_join(const JoinTicket& ticket, const Newcomer& newcomer, const std::string& name, const fs::path& directory) {
    auto answer = ask_first_as(Identity::keyed(ticket.keys, nullptr), {ticket.door}, wire::Join{newcomer.keys.public_key, name}, 10s);
    auto* joined = answer ? answer->body.as<wire::Joined>() : nullptr;
    if (joined != nullptr) return std::move(*joined);
    const auto why = answer ? Error{Fault::failed, fmt::format("{} answered JOIN with {}", ticket.door.endpoint, wire::name_of(answer->body))}
                            : answer.error();
    if (why.fault == Fault::timed_out || why.fault == Fault::unreachable) return to_go_on(why, directory);
    take_back(directory, !newcomer.again);
    if (newcomer.again)
        return fail(why.fault, "{} (with the key of the join that was broken off; remove {} to begin with a new one)", why.message,
                    (directory / begun_key).string());
    return fail(why);
}

// What the cluster said, and last of all the key under its name: from then on it counts.
Result<> keep_what_was_said(const wire::Joined& joined, const fs::path& directory, const std::string& name, const Endpoint& front_door) {
    auto ring = KeyRing::open(directory / "allowed");
    if (!ring) return fail(ring.error());
    (*ring)->merge(joined.keys);
    if (auto kept = (*ring)->keep(); !kept) return kept;
    if (auto written = write_nodes(directory, joined.doors); !written) return written;
    if (static_cast<Role>(joined.role) == Role::node)
        if (auto written = replace_file(directory / "fardd.toml", configuration(name, joined.cluster, directory, front_door, joined.doors));
            !written)
            return written;
    std::error_code error;
    fs::rename(directory / begun_key, directory / "key", error);
    if (error) return fail(Fault::io, "cannot make {}: {}", (directory / "key").string(), error.message());
    return {};
}

Result<> join(const Options& options) {
    hide_memory();
    const auto ticket = read_ticket(options);
    if (!ticket) return fail(ticket.error());
    const auto front_door = front_door_for(*ticket, options);
    if (!front_door) return fail(front_door.error());
    const auto name = own_name(options);
    if (auto checked = check_key_name(name); !checked) return checked;
    const auto directory = key_directory_for(options.text("dir"));
    if (!directory) return fail(directory.error());
    if (!front_door->empty()) note_foreign_address(*front_door);
    if (nobody_listens(ticket->door.endpoint))
        return fail(Fault::unreachable, "nobody listens at {}, where the ticket is from; start the node manager there. The ticket "
                                        "is still good", ticket->door.endpoint);
    const auto newcomer = newcomer_in(*directory);
    if (!newcomer) return fail(newcomer.error().fault, "{}; the ticket is still good", newcomer.error().message);
    if (newcomer->again) note(fmt::format("going on with the join that was broken off, with its key {}", newcomer->keys.public_key.brief()));
    if (auto written = write_ahead(*ticket, name, *directory, *front_door); !written) {
        take_back(*directory, !newcomer->again);
        return fail(written.error().fault, "{}; the ticket is still good", written.error().message);
    }
    const auto joined = ask_to_join(*ticket, *newcomer, name, *directory);
    if (!joined) return fail(joined.error());
    if (auto kept = keep_what_was_said(*joined, *directory, name, *front_door); !kept) return to_go_on(kept.error(), *directory);
    const auto role = static_cast<Role>(joined->role);
    err("joined cluster {} as {} {} with the key {}\n", joined->cluster, name_of(role), name, newcomer->keys.public_key.hex);
    if (role == Role::node) err("start it:  fardd --config {}\n", (*directory / "fardd.toml").string());
    return {};
}

}  // namespace

Command init_command() {
    return {init_spec(), init};
}
Command join_command() {
    return {join_spec(), join};
}

}  // namespace fard::cli
