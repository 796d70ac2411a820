// The mesh over real sockets and threads; some of its peers in processes of their own, to be killed and
// stopped.
#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/mesh.hpp"

#include <doctest/doctest.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <ranges>

#include "runtime/peer/beacon.hpp"
#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_client.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "tests/fakes/endpoints.hpp"
#include "tests/peer/newer.hpp"
#include "tests/peer/real_loop.hpp"
#include "tests/scratch_dir.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

MeshOptions options_of(const SocketDirectory& directory, const std::string& name,
                       const std::vector<Address>& seeds) {
    MeshOptions options;
    options.cluster = "lab";
    options.name = name;
    options.publisher = directory.endpoint(name + ".pub");
    options.heartbeat = directory.endpoint(name + ".beat");
    for (const auto& seed : seeds)
        options.seeds.push_back(WrittenAddress::parse(seed.text()).value());
    return options;
}

const Endpoint any_port = at("tcp://127.0.0.1:0");

// One node manager's network half.
struct Board {
    Board(Loop& loop, SocketFactory& sockets, const SocketDirectory& directory, const std::string& name,
          std::vector<Address> seeds = {}, const std::string& cluster = "lab", bool tcp = false) {
        auto opened = FrontDoor::open(loop, sockets, draw_peer_id(sockets.identity().key()),
                                      tcp ? any_port : directory.endpoint(name + ".door"));
        if (!opened) throw std::runtime_error(opened.error().message);
        door = std::move(*opened);
        auto options = options_of(directory, name, std::move(seeds));
        options.cluster = cluster;
        if (tcp) options.publisher = options.heartbeat = any_port;
        auto started = Mesh::start(
            loop, sockets, *door, options,
            {.joined = [this](const wire::Member& member) { joined.push_back(member.name); },
             .lost =
                 [this, &loop](const wire::Member& member, const std::string& why) {
                     lost.push_back(member.name);
                     lost_at = loop.now();
                     lost_why = why;
                 },
             .published = [this](const PeerId& from, const wire::BoardState& state) { states[from] = state; },
             .refused = [this](const Endpoint&, const Error& why) { refused = why.message; }});
        if (!started) throw std::runtime_error(started.error().message);
        mesh = std::move(*started);
        mesh->serve([this](const PeerId& from, const wire::Body& body, const Reply& reply) {
            ++handled;
            last_from = from;
            if (body.is<wire::Query>())
                reply(wire::Status{.cluster = "lab"});
            else
                reply(refused_body);
        });
    }
    std::size_t size() const { return mesh->members().size(); }

    std::unique_ptr<FrontDoor> door;
    std::unique_ptr<Mesh> mesh;
    std::vector<std::string> joined, lost;
    std::string lost_why, refused;
    TimePoint lost_at{};
    std::map<PeerId, wire::BoardState> states;
    int handled = 0;
    PeerId last_from;
    wire::Body refused_body = wire::Refused{static_cast<std::uint8_t>(Fault::refused), "not here"};
};

struct Lab {
    Lab() { spdlog::set_level(spdlog::level::err); }
    Board& add(const std::string& name, std::vector<Address> seeds = {},
               const std::string& cluster = "lab") {
        boards.push_back(std::make_unique<Board>(loop, sockets, directory, name, std::move(seeds), cluster));
        return *boards.back();
    }
    Address door(const std::string& name) const { return {directory.endpoint(name + ".door"), {}}; }
    bool all_see(std::size_t count) const {
        return std::all_of(boards.begin(), boards.end(),
                           [&](const auto& board) { return board->size() == count; });
    }

    SocketDirectory directory;
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    std::vector<std::unique_ptr<Board>> boards;
};

// A board in a process of its own. To be made before this process has threads.
class BoardProcess {
  public:
    BoardProcess(const SocketDirectory& directory, const std::string& name, std::vector<Address> seeds,
                 bool tcp = false) {
        pid_ = fork();
        REQUIRE(pid_ >= 0);
        if (pid_ > 0) return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        spdlog::set_level(spdlog::level::off);
        AsioLoop loop;
        SocketFactory sockets{Identity::local()};
        Board board(loop, sockets, directory, name, std::move(seeds), "lab", tcp);
        loop.run();
        _exit(0);
    }
    ~BoardProcess() {
        send(SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    void send(int signal) const { kill(pid_, signal); }

  private:
    pid_t pid_;
};

double ms(Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

TEST_CASE("six boards find each other through one seed, and hear what was published before they came") {
    Lab lab;
    const auto begin = lab.loop.now();
    for (int i = 0; i < 6; ++i) {
        lab.add(std::string(1, static_cast<char>('a' + i)), {lab.door("a")})
            .mesh->publish(wire::BoardState{.runs = 7u + i});
    }
    REQUIRE(run_until(
        lab.loop, [&] { return lab.all_see(6); }, 5s));
    MESSAGE("six boards joined after " << ms(lab.loop.now() - begin) << " ms");
    const auto all_heard = [&] {
        return std::all_of(lab.boards.begin(), lab.boards.end(),
                           [](const auto& board) { return board->states.size() == 5; });
    };
    REQUIRE(run_until(lab.loop, all_heard, 5s));
    MESSAGE("all states known after " << ms(lab.loop.now() - begin) << " ms");
    for (const auto& board : lab.boards) {
        CHECK(board->joined.size() == 5);
        CHECK(board->lost.empty());
        CHECK(board->mesh->members().front() == board->mesh->self());
    }
    CHECK(lab.boards[0]->states.at(lab.boards[3]->mesh->self().peer) ==
          wire::BoardState{.runs = 10});
}

TEST_CASE("requests across the mesh are answered, refused, or unreachable; also one's own") {
    Lab lab;
    auto& a = lab.add("a");
    auto& b = lab.add("b", {lab.door("a")});
    REQUIRE(run_until(lab.loop, [&] { return lab.all_see(2); }));
    const auto ask = [&](const PeerId& to, wire::Body body) {
        std::optional<Result<wire::Body>> result;
        a.mesh->ask(to, std::move(body), 5s, [&](Result<wire::Body> answer) { result = std::move(answer); });
        REQUIRE(run_until(lab.loop, [&] { return result.has_value(); }));
        return *result;
    };
    CHECK(ask(b.mesh->self().peer, wire::Query{}).value() == wire::Body{wire::Status{.cluster = "lab"}});
    CHECK(b.last_from == a.mesh->self().peer);
    CHECK(ask(a.mesh->self().peer, wire::Query{}).has_value());
    CHECK(ask(b.mesh->self().peer, wire::Commit{}).error().message == "not here");
    CHECK(ask(PeerId{random_hex(16)}, wire::Commit{}).error().fault == Fault::unreachable);
    CHECK(b.handled == 2);

    const auto ticket = a.mesh->next_ticket();
    CHECK(a.mesh->next_ticket() > ticket);
    b.mesh->witness_ticket(ticket + 1000);
    CHECK(b.mesh->next_ticket() > ticket + 1000);
}

TEST_CASE("a peer that joins knows the mesh's time") {
    Lab lab;
    auto& a = lab.add("a");
    a.mesh->witness_ticket(100'000);
    auto& b = lab.add("b", {lab.door("a")});
    REQUIRE(run_until(lab.loop, [&] { return lab.all_see(2); }));
    CHECK(b.mesh->next_ticket() > 100'000);
}

TEST_CASE("another cluster's board is refused with the reason, and joins nobody") {
    Lab lab;
    auto& a = lab.add("a");
    auto& b = lab.add("b", {lab.door("a")}, "attic");
    spdlog::set_level(spdlog::level::off);
    REQUIRE(run_until(lab.loop, [&] { return !b.refused.empty(); }));
    CHECK(b.refused.find("belongs to cluster 'lab', not to 'attic'") != std::string::npos);
    CHECK(a.size() == 1);
    CHECK(b.size() == 1);
}

TEST_CASE("a board that stops in order is gone at once; another life of it is another peer") {
    Lab lab;
    auto& a = lab.add("a");
    lab.add("b", {lab.door("a")});
    lab.add("c", {lab.door("a")});
    REQUIRE(run_until(lab.loop, [&] { return lab.all_see(3); }));
    run_until(
        lab.loop, [] { return false; }, 100ms);
    const auto former = lab.boards[1]->mesh->self().peer;
    const auto begin = lab.loop.now();
    lab.boards.erase(lab.boards.begin() + 1);
    REQUIRE(run_until(lab.loop, [&] { return lab.all_see(2); }));
    CHECK(a.lost_why == "it left");
    CHECK(a.lost_at - begin < 500ms);
    auto& reborn = lab.add("b", {lab.door("c")});
    REQUIRE(run_until(lab.loop, [&] { return lab.all_see(3); }));
    CHECK(reborn.mesh->self().peer != former);
}

TEST_CASE("beyond 32 boards each hears a few, and whom it works with on demand") {
    Lab lab;
    constexpr std::size_t boards = 40;
    for (std::size_t i = 0; i < boards; ++i)
        lab.add("n" + std::to_string(i), {lab.door("n0")}).mesh->publish(wire::BoardState{.runs = 1u});
    REQUIRE(run_until(
        lab.loop, [&] { return lab.all_see(boards); }, 30s));
    const auto all_heard = [&] {
        return std::ranges::all_of(lab.boards, [](const auto& board) { return board->states.size() == boards - 1; });
    };
    REQUIRE(run_until(lab.loop, all_heard, 20s));
    int answered = 0;
    for (std::size_t i = 1; i < boards; ++i) {
        lab.boards[0]->mesh->ask(lab.boards[i]->mesh->self().peer, wire::Query{}, 20s,
                                 [&](const Result<wire::Body>& answer) { answered += answer.has_value() ? 1 : 0; });
    }
    REQUIRE(run_until(
        lab.loop, [&] { return answered == boards - 1; }, 30s));
    lab.boards[7]->mesh->publish(wire::BoardState{.runs = 2u});
    const auto changed = lab.boards[7]->mesh->self().peer;
    REQUIRE(run_until(lab.loop, [&] {
        return std::ranges::all_of(lab.boards, [&](const auto& board) {
            return board == lab.boards[7] || board->states.at(changed).runs == 2;
        });
    }));
    for (const auto& board : lab.boards)
        CHECK(board->lost.empty());
    lab.boards.pop_back();
    REQUIRE(run_until(
        lab.loop, [&] { return lab.all_see(boards - 1); }, 10s));
}

TEST_CASE("a killed process is noticed at once, and pending questions to it end") {
    SocketDirectory directory;
    BoardProcess victim(directory, "v", {{directory.endpoint("a.door"), {}}});
    BoardProcess other(directory, "w", {{directory.endpoint("a.door"), {}}});
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    Board a(loop, sockets, directory, "a");
    REQUIRE(run_until(loop, [&] { return a.size() == 3; }));
    run_until(
        loop, [] { return false; }, 300ms);
    const auto members = a.mesh->members();
    const auto peer =
        std::find_if(members.begin(), members.end(), [](const auto& one) { return one.name == "v"; })->peer;
    const auto killed_at = loop.now();
    victim.send(SIGKILL);
    std::optional<Result<wire::Body>> result;
    a.mesh->ask(peer, wire::Query{}, 10s, [&](Result<wire::Body> answer) { result = std::move(answer); });
    REQUIRE(run_until(loop, [&] { return result.has_value() && a.lost.size() == 1; }));
    MESSAGE("killed process noticed after " << ms(a.lost_at - killed_at) << " ms: " << a.lost_why);
    CHECK(a.lost_at - killed_at < 500ms);
    CHECK(a.lost_why == "its process has ended");
    CHECK(result->error().fault == Fault::unreachable);
    CHECK(result->error().message.starts_with("board v is gone (its process has ended): no answer to QUERY"));
}

TEST_CASE("the same over tcp: joined, asked, killed, noticed") {
    SocketDirectory directory;
    BoardProcess victim(directory, "v", {{directory.endpoint("a.door"), {}}}, true);
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    Board a(loop, sockets, directory, "a");
    REQUIRE(run_until(loop, [&] { return a.size() == 2; }));
    const auto member = a.mesh->members()[1];
    CHECK(member.publisher.text().starts_with("tcp://127.0.0.1:"));
    std::optional<Result<wire::Body>> result;
    a.mesh->ask(member.peer, wire::Query{}, 10s,
                [&](Result<wire::Body> answer) { result = std::move(answer); });
    REQUIRE(run_until(loop, [&] { return result.has_value(); }));
    CHECK(result->has_value());
    run_until(
        loop, [] { return false; }, 100ms);
    const auto killed_at = loop.now();
    victim.send(SIGKILL);
    REQUIRE(run_until(loop, [&] { return a.lost.size() == 1; }));
    MESSAGE("killed process noticed over tcp after " << ms(a.lost_at - killed_at) << " ms: " << a.lost_why);
    CHECK(a.lost_at - killed_at < 500ms);
}

TEST_CASE(
    "a stopped process is lost within 1.5 s, its neighbours are not, and it is a member again when it "
    "wakes") {
    SocketDirectory directory;
    BoardProcess victim(directory, "v", {{directory.endpoint("a.door"), {}}});
    BoardProcess other(directory, "w", {{directory.endpoint("a.door"), {}}});
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    Board a(loop, sockets, directory, "a");
    REQUIRE(run_until(loop, [&] { return a.size() == 3; }));
    run_until(
        loop, [] { return false; }, 500ms);
    const auto stopped_at = loop.now();
    victim.send(SIGSTOP);
    REQUIRE(run_until(loop, [&] { return !a.lost.empty(); }));
    MESSAGE("stopped process lost after " << ms(a.lost_at - stopped_at) << " ms: " << a.lost_why);
    CHECK(a.lost_at - stopped_at > 700ms);
    CHECK(a.lost_at - stopped_at < 1900ms);
    CHECK(a.lost == std::vector<std::string>{"v"});
    CHECK_FALSE(run_until(
        loop, [&] { return a.size() != 2; }, 3s));
    victim.send(SIGCONT);
    const auto woken_at = loop.now();
    REQUIRE(run_until(loop, [&] { return a.size() == 3; }));
    MESSAGE("woken process is a member again after " << ms(loop.now() - woken_at) << " ms");
    CHECK_FALSE(run_until(
        loop, [&] { return a.lost.size() > 1; }, 2s));
}

TEST_CASE("with no second peer a silent one is probed over a fresh connection") {
    SocketDirectory directory;
    BoardProcess victim(directory, "v", {{directory.endpoint("a.door"), {}}});
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    Board a(loop, sockets, directory, "a");
    REQUIRE(run_until(loop, [&] { return a.size() == 2; }));
    const auto stopped_at = loop.now();
    victim.send(SIGSTOP);
    REQUIRE(run_until(loop, [&] { return !a.lost.empty(); }));
    CHECK(a.lost_at - stopped_at > 1200ms);
    CHECK(a.lost_at - stopped_at < 2400ms);
    CHECK(a.lost_why.find("fresh connection") != std::string::npos);
}

namespace {

wire::AllowedKey entry(const PublicKey& key, Role role, bool revoked = false) {
    return {key, static_cast<std::uint8_t>(role), "x", revoked};
}

// Two boards with keys, each with a list of its own, the first one's in `file`, if it is given.
struct TwoKeyed {
    explicit TwoKeyed(Lab& its_lab, const std::filesystem::path& file = {}) : lab(its_lab) {
        for (int i = 0; i < 2; ++i) {
            rings[i] = KeyRing::open(i == 0 ? file : std::filesystem::path()).value();
            rings[i]->merge({entry(pairs[0].public_key, Role::node), entry(pairs[1].public_key, Role::node)});
            sockets[i] = std::make_unique<SocketFactory>(Identity::keyed(pairs[i], rings[i]));
        }
    }
    // Until they know each other.
    void start() {
        boards[0] = std::make_unique<Board>(lab.loop, *sockets[0], lab.directory, "a", std::vector<Address>{}, "lab", true);
        const Address seed{boards[0]->door->endpoint(), pairs[0].public_key};
        boards[1] = std::make_unique<Board>(lab.loop, *sockets[1], lab.directory, "b", std::vector{seed}, "lab", true);
        REQUIRE(run_until(lab.loop, [&] { return boards[0]->size() == 2 && boards[1]->size() == 2; }));
    }

    Lab& lab;
    const KeyPair pairs[2] = {KeyPair::make(), KeyPair::make()};
    std::shared_ptr<KeyRing> rings[2];
    std::unique_ptr<SocketFactory> sockets[2];
    std::unique_ptr<Board> boards[2];
};

}  // namespace

TEST_CASE("keys that a board has not heard of come with the next digest, and those that were revoked") {
    Lab lab;
    const auto ann = KeyPair::make().public_key;
    TwoKeyed two(lab);
    auto& rings = two.rings;
    CHECK(rings[0]->hash() == rings[1]->hash());
    two.start();

    // Behind the mesh's back, as if ALLOWED had been lost.
    for (const bool revoked : {false, true}) {
        rings[0]->merge({entry(ann, Role::user, revoked)});
        CHECK(rings[0]->hash() != rings[1]->hash());
        CHECK(run_until(lab.loop, [&] { return rings[0]->hash() == rings[1]->hash(); }));
        CHECK(rings[1]->role_of(ann) == (revoked ? Role::none : Role::user));
        CHECK(rings[1]->is_revoked(ann) == revoked);
    }
}

TEST_CASE("a board that cannot write its list of keys revokes a key everywhere all the same, and writes it later") {
    Lab lab;
    spdlog::set_level(spdlog::level::off);
    ScratchDir scratch;
    const auto place = scratch.path() / "keys", away = scratch.path() / "away";
    std::filesystem::create_directory(place);
    const auto ann = KeyPair::make().public_key;
    TwoKeyed two(lab, place / "allowed");
    auto& rings = two.rings;
    for (const auto& ring : two.rings) {
        ring->merge({entry(ann, Role::user)});
        REQUIRE(ring->keep());
    }
    two.start();

    std::filesystem::rename(place, away);
    const auto allowed = two.boards[0]->mesh->allow({entry(ann, Role::user, true)});
    REQUIRE_FALSE(allowed);
    CHECK(allowed.error().message.find("restart would forget") != std::string::npos);
    CHECK(rings[0]->is_revoked(ann));
    CHECK(run_until(lab.loop, [&] { return rings[1]->is_revoked(ann); }));
    std::filesystem::rename(away, place);
    CHECK(run_until(lab.loop, [&] { return KeyRing::open(place / "allowed").value()->is_revoked(ann); }));
}

TEST_CASE("a board whose loop is busy for seconds is never taken for dead") {
    SocketDirectory directory;
    BoardProcess watcher(directory, "v", {{directory.endpoint("a.door"), {}}});
    AsioLoop loop;
    SocketFactory sockets{Identity::local()};
    Board a(loop, sockets, directory, "a");
    REQUIRE(run_until(loop, [&] { return a.size() == 2; }));
    const auto until = loop.now() + 3s;
    while (loop.now() < until) {
    }
    CHECK_FALSE(run_until(
        loop, [&] { return a.size() != 2 || a.joined.size() > 1; }, 1s));
}

TEST_CASE("rubbish on the mesh and at the heartbeat is dropped, counted, and ends nothing") {
    Lab lab;
    spdlog::set_level(spdlog::level::off);
    auto& a = lab.add("a");
    auto impostor = lab.sockets.make(SocketKind::pub);
    const wire::Member fake{{random_hex(16)},
                            "fake",
                            lab.door("fake").endpoint,
                            lab.directory.endpoint("fake.pub"),
                            lab.directory.endpoint("fake.beat"),
                            {}};
    REQUIRE(impostor->bind(fake.publisher).has_value());
    auto visitor = Visitor::knock(lab.loop, lab.sockets, fake.peer, lab.door("a"));
    std::optional<Result<wire::Body>> welcome;
    wire::Record record;
    record.member = fake;
    (*visitor)->ask(wire::Hello{"lab", wire::protocol_version, record, false}, 5s,
                    [&](Result<wire::Body> answer) { welcome = std::move(answer); });
    REQUIRE(run_until(lab.loop, [&] { return welcome.has_value(); }));
    CHECK(a.size() == 2);
    auto knocker = lab.sockets.make(SocketKind::dealer);
    REQUIRE(knocker->connect(a.mesh->self().heartbeat).has_value());
    const auto publish = [&](std::string_view topic, std::string_view bytes) {
        Message message;
        message.emplace_back(topic);
        message.emplace_back(bytes);
        impostor->try_send(message);
    };
    REQUIRE(run_until(lab.loop, [&] {
        publish("all", "rubbish");
        publish("all", wire::encode({fake.peer, 5, false, 0}, wire::Query{}));  // a request to everyone
        publish("all", wire::encode({{random_hex(16)}, 0, false, 0}, wire::News{}));  // from a stranger
        publish(a.mesh->self().peer.hex,
                wire::encode({fake.peer, 6, true, 0}, wire::Done{}));  // an answer to nothing
        Message message;
        message.emplace_back(std::string_view("rubbish"));
        knocker->try_send(message);
        const auto counters = a.mesh->counters();
        return counters.malformed > 20 && counters.unknown > 5 && counters.late > 5;
    }));
    CHECK(a.handled == 0);
    auto& b = lab.add("b", {lab.door("a")});
    REQUIRE(run_until(lab.loop, [&] { return b.size() >= 2; }));

    // A member that is ahead of us gets its answer.
    auto ears = lab.sockets.make(SocketKind::sub);
    REQUIRE(ears->connect(a.mesh->self().publisher).has_value());
    ears->subscribe(fake.peer.hex);
    std::optional<wire::Body> answer;
    REQUIRE(run_until(lab.loop, [&] {
        publish(a.mesh->self().peer.hex, newer(wire::encode({fake.peer, 7, false, 0}, wire::Query{})));
        for (Message message; ears->try_receive(message);)
            if (auto heard = wire::decode(message[1].text()); heard && heard->envelope.answer && heard->envelope.request == 7)
                answer = heard->body;
        return answer.has_value();
    }));
    REQUIRE(answer->is<wire::Refused>());
    CHECK(answer->as<wire::Refused>()->fault == static_cast<int>(Fault::unsupported));
}

TEST_CASE("an endpoint that others cannot connect to is refused at the start") {
    Lab lab;
    SocketFactory open(Identity::insecure());
    auto door = FrontDoor::open(lab.loop, open, PeerId{random_hex(16)}, lab.door("x").endpoint);
    auto options = options_of(lab.directory, "x", {});
    options.publisher = at("tcp://0.0.0.0:0");
    const auto mesh = Mesh::start(lab.loop, open, **door, options, {});
    REQUIRE_FALSE(mesh.has_value());
    CHECK(mesh.error().fault == Fault::invalid_input);
    options.publisher = at("tcp://192.0.2.1:0");
    CHECK_FALSE(Mesh::start(lab.loop, lab.sockets, **door, options, {}).has_value());
}

TEST_CASE("boards on one machine find each other by UDP broadcast, without seeds") {
    Lab lab;
    std::vector<std::unique_ptr<LanBeacon>> beacons;
    int found = 0;
    for (const char digit : {'1', '2'}) {
        auto broadcast = open_broadcast(37021);
        REQUIRE(broadcast.has_value());
        beacons.push_back(std::make_unique<LanBeacon>(
            lab.loop, std::move(*broadcast),
            wire::Beacon{
                "lab", wire::protocol_version, {std::string(32, digit)}, at(std::string("tcp://10.0.0.") + digit + ":1")},
            [&](const wire::Beacon&) { ++found; }));
    }
    CHECK(run_until(
        lab.loop, [&] { return found >= 2; }, 5s));
}
