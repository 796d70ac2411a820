#include "runtime/peer/mesh.hpp"

#include <spdlog/spdlog.h>

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "runtime/peer/beacon.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/gossip.hpp"
#include "runtime/peer/heartbeat.hpp"
#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/membership.hpp"
#include "runtime/peer/messages_mesh.hpp"
#include "runtime/peer/monitor.hpp"
#include "runtime/peer/subscriptions.hpp"

namespace fard {
namespace {

using namespace std::chrono_literals;

constexpr Duration tick_interval = 250ms;
// A seed that dozens of boards greet at once, and that shares its cores with them, needs seconds; to greet it anew costs it
// more than to wait.
constexpr Duration hello_deadline = 4s;
constexpr Duration ping_deadline = 10s;
constexpr Duration sync_deadline = 500ms;
constexpr int waiting_messages = 256;  // for a peer that does not take them; what it misses is repeated or made good
constexpr Duration keys_pause = 2s;  // until a list of keys that could not be written is written again
constexpr Duration farewell = 100ms;  // how long the process may wait for LEAVE to go out

constexpr Duration name_deadline = 5s;      // of one look at a seed's name
constexpr Duration name_pause = 5s;         // until the next, while its board is not found
constexpr int failures_to_tell = 2;         // in a row, then a seed's silence is logged
constexpr unsigned nodes = 1u << static_cast<unsigned>(Role::node);
constexpr Duration closed_for = 3s;  // at most, at the start: until a seed has said which keys were revoked

Endpoint advertised(const Endpoint& bound, const std::string& address) {
    return bound.is_tcp() && !address.empty() ? Endpoint::tcp(address, bound.port()).value_or(bound) : bound;
}

Result<> check_reachable(const std::string& what, const Endpoint& endpoint) {
    if (endpoint.is_wildcard()) {
        return fail(Fault::invalid_input,
                    "{} is bound to {}, where others cannot connect; bind it to this board's own address",
                    what, endpoint);
    }
    return {};
}

}  // namespace

// The parts: Membership decides who belongs and whom we hear, Gossip when what is told, Heartbeat (its own thread) who
// lives, Requests repeats and answers; this class carries their messages and turns their decisions into connections and
// events.
struct Mesh::Impl : std::enable_shared_from_this<Mesh::Impl> {
    Impl(Loop& the_loop, SocketFactory& the_sockets, FrontDoor& the_door, MeshOptions the_options,
         Events the_events, Socket the_publisher)
        : loop(the_loop),
          sockets(the_sockets),
          door(the_door),
          options(std::move(the_options)),
          events(std::move(the_events)),
          publisher(std::move(the_publisher)),
          ring(the_sockets.identity().ring()) {}

    Result<> open(const PeerId& self_id);
    void begin();
    void close();

    // ---- who is there (membership)
    void apply(const Membership::Changes& changes);
    void welcome_in(const wire::Member& member);
    void see_off(const wire::Member& member, const std::string& why);
    void on_loss(const Heartbeat::Loss& loss);
    void listen();
    void greet(const PeerId& peer);
    void unheard(const PeerId& peer, TimePoint since);
    wire::Digest in_short() const;
    void catch_up(const PeerId& peer);
    void answer_hello(const wire::Body& body, const Reply& reply);
    void tick();
    void knock_where_due();
    void knock(const Address& front_door);
    void on_knocked(const Endpoint& front_door, Result<wire::Body> answer);
    void unanswered(const Endpoint& front_door, const Error& why);
    void find_seed(const WrittenAddress& seed);
    Result<> allow(const std::vector<wire::AllowedKey>& keys);
    Result<> keep_keys();
    bool admits(const wire::Member& member) const;
    void tell_news();
    void sync_with(const PeerId& peer);

    // ---- what comes and goes
    void post(const std::string& topic, const wire::Envelope& envelope, const wire::Body& body);
    void post_state(const std::string& topic, const wire::Body& state);
    void carry(const PeerId& to, const wire::Envelope& envelope, const wire::Body& body);
    void take(const PeerId& sender, const Message& message);
    void take_undecoded(const PeerId& sender, const Message& message, const Error& why);
    void take_state(const PeerId& from, const wire::Body& body);
    void take_request(const PeerId& from, const wire::Body& body, Reply reply);

    Loop& loop;
    SocketFactory& sockets;
    FrontDoor& door;
    MeshOptions options;
    Events events;
    wire::Member self;
    std::optional<Membership> membership;
    std::optional<Gossip> gossip;
    std::optional<Requests> requests;
    std::shared_ptr<const RequestHandler> handler;
    Socket publisher;
    std::shared_ptr<KeyRing> ring;  // null without keys
    std::unique_ptr<Heartbeat> heartbeat;
    std::unique_ptr<LanBeacon> beacon;
    std::map<Endpoint, std::unique_ptr<Visitor>> knocking;  // by front door
    std::map<Endpoint, int> failures;                       // of seeds, in a row
    std::set<Endpoint> seeds;                               // as far as their names are resolved
    std::optional<Resolver> resolver;
    std::unique_ptr<Subscriptions> subscriptions;
    std::map<PeerId, TimePoint> greeted;  // who has not answered yet over its publisher, since when
    Loop::TimerId timer = 0;
    Loop::TimerId news_timer = 0;
    bool keys_unsaved = false;
    TimePoint keys_tried{};
    DropLog drops{"mesh"};
    std::uint64_t strangers = 0;  // messages of peers that are no members (any more)
    bool closed = false;
};

Result<> Mesh::Impl::open(const PeerId& self_id) {
    auto bound = publisher.bind(options.publisher, {.roles = nodes, .keys = {}});
    if (!bound) return fail_in("publisher", bound.error());
    set_linger(publisher, farewell);

    const auto on_lost = [this](const Heartbeat::Loss& loss) {
        loop.post([weak = weak_from_this(), loss] {
            const auto impl = weak.lock();
            if (impl && !impl->closed) impl->on_loss(loss);
        });
    };
    auto started = Heartbeat::start(
        sockets, self_id, {options.heartbeat, options.heartbeat_interval, options.silence_limit}, on_lost);
    if (!started) return fail(std::move(started).error());
    heartbeat = std::move(*started);

    self = {self_id,
            options.name,
            advertised(door.endpoint(), options.advertise),
            advertised(*bound, options.advertise),
            advertised(heartbeat->endpoint(), options.advertise),
            sockets.identity().key()};
    return check_reachable("the front door", self.front_door)
        .and_then([&] { return check_reachable("the publisher", self.publisher); })
        .and_then([&] { return check_reachable("the heartbeat", self.heartbeat); });
}

void Mesh::Impl::begin() {
    wire::Record record;
    record.member = self;
    record.life = std::stoull(random_hex(8), nullptr, 16);
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    record.incarnation = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count());
    membership.emplace(options.cluster, std::move(record), std::vector<Address>{});
    membership->admit_by([this](const wire::Member& member) { return admits(member); });
    if (ring && !options.seeds.empty()) {
        ring->set_open(false);
        loop.call_after(closed_for, [ring = ring] { ring->set_open(true); });
    }
    resolver.emplace(loop);
    for (const auto& seed : options.seeds)
        find_seed(seed);
    membership->believe_ears([this](const PeerId& peer) {
        return heartbeat->silent_for(peer) < options.silence_limit / 2;
    });
    subscriptions = std::make_unique<Subscriptions>(
        loop, sockets, *membership,
        Subscriptions::Events{[this](const PeerId& peer, const Message& message) { take(peer, message); },
                              [this](const PeerId& peer) { greet(peer); }});
    gossip.emplace(*membership);
    requests.emplace(loop, self.peer,
                     [this](const PeerId& to, const wire::Envelope& envelope, const wire::Body& body) {
                         carry(to, envelope, body);
                     });
    requests->name_peers([this](const PeerId& peer) { return membership->name_of(peer); });
    requests->serve([this](const PeerId& from, const wire::Body& body, Reply reply) {
        take_request(from, body, std::move(reply));
    });
    door.serve_hello(
        [this](const PeerId&, const wire::Body& body, const Reply& reply) { answer_hello(body, reply); });
    timer = loop.call_at(loop.now(), [this] { tick(); });
}

void Mesh::Impl::close() {
    closed = true;
    post_state(everyone, wire::Leave{});
    loop.cancel(timer);
    loop.cancel(news_timer);
    door.serve_hello(nullptr);
    beacon.reset();
    knocking.clear();
    resolver.reset();
    subscriptions.reset();
    heartbeat.reset();
    requests.reset();
}

// ---- who is there

void Mesh::Impl::apply(const Membership::Changes& changes) {
    using Kind = Membership::Change::Kind;
    const auto keep = shared_from_this();  // an event may close the mesh
    bool other_members = false;
    for (const auto& change : changes) {
        if (change.kind == Kind::joined) welcome_in(change.member);
        if (change.kind == Kind::lost) see_off(change.member, change.why);
        if (change.kind == Kind::state && events.published) {
            const auto& peer = change.member.peer;
            if (const auto state = membership->state_of(peer)) events.published(peer, *state);
        }
        if (closed) return;  // by an event
        other_members = other_members || change.kind != Kind::state;
    }
    if (other_members) listen();
    tell_news();
}

void Mesh::Impl::welcome_in(const wire::Member& member) {
    spdlog::info("mesh: board {} joined", member.name);
    for (const auto& entry : membership->roster()) {
        const auto& other = entry->member;
        if (other.name == member.name && other.peer != member.peer && !member.name.empty())
            spdlog::warn("mesh: two boards are called {}: the one at {} and the one at {}; give each a name of its own",
                         member.name, other.front_door, member.front_door);
    }
    heartbeat->add(member);
    subscriptions->joined(member.peer);
    if (events.joined) events.joined(member);
}

void Mesh::Impl::see_off(const wire::Member& member, const std::string& why) {
    spdlog::warn("mesh: board {} is gone: {}", member.name, why);
    subscriptions->lost(member.peer);
    greeted.erase(member.peer);
    heartbeat->remove(member.peer);
    requests->forget(member.peer, why);
    if (!closed && events.lost) events.lost(member, why);
}

void Mesh::Impl::on_loss(const Heartbeat::Loss& loss) {
    apply(membership->lost(loss.peer, loss.why, !loss.ended, loss.alone, loop.now()));
}

// Hears whom the neighbourhood wants us to hear, and exchanges heartbeats with whom it says.
void Mesh::Impl::listen() {
    subscriptions->follow();
    const auto& roster = membership->roster();
    heartbeat->watch(membership->neighbourhood().behind(roster), membership->neighbourhood().before(roster));
}

// A new subscription takes a moment, and what is published before is lost. The answer to this PING says that
// the peer hears us and we hear it; then it is told what we know, in short.
void Mesh::Impl::greet(const PeerId& peer) {
    const auto begun = greeted.emplace(peer, loop.now()).first->second;
    requests->ask(peer, wire::Ping{}, ping_deadline, [this, peer, begun](const Result<wire::Body>& answer) {
        if (closed) return;
        if (!answer && membership->find(peer) != nullptr && subscriptions->subscribed_to(peer)) return unheard(peer, begun);
        if (greeted.erase(peer) > 0 && answer && loop.now() - begun > ping_deadline)
            spdlog::info("mesh: {} is heard now", membership->name_of(peer));
        if (answer) catch_up(peer);
    });
}

// It may hear us, and be a member by what it says itself, and yet have given an address that leads nowhere from here.
void Mesh::Impl::unheard(const PeerId& peer, TimePoint since) {
    const auto& member = *membership->find(peer);
    if (loop.now() - since < 2 * ping_deadline)
        spdlog::warn("mesh: nothing comes from board {} at {}: is that the address at which others reach it (front_door, "
                     "advertise), and is the port open in its firewall?", member.name, member.publisher);
    greet(peer);
}

// The members, and with them the keys: a ring is long, and nearly always the same one.
wire::Digest Mesh::Impl::in_short() const {
    auto digest = membership->digest();
    if (ring) digest.keys = ring->hash();
    return digest;
}

void Mesh::Impl::catch_up(const PeerId& peer) {
    post_state(peer.hex, in_short());
}

void Mesh::Impl::answer_hello(const wire::Body& body, const Reply& reply) {
    const auto& hello = *body.as<wire::Hello>();
    const auto changes = membership->hello(hello, loop.now());
    if (!changes) {
        spdlog::warn("mesh: refused a peer: {}", changes.error().message);
        return reply(refused(changes.error()));
    }
    door.witness(requests->lamport());
    auto welcome = membership->our_welcome(hello);
    if (ring) welcome.keys = ring->keys();
    reply(std::move(welcome));
    const auto keep = shared_from_this();
    apply(*changes);
    if (closed || !hello.listen) return;
    const auto* member = membership->find(hello.record.member.peer);
    if (member == nullptr || member->peer == self.peer) return;
    subscriptions->heard_on_request(*member);
}

void Mesh::Impl::tick() {
    timer = loop.call_after(tick_interval, [this] { tick(); });
    if (!heartbeat->alone()) membership->not_alone(loop.now());
    subscriptions->drop_unwanted();
    if (subscriptions->unsettled()) listen();
    tell_news();
    knock_where_due();
    if (keys_unsaved && loop.now() - keys_tried >= keys_pause) (void)keep_keys();
}

void Mesh::Impl::knock_where_due() {
    const auto waits_at = [this](const Endpoint& front_door) { return knocking.contains(front_door); };
    for (const auto& front_door : membership->knocks(loop.now(), waits_at))
        knock(front_door);
}

// Seeds in digits are known at once. A name is looked up until it is known: name servers may be switched on later than
// boards.
void Mesh::Impl::find_seed(const WrittenAddress& seed) {
    if (!seed.endpoint().empty()) {
        seeds.insert(seed.endpoint());
        return membership->add_seed({seed.endpoint(), seed.key()});
    }
    resolver->resolve(seed, name_deadline, [this, seed](Result<std::vector<Address>> found) {
        if (found) {
            for (const auto& address : *found) {
                seeds.insert(address.endpoint);
                membership->add_seed(address);
            }
            return knock_where_due();
        }
        spdlog::warn("mesh: seed {}: {}; it is tried again", seed.text(), found.error().message);
        loop.call_after(name_pause, [weak = weak_from_this(), seed] {
            const auto impl = weak.lock();
            if (impl && !impl->closed) impl->find_seed(seed);
        });
    });
}

void Mesh::Impl::knock(const Address& front_door) {
    const auto& endpoint = front_door.endpoint;
    if (knocking.contains(endpoint)) return;
    auto visitor = Visitor::knock(loop, sockets, self.peer, front_door);
    if (!visitor) return spdlog::error("mesh: seed {}: {}", endpoint, visitor.error().message);
    auto& place = knocking[endpoint] = std::move(*visitor);
    place->ask(membership->our_hello(), hello_deadline, [this, endpoint](Result<wire::Body> answer) {
        const auto keep = shared_from_this();  // an event may close the mesh
        on_knocked(endpoint, std::move(answer));
    });
}

// A seed's silence is told once it is no coincidence, and its end.
void Mesh::Impl::unanswered(const Endpoint& front_door, const Error& why) {
    spdlog::debug("mesh: {}", why.message);
    if (!seeds.contains(front_door)) return;
    const auto times = ++failures[front_door];
    const bool certain = why.fault == Fault::unreachable;  // who listens there has keys and we have none, or the other way round
    if (times == 1 && certain) spdlog::warn("mesh: seed {}: {}; it is tried again", front_door, why.message);
    if (times == failures_to_tell && !certain)
        spdlog::warn("mesh: seed {} does not answer; is a node manager running there? It is tried again", front_door);
}

void Mesh::Impl::on_knocked(const Endpoint& front_door, Result<wire::Body> answer) {
    const auto visitor = std::move(knocking.at(front_door));
    knocking.erase(front_door);
    if (!answer) {
        if (answer.error().fault != Fault::refused) return unanswered(front_door, answer.error());
        spdlog::error("mesh: refused by {}: {}", front_door, answer.error().message);
        if (events.refused) events.refused(front_door, answer.error());
        return;
    }
    const auto* welcome = answer->as<wire::Welcome>();
    if (welcome == nullptr || welcome->records.empty()) return;
    requests->witness(visitor->lamport());
    if (ring) {
        if (const auto taken = allow(welcome->keys); !taken) spdlog::error("mesh: {}", taken.error().message);
        ring->set_open(true);
    }
    if (auto failed = failures.extract(front_door); !failed.empty() && failed.mapped() >= failures_to_tell)
        spdlog::info("mesh: seed {} answers", front_door);
    membership->answered(front_door, welcome->records.front().member.peer);
    apply(membership->welcome(*welcome, loop.now()));
}

// Tells what is due to be told, and sets the timer for what is due next.
void Mesh::Impl::tell_news() {
    auto deeds = gossip->due(loop.now());
    for (const auto& news : deeds.news)
        post_state(everyone, news);
    if (deeds.digest) post_state(everyone, in_short());
    if (deeds.sync_with) sync_with(*deeds.sync_with);
    loop.cancel(news_timer);
    news_timer = loop.call_at(gossip->next(), [this] { tell_news(); });
}

// While the members still find each other, the other may not count us among its neighbours and not hear us: then its
// front door does.
void Mesh::Impl::sync_with(const PeerId& peer) {
    requests->ask(peer, membership->our_sync(), sync_deadline, [this, peer](const Result<wire::Body>& answer) {
        const auto keep = shared_from_this();  // an event may close the mesh
        const auto* news = answer ? answer->as<wire::News>() : nullptr;
        Membership::Changes changes;
        if (news != nullptr) changes = membership->synced(peer, *news, loop.now());
        gossip->answered(loop.now());
        const auto* member = membership->find(peer);
        if (!answer && answer.error().fault == Fault::timed_out && member != nullptr) knock(member->door());
        apply(changes);
    });
}

// ---- what comes and goes

void Mesh::Impl::post(const std::string& topic, const wire::Envelope& envelope, const wire::Body& body) {
    const auto bytes = wire::encode(envelope, body);
    if (bytes.size() > wire::cap_of(body)) {
        return spdlog::error("mesh: {} of {} bytes is over its cap and was not sent", wire::name_of(body),
                             bytes.size());
    }
    Message message;
    message.emplace_back(std::string_view(topic));
    message.emplace_back(std::string_view(bytes));
    publisher.try_send(message);
}

void Mesh::Impl::post_state(const std::string& topic, const wire::Body& state) {
    post(topic, {self.peer, 0, false, requests->next_lamport()}, state);
}

void Mesh::Impl::carry(const PeerId& to, const wire::Envelope& envelope, const wire::Body& body) {
    if (to != self.peer) return post(to.hex, envelope, body);
    loop.post([weak = weak_from_this(), envelope, body] {
        const auto impl = weak.lock();
        if (impl && !impl->closed) impl->requests->receive(envelope, body);
    });
}

// `sender` is whose publisher the message came from.
void Mesh::Impl::take(const PeerId& sender, const Message& message) {
    const auto keep = shared_from_this();  // a callback may close the mesh
    if (message.size() != 2) return drops.note(loop.now(), {Fault::corrupt, "not a topic and a message"});
    const auto decoded = wire::decode(message[1].text());
    if (!decoded) return take_undecoded(sender, message, decoded.error());
    const auto& envelope = decoded->envelope;
    if (envelope.from != sender || membership->find(sender) == nullptr) {
        ++strangers;
        return;
    }
    const bool state = envelope.request == 0;
    if (!state && message[0].text() != self.peer.hex) {
        return drops.note(loop.now(),
                          {Fault::corrupt, fmt::format("{} to everyone", wire::name_of(decoded->body))});
    }
    if (!state) return requests->receive(envelope, decoded->body);
    requests->witness(envelope.lamport);
    take_state(envelope.from, decoded->body);
}

// A member's question that is too new for us is refused, not left without an answer.
void Mesh::Impl::take_undecoded(const PeerId& sender, const Message& message, const Error& why) {
    drops.note(loop.now(), why);
    if (why.fault != Fault::unsupported || message[0].text() != self.peer.hex) return;
    const auto envelope = wire::envelope_of(message[1].text());
    if (!envelope || envelope->from != sender || membership->find(sender) == nullptr) return;
    requests->receive_unknown(*envelope, why);
}

void Mesh::Impl::take_state(const PeerId& from, const wire::Body& body) {
    if (const auto* news = body.as<wire::News>()) {
        const auto changes = membership->news(from, *news, loop.now());
        knock_where_due();
        apply(changes);
    } else if (const auto* digest = body.as<wire::Digest>()) {
        // Who is not a neighbour (any more) may not hear our SYNC.
        if (!membership->neighbourhood().hears(from, membership->roster())) return;
        if (ring && digest->keys != ring->hash()) post_state(from.hex, wire::Allowed{ring->keys()});
        gossip->heard(from, {digest->members, digest->hash, 0});
        tell_news();
    } else if (body.is<wire::Leave>()) {
        apply(membership->leave(from, loop.now()));
    } else if (const auto* allowed = body.as<wire::Allowed>()) {
        if (const auto taken = allow(allowed->keys); !taken) spdlog::error("mesh: {}", taken.error().message);
    }
}

// ---- keys

bool Mesh::Impl::admits(const wire::Member& member) const {
    if (!ring) return member.key.empty();
    return belongs_to(member.peer, member.key) && ring->role_of(member.key) == Role::node;
}

Result<> Mesh::Impl::allow(const std::vector<wire::AllowedKey>& keys) {
    if (!ring) return {};
    const auto merged = ring->merge(keys);
    if (!merged.changed) return {};
    post_state(everyone, wire::Allowed{ring->keys()});
    auto kept = keep_keys();
    if (merged.revoked.empty()) return kept;
    for (const auto& key : merged.revoked) {
        spdlog::warn("mesh: the key {} is revoked", key.brief());
        for (const auto& member : membership->members())
            if (member.key == key && member.peer != self.peer)
                apply(membership->lost(member.peer, "its key was revoked", false, false, loop.now()));
        if (closed) return kept;
    }
    door.cut_connections();
    publisher.cut_connections();
    heartbeat->cut_connections();
    if (events.revoked) events.revoked(merged.revoked);
    return kept;
}

// What is in force is on disk as well before long, whatever fills it: else a restart would forget it.
Result<> Mesh::Impl::keep_keys() {
    keys_tried = loop.now();
    const auto kept = ring->keep();
    if (kept && std::exchange(keys_unsaved, false)) spdlog::info("mesh: the list of keys is on disk now");
    if (kept) return {};
    keys_unsaved = true;
    return fail(kept.error().fault, "{}: what has changed in the list of keys holds, but a restart would forget it; it is "
                "written as soon as that can be done", kept.error().message);
}

void Mesh::Impl::take_request(const PeerId& from, const wire::Body& body, Reply reply) {
    if (const auto* ping = body.as<wire::Ping>()) return reply(wire::Pong{ping->sequence, {}, 0});
    if (const auto* sync = body.as<wire::Sync>()) return reply(membership->differences(*sync));
    subscriptions->work_with(from);
    if (const auto current = handler) (*current)(from, body, std::move(reply));
}

// ---- Mesh

Result<std::unique_ptr<Mesh>> Mesh::start(Loop& loop, SocketFactory& sockets, FrontDoor& door,
                                          MeshOptions options, Events events) {
    auto publisher = sockets.make(SocketKind::pub, {.high_water_mark = waiting_messages});
    if (!publisher) return fail(std::move(publisher).error());
    auto impl = std::make_shared<Impl>(loop, sockets, door, std::move(options), std::move(events),
                                       std::move(*publisher));
    if (auto opened = impl->open(door.self()); !opened) return fail(std::move(opened).error());
    impl->begin();
    if (impl->options.beacon) {
        auto broadcast = open_broadcast(impl->options.beacon_port);
        if (!broadcast) {
            impl->close();
            return fail(std::move(broadcast).error());
        }
        const auto& self = impl->self;
        impl->beacon = std::make_unique<LanBeacon>(
            loop, std::move(*broadcast),
            wire::Beacon{impl->options.cluster, wire::protocol_version, self.peer, self.front_door},
            [raw = impl.get()](const wire::Beacon& found) {
                raw->membership->add_door({found.front_door, {}}, raw->loop.now());
            });
    }
    return std::unique_ptr<Mesh>(new Mesh(std::move(impl)));
}

Mesh::Mesh(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Mesh::~Mesh() {
    impl_->close();
}

const wire::Member& Mesh::self() const {
    return impl_->self;
}
std::vector<wire::Member> Mesh::members() const {
    return impl_->membership->members();
}

Duration Mesh::silent_for(const PeerId& peer) const {
    const auto unheard = impl_->greeted.find(peer);
    if (unheard != impl_->greeted.end()) return impl_->loop.now() - unheard->second;
    const auto silent = impl_->heartbeat->silent_for(peer);
    return silent == Duration::max() ? Duration(0) : silent;
}

void Mesh::publish(const wire::BoardState& state) {
    if (impl_->membership->publish(state)) impl_->tell_news();
}

void Mesh::ask(const PeerId& to, wire::Body body, Duration deadline, Answer answer) {
    if (impl_->membership->find(to) != nullptr) {
        impl_->subscriptions->work_with(to);
        return impl_->requests->ask(to, std::move(body), deadline, std::move(answer));
    }
    impl_->loop.post([weak = impl_->weak_from_this(), peer = impl_->membership->name_of(to),
                      name = wire::name_of(body), answer = std::move(answer)] {
        const auto impl = weak.lock();
        if (impl && !impl->closed)
            answer(fail(Fault::unreachable, "{} is not in the mesh: {} was not sent", peer, name));
    });
}

void Mesh::serve(RequestHandler handler) {
    impl_->handler = std::make_shared<const RequestHandler>(std::move(handler));
}

Result<> Mesh::allow(const std::vector<wire::AllowedKey>& keys) {
    return impl_->allow(keys);
}

std::uint64_t Mesh::next_ticket() {
    return impl_->requests->next_lamport();
}
void Mesh::witness_ticket(std::uint64_t number) {
    impl_->requests->witness(number);
}

Mesh::Counters Mesh::counters() const {
    const auto beats = impl_->heartbeat->counters();
    const auto& ours = impl_->drops.counters();
    return {.malformed = ours.malformed + beats.malformed,
            .unknown = ours.unknown + beats.unknown + impl_->strangers,
            .late = impl_->requests->counters().late};
}

}  // namespace fard
