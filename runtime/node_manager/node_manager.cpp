#include "runtime/node_manager/node_manager.hpp"

#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "base/alarm.hpp"
#include "base/lifetime.hpp"
#include "base/room.hpp"
#include "runtime/emulated/board_pacer.hpp"
#include "runtime/node_manager/checkup.hpp"
#include "runtime/node_manager/cluster_view.hpp"
#include "runtime/node_manager/coordinator.hpp"
#include "runtime/node_manager/device_keeper.hpp"
#include "runtime/node_manager/faulty_disk.hpp"
#include "runtime/node_manager/package_service.hpp"
#include "runtime/node_manager/rights.hpp"
#include "runtime/node_manager/run_log.hpp"
#include "runtime/node_manager/state_dir.hpp"
#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/known_nodes.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "runtime/peer/codec.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kept_log_bytes = std::size_t{4} << 20;  // of lines about runs

std::int64_t system_time() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void to_process_log(LogLevel level, const std::string& line) {
    static constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                           spdlog::level::err};
    spdlog::log(levels[static_cast<int>(level)], line);
}

constexpr Duration nodes_pause = 200ms;  // from a member's coming until it is written down
constexpr Duration farewell = 20ms;  // from SHUTDOWN's answer to the end, so that it gets out

Result<> say_ready(int fd, const Endpoint& front_door) {
    if (fd < 0) return {};
    const auto line = "ready " + front_door.text() + "\n";
    const auto written = ::write(fd, line.data(), line.size());
    const int cause = errno;
    if (fd > 2) ::close(fd);
    if (written < 0)
        return fail(Fault::invalid_input, "cannot write to ready_fd {}: {}", fd, std::strerror(cause));
    return {};
}

}  // namespace

struct NodeManager::Impl {
    Impl(Loop& the_loop, const Config& the_config, Identity whose, std::function<void()> the_stop)
        : loop(the_loop),
          config(the_config),
          stop(std::move(the_stop)),
          sockets(std::move(whose), Receipt::copied),
          stop_alarm(loop),
          nodes_alarm(loop) {}
    ~Impl();

    Result<> start();
    Result<> find_own_devices();
    Result<> open_store();
    Result<> open_sockets();
    void make_board();
    Result<> make_coordinator();
    Result<> watch_parent();

    void serve_visitor(const PeerId& visitor, const wire::Body& body, Reply reply);
    void serve_peer(const PeerId& peer, const wire::Body& body, Reply reply);
    void published(const PeerId& peer, const wire::BoardState& news);
    void joined(const wire::Member& member);
    void lost(const wire::Member& member, const std::string& why);
    void refused_at(const Endpoint& seed, const Error& why);
    wire::Body allow(const wire::Allowed& allowed);
    std::vector<WrittenAddress> kept_nodes() const;
    void keep_nodes() const;
    wire::Body issue(const wire::Ticket& ticket);
    wire::Body take_in(const PeerId& visitor, const wire::Join& join);
    void measure(const wire::Probe& probe, Reply reply);
    wire::Submit owned_by(const PeerId& visitor, wire::Submit submit) const;
    wire::Body shut_down();
    bool is_open() const { return config.insecure && !door->endpoint().is_on_this_machine(); }

    // In the order in which they are made; they go in the reverse one.
    Loop& loop;
    const Config config;
    std::function<void()> stop;
    RunLog log{kept_log_bytes, system_time, to_process_log};
    std::unique_ptr<StateDir> state;
    SocketFactory sockets;
    std::unique_ptr<Disk> disk;
    std::unique_ptr<Worker> piece_writer, packer, piece_reader;
    std::unique_ptr<OverlayStore> store;
    std::unique_ptr<PackageFetch> packages;
    std::unique_ptr<PackageService> package_service;
    std::unique_ptr<JobSpawner> spawner;
    std::unique_ptr<DeviceKeeper> devices;
    bool devices_changed = false;  // and the board is to hear of it
    std::unique_ptr<FrontDoor> door;
    std::unique_ptr<Mesh> mesh;
    std::unique_ptr<Board> board;
    std::unique_ptr<ClusterView> view;
    std::unique_ptr<Pacer> pacer;  // of an emulated board: what its links cost where a client is on it
    std::unique_ptr<Coordinator> coordinator;
    std::unique_ptr<Prober> prober;
    std::set<Endpoint> refused_by;  // seeds
    Alarm stop_alarm, nodes_alarm;
    int parent_fd = -1;
    Loop::WatchId parent_watch = 0;
    Lifetime lifetime;
};

// ---- putting it together

Result<> NodeManager::Impl::start() {
    for (const auto& dir : config.jobs_dirs) {
        std::error_code error;
        if (!std::filesystem::is_directory(dir, error))
            return fail(Fault::invalid_input, "jobs_dir: {} is no directory{}{}", dir.string(), error ? ": " : "",
                        error ? error.message() : "");
    }
    if (auto found = find_own_devices(); !found) return found;
    if (auto given = give_up_rights(config); !given) return given;
    if (auto opened = open_store(); !opened) return opened;
    if (auto opened = open_sockets(); !opened) return opened;
    make_board();
    if (auto made = make_coordinator(); !made) return made;
    prober = std::make_unique<Prober>(loop, sockets);
    if (auto watched = watch_parent(); !watched) return watched;
    const auto& front_door = mesh->self().front_door;
    spdlog::info("board {} of cluster {} is at {}", config.name, config.cluster, front_door);
    if (is_open())
        spdlog::warn("insecure: who reaches {} can read and control everything here", front_door);
    return say_ready(config.ready_fd, front_door);
}

Result<> NodeManager::Impl::find_own_devices() {
    BoardSetup setup{.cpu_slots = config.slots, .emulated = {}, .faults = config.faults};
    if (!config.profile.empty()) {
        const auto directory = find_board_profiles();
        if (!directory) return fail_in("profile", directory.error());
        auto profile = load_board_profile(*directory, config.profile);
        if (!profile) return fail_in("profile", profile.error());
        if (config.fabric_slots > 0 && profile->fabric) profile->fabric->slots.value = config.fabric_slots;
        setup.emulated = std::move(*profile);
    }
    // An emulated board is as its profile says, unless it is told to have a fabric of its own beside.
    if (config.own_fabric && (config.profile.empty() || !config.fabric.part.empty())) setup.fabric = config.fabric;
    setup.helper = {&loop, config.helper_program, config.helper_socket};
    setup.note = [](const std::string& what) { spdlog::warn("{}", what); };
    auto found = find_devices(setup);
    if (!found) return fail(found.error());
    devices = std::make_unique<DeviceKeeper>(std::move(*found), config.name);
    return {};
}

Result<> NodeManager::Impl::open_store() {
    auto taken = StateDir::take(config.state_dir, config.runtime_dir);
    if (!taken) return fail(taken.error());
    state = std::move(*taken);
    disk = with_faults(real_disk(), config.faults);
    for (auto* worker : {&piece_writer, &piece_reader})
        *worker = make_worker(loop, 1);
    packer = make_worker(loop, 1, Pace::leisurely);
    auto opened = OverlayStore::open(
        {loop, *disk, *piece_writer, *packer, *piece_reader}, state->overlays(),
        {.stored =
             [this](const std::string& id) {
                 spdlog::info("stored package {}", id);
                 if (board) board->changed();
             },
         .removed =
             [this](const std::string&, const std::string&) {
                 if (board) board->changed();
             }},
        {.bytes = config.store_limit, .signers = config.package_signers});
    if (!opened) return fail(opened.error());
    store = std::move(*opened);
    packages = std::make_unique<PackageFetch>(loop, *store, front_door_sources(loop, sockets));
    return {};
}

Result<> NodeManager::Impl::open_sockets() {
    auto opened = FrontDoor::open(loop, sockets, draw_peer_id(sockets.identity().key()), config.front_door);
    if (!opened) return fail(opened.error());
    door = std::move(*opened);
    package_service = std::make_unique<PackageService>(loop, *store, *packages);
    packages->set_self(door->endpoint());
    MeshOptions options;
    options.cluster = config.cluster;
    options.name = config.name;
    options.publisher = config.publisher;
    options.heartbeat = config.heartbeat;
    options.advertise = config.advertise;
    options.seeds = config.seeds;
    for (auto& node : kept_nodes())
        options.seeds.push_back(std::move(node));
    options.beacon = config.beacon;
    auto joined = Mesh::start(
        loop, sockets, *door, options,
        {.joined =
             [this](const wire::Member& member) {
                 this->joined(member);
                 // Many come at once where many start: they are written down together.
                 if (!nodes_alarm.is_set()) nodes_alarm.set(nodes_pause, [this] { keep_nodes(); });
             },
         .lost = [this](const wire::Member& member, const std::string& why) { lost(member, why); },
         .published = [this](const PeerId& from, const wire::BoardState& news) { published(from, news); },
         .refused = [this](const Endpoint& seed, const Error& why) { refused_at(seed, why); },
         .revoked = [this](const std::vector<PublicKey>& keys) { coordinator->clients_revoked(keys); }});
    if (!joined) return fail(joined.error());
    mesh = std::move(*joined);
    mesh->serve([this](const PeerId& from, const wire::Body& body, Reply reply) {
        serve_peer(from, body, std::move(reply));
    });
    door->serve([this](const PeerId& from, const wire::Body& body, Reply reply) {
        serve_visitor(from, body, std::move(reply));
    });
    return {};
}

void NodeManager::Impl::make_board() {
    const bool ipc = config.link_transport == "ipc";
    spawner = make_process_spawner(loop, {.jobs_dirs = config.jobs_dirs,
                                          .link_place = ipc ? state->links().string() : config.link_address,
                                          .link_directories = ipc,
                                          .parked_jobs = static_cast<std::size_t>(config.parked_jobs)});
    BoardOptions options{.devices = devices->states(), .jobs = {}};
    options.jobs.board = config.name;
    options.jobs.log = &log;
    options.labels = config.labels;
    for (auto& profile : devices->profiles())
        options.labels.push_back(std::move(profile));
    options.jobs.link_transport = config.link_transport;
    options.jobs.security = sockets.identity().has_keys() ? 2 : config.insecure ? 1 : 0;
    options.jobs.devices = devices.get();
    board = std::make_unique<Board>(
        loop, *mesh, *store, *packages, *spawner, std::move(options),
        [this](const wire::BoardState& published_state) { mesh->publish(published_state); },
        [this] { return coordinator ? static_cast<std::uint32_t>(coordinator->active()) : 0; });
    devices->on_change([this] {
        if (std::exchange(devices_changed, true)) return;
        loop.post(lifetime.guarded([this] {
            devices_changed = false;
            board->set_devices(devices->states());
        }));
    });
    view = std::make_unique<ClusterView>(*mesh, *board, loop.now());
}

Result<> NodeManager::Impl::make_coordinator() {
    if (const auto fd = devices->board_fd(); fd >= 0) {
        auto memory = BoardMemory::attach(fd);
        if (!memory) return fail(memory.error());
        pacer = std::make_unique<BoardPacer>(std::move(*memory));
    }
    const auto place = config.link_transport + ":" +
                       (config.link_transport == "ipc" ? state->links().string() : config.link_address);
    coordinator = std::make_unique<Coordinator>(RunSurroundings{
        .loop = loop,
        .courier = *mesh,
        .directory = *view,
        .has_package = [this](const std::string& package) { return store->has(package); },
        .tell_client = [this](const PeerId& client, const wire::Body& body) { door->send(client, body); },
        .next_ticket = [this] { return mesh->next_ticket(); },
        .key_of = [this](const PeerId& client) { return door->key_of(client); },
        .make_ends = [this, place](const RunEndsTerms& terms, ChunkLedger& ledger,
                                   RunEnds::Events events) -> Result<std::unique_ptr<RunEnds>> {
            std::error_code ignored;  // cleaners of /tmp remove it; binding says what is wrong
            std::filesystem::create_directories(state->links(), ignored);
            return make_link_ends(loop, sockets, place, terms, ledger, std::move(events), terms.on_board ? pacer.get() : nullptr);
        },
        .log = &log,
        .memory = MemoryBudget(std::uint64_t(config.run_memory) << 20),
        .client_port = devices->port()});
    return {};
}

Result<> NodeManager::Impl::watch_parent() {
    if (!config.die_with_parent) return {};
    const Error ended{Fault::cancelled, "the parent process has ended already, and it is to end with it"};
    if (config.parent.gone) return fail(ended);
    const auto parent = config.parent.pid ? config.parent.pid : ::getppid();
    parent_fd = static_cast<int>(::syscall(SYS_pidfd_open, parent, 0));
    if (parent_fd < 0 && errno != ESRCH)
        return fail(Fault::io, "cannot watch the parent process: {}", std::strerror(errno));
    if (parent_fd < 0 || ::getppid() != parent) return fail(ended);  // its number may be another's by now
    parent_watch = loop.watch_readable(parent_fd, [this] {
        loop.unwatch(std::exchange(parent_watch, 0));
        spdlog::info("the parent process has ended");
        stop();
    });
    return {};
}

NodeManager::Impl::~Impl() {
    if (nodes_alarm.is_set()) keep_nodes();
    loop.unwatch(parent_watch);
    if (parent_fd >= 0) ::close(parent_fd);
    if (coordinator) coordinator->say_farewell(fmt::format("board {} was stopped", config.name));
    coordinator.reset();
    if (board) spdlog::info("board {} stops; {} jobs are killed", config.name, board->jobs());
}

// ---- what others ask

void NodeManager::Impl::serve_visitor(const PeerId& visitor, const wire::Body& body, Reply reply) {
    if (!reply) reply = [](const wire::Body&) {};
    if (package_service->serve(body, reply)) return;
    if (const auto* submit = body.as<wire::Submit>()) {
        coordinator->submit(visitor, owned_by(visitor, *submit), std::move(reply));
        board->changed();
    } else if (const auto* finish = body.as<wire::Finish>()) {
        coordinator->finish(*finish, std::move(reply));
    } else if (const auto* cancel = body.as<wire::Cancel>()) {
        coordinator->cancel(*cancel, std::move(reply));
    } else if (const auto* alive = body.as<wire::ClientAlive>()) {
        coordinator->client_alive(visitor, *alive);
    } else if (body.is<wire::Query>()) {
        reply(wire::Status{config.cluster, wire::protocol_version, view->rows(loop.now()), coordinator->states(),
                           view->lost_boards(loop.now()), is_open(), mesh->self().peer});
    } else if (body.is<wire::Check>()) {
        reply(check_board(config));
    } else if (const auto* fill = body.as<wire::Fill>()) {
        reply(filled(*fill));
    } else if (const auto* probe = body.as<wire::Probe>()) {
        measure(*probe, std::move(reply));
    } else if (const auto* logs = body.as<wire::Logs>()) {
        auto lines = log.lines(logs->run, logs->after);
        lines.board = config.name;
        reply(std::move(lines));
    } else if (const auto* allowed = body.as<wire::Allowed>()) {
        reply(allow(*allowed));
    } else if (const auto* join = body.as<wire::Join>()) {
        reply(take_in(visitor, *join));
    } else if (const auto* ticket = body.as<wire::Ticket>()) {
        reply(issue(*ticket));
    } else if (body.is<wire::Mend>()) {
        devices->mend();
        reply(wire::Done{});
    } else if (body.is<wire::Shutdown>()) {
        reply(shut_down());
    } else {
        reply(refused(
            {Fault::unsupported, fmt::format("a front door does not answer {}", wire::name_of(body))}));
    }
}

void NodeManager::Impl::serve_peer(const PeerId& peer, const wire::Body& body, Reply reply) {
    if (!reply) reply = [](const wire::Body&) {};
    if (board->serve(peer, body, reply) || package_service->serve(body, reply)) return;
    if (const auto* grant = body.as<wire::Grant>()) {
        reply(coordinator->grant(peer, *grant));
    } else if (const auto* wounded = body.as<wire::Wounded>()) {
        reply(coordinator->wounded(peer, *wounded));
    } else if (const auto* job_lost = body.as<wire::JobLost>()) {
        reply(coordinator->job_lost(peer, *job_lost));
    } else if (const auto* cancel = body.as<wire::Cancel>()) {
        coordinator->cancel(*cancel, std::move(reply));
    } else {
        reply(refused(
            {Fault::unsupported, fmt::format("a node manager does not answer {}", wire::name_of(body))}));
    }
}

void NodeManager::Impl::published(const PeerId& peer, const wire::BoardState& news) {
    view->heard(peer, news);
}

// Two boards of one name work, but people cannot tell them apart. Two with one key are one to whoever revokes it; the same board
// that has come back before its end was noticed is at the same address.
void NodeManager::Impl::joined(const wire::Member& member) {
    if (!view) return;
    view->joined(member.peer, loop.now());
    for (const auto& other : mesh->members())
        if (other.peer != member.peer && other.name == member.name)
            log.warn({}, "mesh", "two boards are called '{}': {} and {}; give one of them another --name", member.name,
                     other.front_door, member.front_door);
    for (const auto& other : mesh->members())
        if (!member.key.empty() && other.key == member.key && other.front_door != member.front_door)
            log.warn({}, "keys", "board '{}' at {} and board '{}' at {} have the same key {}: a key directory was copied; `fard join` with a "
                     "ticket gives the second one a key of its own", other.name, other.front_door, member.name, member.front_door,
                     member.key.brief());
}

void NodeManager::Impl::lost(const wire::Member& member, const std::string& why) {
    view->lost(member, why, loop.now());
    coordinator->board_lost(member.peer, why);
}

void NodeManager::Impl::refused_at(const Endpoint& seed, const Error& why) {
    if (refused_by.insert(seed).second)
        spdlog::error("seed {} refuses this node manager: {}", seed, why.message);
}

// With keys it is the key's name that counts: what the client says of its user is said by whoever holds the key.
wire::Submit NodeManager::Impl::owned_by(const PeerId& visitor, wire::Submit submit) const {
    const auto& ring = sockets.identity().ring();
    const auto name = ring ? ring->owner_of(door->key_of(visitor)) : "";
    if (!name.empty()) submit.owner = submit.owner.empty() ? name : fmt::format("{} ({})", name, submit.owner);
    return submit;
}

// Ways to members alone: nobody has this board knock at doors of his choice.
void NodeManager::Impl::measure(const wire::Probe& probe, Reply reply) {
    for (const auto& member : mesh->members())
        if (member.door() == probe.front_door) return prober->probe(probe.front_door, std::move(reply));
    reply(refused({Fault::not_found, fmt::format("no member of the cluster is at {}", probe.front_door.endpoint)}));
}

// Adds and revokes keys for the whole cluster, and answers with the list as it is then.
wire::Body NodeManager::Impl::allow(const wire::Allowed& allowed) {
    const auto& ring = sockets.identity().ring();
    if (!ring) return refused({Fault::unsupported, "this cluster has no keys; `fard init` makes one that has"});
    if (const auto taken = mesh->allow(allowed.keys); !taken) return refused(taken.error());
    return wire::Allowed{ring->keys()};
}

// Boards that were members before: with keys they are asked first, after a restart, what was revoked meanwhile.
std::vector<WrittenAddress> NodeManager::Impl::kept_nodes() const {
    std::vector<WrittenAddress> nodes;
    if (config.keys.empty()) return nodes;
    const auto bound = door->endpoint();
    const auto reached = config.advertise.empty() ? Result<Endpoint>(bound) : Endpoint::tcp(config.advertise, bound.port());
    for (const auto& address : known_nodes(config.keys)) {
        auto node = WrittenAddress::parse(address.text());
        const bool own = address.key == sockets.identity().key() && reached && address.endpoint == *reached;  // else it is a copy's
        if (node && !own && std::ranges::find(config.seeds, *node) == config.seeds.end())
            nodes.push_back(std::move(*node));
    }
    return nodes;
}

void NodeManager::Impl::keep_nodes() const {
    if (config.keys.empty() || !mesh) return;
    std::vector<Address> nodes;
    for (const auto& member : mesh->members())
        nodes.push_back(member.door());
    if (const auto written = write_nodes(config.keys, nodes); !written) spdlog::warn("keys: {}", written.error().message);
}

wire::Body NodeManager::Impl::issue(const wire::Ticket& ticket) {
    const auto& ring = sockets.identity().ring();
    if (!ring) return refused({Fault::unsupported, "this cluster has no keys; `fard init` makes one that has"});
    if (ticket.role < 1 || ticket.role > 3 || !is_public_key(ticket.key.hex))
        return refused({Fault::invalid_input, "no ticket for such a role"});
    return answer_of(ring->add_ticket(ticket.key, static_cast<Role>(ticket.role), ticket_lifetime));
}

// The bearer of a ticket becomes what the ticket is for; the ticket is used up.
wire::Body NodeManager::Impl::take_in(const PeerId& visitor, const wire::Join& join) {
    const auto& ring = sockets.identity().ring();
    if (!ring) return refused({Fault::unsupported, "this cluster has no keys"});
    if (!is_public_key(join.key.hex)) return refused({Fault::invalid_input, "JOIN without a key"});
    const auto role = ring->use_ticket(door->key_of(visitor), join.key);
    if (!role) return refused(role.error());
    const wire::AllowedKey key{join.key, static_cast<std::uint8_t>(*role), join.board, false};
    if (const auto taken = mesh->allow({key}); !taken) return refused(taken.error());
    if (ring->role_of(join.key) != *role)
        return refused({Fault::refused, "the key was revoked before, or its name is no name (at most 64 letters, no spaces)"});
    spdlog::info("a ticket was used: {} {} has joined with the key {}", name_of(*role), join.board, join.key.brief());
    wire::Joined joined{config.cluster, key.role, ring->keys(), {}};
    for (const auto& member : mesh->members())
        joined.doors.push_back(member.door());
    return joined;
}

wire::Body NodeManager::Impl::shut_down() {
    if (!door->endpoint().is_ipc())
        return refused(
            {Fault::refused, "a node manager is only shut down over an ipc front door; send it SIGTERM"});
    stop_alarm.set(farewell, [this] { stop(); });
    return wire::Done{};
}

// ------------------------------------------------------------------------------------------------------------------

namespace {

// Whose sockets this node manager's are: the one place where it is decided.
Result<Identity> identity_of(const Config& config) {
    if (config.keys.empty()) return config.insecure ? Identity::insecure() : Identity::local();
    hide_memory();
    auto keys = KeyPair::read(config.keys / "key");
    if (!keys) return fail_in("keys", keys.error());
    auto ring = KeyRing::open(config.keys / "allowed");
    if (!ring) return fail_in("keys", ring.error());
    if ((*ring)->role_of(keys->public_key) != Role::node)
        return fail(Fault::refused, "keys: the key {} in {} is not that of a node", keys->public_key.brief(),
                    config.keys.string());
    return Identity::keyed(std::move(*keys), std::move(*ring),
                           [](const std::string& what) { spdlog::warn("keys: {}", what); });
}

}  // namespace

// Sockets with what wakes them, three workers, two contexts of libzmq, the heartbeat, who asks for keys, who writes the log; and
// some for what comes: names to resolve, jobs to start, visitors.
Result<> NodeManager::check_room() {
    constexpr std::size_t descriptors = 96, threads = 16;
    if (auto room = check_descriptors(descriptors); !room) return room;
    return check_threads(threads);
}

Result<std::unique_ptr<NodeManager>> NodeManager::start(Loop& loop, const Config& config,
                                                        std::function<void()> stop) {
    auto identity = identity_of(config);
    if (!identity) return fail(identity.error());
    auto impl = std::make_unique<Impl>(loop, config, std::move(*identity), std::move(stop));
    if (auto started = impl->start(); !started) return fail(started.error());
    return std::unique_ptr<NodeManager>(new NodeManager(std::move(impl)));
}

NodeManager::NodeManager(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NodeManager::~NodeManager() = default;

const Endpoint& NodeManager::front_door() const {
    return impl_->door->endpoint();
}

}  // namespace fard
