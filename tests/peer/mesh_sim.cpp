#include "tests/peer/mesh_sim.hpp"

#include <algorithm>

#include "runtime/peer/codec.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

constexpr Duration tick_interval = 50ms;
constexpr int ticks_per_beat = 5;
constexpr Duration connecting = 5ms;  // until a new connection carries something
constexpr Duration silence_limit = 1s;
constexpr Duration patience = 350ms;  // with a peer that another one asks about
constexpr Duration sync_deadline = 500ms;

// Ethernet (with preamble and gap), IP and TCP with time stamps for each message, and the frames' own headers; what a
// connection costs until it is up; an acknowledgement.
constexpr std::size_t packet_bytes = 90, frame_bytes = 4, topic_bytes = 5, connection_bytes = 900, ack_bytes = 90;

std::size_t size_of(const wire::Body& body) {
    const wire::Envelope envelope{PeerId{std::string(32, 'a')}, 1u << 20, false, 1u << 20};
    return packet_bytes + frame_bytes + wire::encode(envelope, body).size();
}

Endpoint endpoint(std::size_t number, const char* what) {
    return Endpoint::ipc(fmt::format("/sim/{}.{}", number, what)).value();
}

}  // namespace

struct SimMesh::Node {
    Node(std::size_t the_number, wire::Record self, std::vector<Address> seeds)
        : number(the_number),
          id(self.member.peer),
          membership("lab", std::move(self), std::move(seeds)),
          gossip(membership),
          liveness(tick_interval, silence_limit),
          inquiries(patience) {}

    std::size_t number;
    PeerId id;
    Membership membership;
    Gossip gossip;
    Liveness liveness;
    Inquiries inquiries;
    std::set<std::size_t> hears, listeners;
    std::set<std::size_t> knocking;
    std::vector<std::function<void()>> inbox;  // while stopped
    int ticks = 0;
    std::uint64_t syncs = 0;  // asked
    bool lives = true, running = true, powered = true;
    std::uint32_t runs = 0;
};

SimMesh::SimMesh(SimMeshOptions options)
    : options_(options),
      random_(options.seed),
      ports_(world_, options.port_bytes_per_s, options.latency),
      measured_since_(world_.now()) {}
SimMesh::~SimMesh() = default;

const Membership& SimMesh::membership(std::size_t member) const {
    return node(member).membership;
}
bool SimMesh::lives(std::size_t member) const {
    return node(member).lives;
}

// ---- who is there

std::size_t SimMesh::join(std::size_t seed) {
    const auto number = ports_.add();
    wire::Record self;
    self.member = {PeerId{fmt::format("{:016x}{:016x}", random_.next(), random_.next())},
                   fmt::format("n{}", number), endpoint(number, "door"), endpoint(number, "pub"),
                   endpoint(number, "beat"), {}};
    self.life = random_.next();
    self.incarnation = number + 1;
    std::vector<Address> seeds;
    if (seed != number) seeds.push_back({endpoint(seed, "door"), {}});
    nodes_.push_back(std::make_unique<Node>(number, std::move(self), std::move(seeds)));
    auto& made = *nodes_.back();
    numbers_[made.id] = number;
    made.membership.believe_ears([this, &made](const PeerId& peer) {
        const auto silent = made.liveness.silent_for(peer, world_.now());
        return silent && *silent < silence_limit / 2;
    });
    wire::BoardState state;
    state.devices = {{"cpu0", "soft", 2, true, "aarch64, 4 cores"}};
    state.slots_free = {2};
    made.membership.publish(std::move(state));
    world_.call_after(random_.between(0ms, tick_interval), [this, &made] { tick(made); });
    return number;
}

void SimMesh::begin_with(std::size_t members) {
    Roster roster;
    for (std::size_t i = 0; i < members; ++i) {
        join(i);
        roster.put(*node(i).membership.roster().find(node(i).id));
    }
    for (auto& made : nodes_) {
        made->membership.begin_with(roster);
        made->membership.take_news();
        made->gossip.begin(world_.now() + random_.between(0ms, 1s));
        listen(*made);
        made->ticks = static_cast<int>(random_.below(ticks_per_beat));
    }
    world_.run_for(2s);
}

void SimMesh::leave(std::size_t member) {
    auto& leaver = node(member);
    publish_to_all(leaver, size_of(wire::Leave{}), [this, id = leaver.id](Node& at) {
        apply(at, at.membership.leave(id, world_.now()));
    });
    kill(member);
}

void SimMesh::kill(std::size_t member) {
    auto& victim = node(member);
    victim.lives = victim.running = false;
    // Who has a heartbeat connection to it sees it break, and is refused when it connects again.
    for (auto& other : nodes_) {
        if (!other->lives) continue;
        const auto behind = other->membership.neighbourhood().behind(other->membership.roster());
        if (std::ranges::find(behind, victim.id) == behind.end()) continue;
        world_.call_after(20ms, [this, &watcher = *other, id = victim.id] {
            if (!watcher.running || !watcher.liveness.contains(id)) return;
            watcher.liveness.remove(id);
            apply(watcher, watcher.membership.lost(id, "its process has ended", false, false, world_.now()));
        });
    }
    for (auto& other : nodes_)
        other->listeners.erase(member);
}

void SimMesh::cut_power(std::size_t member) {
    auto& victim = node(member);
    victim.lives = victim.running = victim.powered = false;
}

void SimMesh::stop(std::size_t member) {
    node(member).running = false;
}

void SimMesh::wake(std::size_t member) {
    auto& woken = node(member);
    woken.running = true;
    world_.post([this, &woken] { tick(woken); });
    for (auto& callback : std::exchange(woken.inbox, {}))
        world_.post(std::move(callback));
}

void SimMesh::cut(std::size_t a, std::size_t b) {
    cuts_.insert(std::minmax(a, b));
}
void SimMesh::mend(std::size_t a, std::size_t b) {
    cuts_.erase(std::minmax(a, b));
}

bool SimMesh::open(std::size_t from, std::size_t to) const {
    return node(from).powered && node(to).powered && (cuts_.empty() || !cuts_.contains(std::minmax(from, to)));
}

void SimMesh::publish(std::size_t member, std::uint32_t runs) {
    auto& publisher = node(member);
    publisher.runs = runs;
    auto state = *publisher.membership.state_of(publisher.id);
    state.runs = runs;
    publisher.membership.publish(std::move(state));
    act(publisher);
}

// ---- one member's work

void SimMesh::tick(Node& node) {
    if (!node.running) return;
    world_.call_after(tick_interval, [this, &node] { tick(node); });
    const auto now = world_.now();
    const auto verdicts = node.liveness.tick(now);
    const bool alone = node.liveness.alone(now);
    for (const auto& peer : verdicts.probe)
        probe(node, peer);
    for (const auto& [peer, why] : verdicts.lost)
        apply(node, node.membership.lost(peer, why, true, alone, now));
    for (const auto& [about, askers] : node.inquiries.expire(now))
        for (const auto& asker : askers)
            pong(node, std::stoull(asker.way), about, Duration::max());
    if (++node.ticks % ticks_per_beat == 0) {
        for (const auto& peer : node.membership.neighbourhood().behind(node.membership.roster()))
            ping(node, numbers_.at(peer), {});
        if (!alone) node.membership.not_alone(now);
        for (const auto& door : node.membership.knocks(now))
            knock(node, std::stoull(door.endpoint.path().substr(5)));
    }
    act(node);
}

void SimMesh::apply(Node& node, const Membership::Changes& changes) {
    using Kind = Membership::Change::Kind;
    bool other_members = false;
    for (const auto& change : changes) {
        other_members = other_members || change.kind != Kind::state;
        if (change.kind != Kind::lost) continue;
        const auto& gone = this->node(numbers_.at(change.member.peer));
        if (gone.lives && gone.running) ++false_losses_;
    }
    if (other_members) listen(node);
    act(node);
}

// The subscriptions and heartbeats that the neighbourhood wants.
void SimMesh::listen(Node& node) {
    const auto& roster = node.membership.roster();
    const auto& neighbourhood = node.membership.neighbourhood();
    std::set<std::size_t> wanted;
    for (const auto& peer : neighbourhood.heard(roster))
        wanted.insert(numbers_.at(peer));
    for (const auto gone : node.hears)
        if (!wanted.contains(gone)) this->node(gone).listeners.erase(node.number);
    for (const auto fresh : wanted) {
        if (node.hears.contains(fresh)) continue;
        ports_.count(node.number, fresh, connection_bytes);
        ports_.count(fresh, node.number, connection_bytes);
        world_.call_after(connecting, [this, &node, fresh] {
            if (!node.hears.contains(fresh) || !this->node(fresh).lives) return;
            auto& other = this->node(fresh);
            other.listeners.insert(node.number);
            const auto digest = other.membership.digest();
            tell(other, node.number, size_of(digest), [this, id = other.id, digest](Node& at) {
                at.gossip.heard(id, digest);
                act(at);
            });
        });
    }
    node.hears = std::move(wanted);
    std::set<PeerId> watched;
    for (auto& peer : neighbourhood.behind(roster))
        watched.insert(std::move(peer));
    for (auto& peer : neighbourhood.before(roster))
        watched.insert(std::move(peer));
    node.liveness.watch(watched, world_.now());
}

void SimMesh::act(Node& node) {
    auto deeds = node.gossip.due(world_.now());
    for (auto& news : deeds.news) {
        const auto bytes = size_of(news);
        publish_to_all(node, bytes,
                       [this, id = node.id, shared = std::make_shared<const wire::News>(std::move(news))](Node& at) {
                           if (at.membership.find(id) == nullptr) return;  // a stranger
                           apply(at, at.membership.news(id, *shared, world_.now()));
                       });
    }
    if (deeds.digest) {
        publish_to_all(node, size_of(*deeds.digest), [this, id = node.id, digest = *deeds.digest](Node& at) {
            at.gossip.heard(id, digest);
            act(at);
        });
    }
    if (deeds.sync_with) sync(node, *deeds.sync_with);
}

void SimMesh::publish_to_all(Node& node, std::size_t bytes, std::function<void(Node&)> take) {
    for (const auto listener : node.listeners) {
        ports_.count(listener, node.number, ack_bytes);
        tell(node, listener, bytes + topic_bytes, take);
    }
}

void SimMesh::tell(Node& from, std::size_t to, std::size_t bytes, std::function<void(Node&)> take) {
    if (!open(from.number, to)) return;
    ports_.send(from.number, to, bytes, [this, to, take = std::move(take)] {
        auto& receiver = node(to);
        if (!receiver.lives) return;
        if (receiver.running) return take(receiver);
        receiver.inbox.push_back([&receiver, take] { take(receiver); });
    });
}

void SimMesh::sync(Node& node, const PeerId& with) {
    const auto to = numbers_.at(with);
    const auto sums = node.membership.our_sync();
    const auto number = node.number;
    const auto question = ++node.syncs;
    world_.call_after(sync_deadline, [this, &node, question, to] {
        if (node.syncs != question) return;
        ++node.syncs;
        node.gossip.answered(world_.now());
        knock(node, to);
    });
    if (!node.listeners.contains(to)) return;  // it does not hear us
    tell(node, to, size_of(sums), [this, number, question, sums](Node& at) {
        auto news = at.membership.differences(sums);
        const auto bytes = size_of(news);
        if (!at.listeners.contains(number)) return;
        tell(at, number, bytes, [this, question, id = at.id,
                                 shared = std::make_shared<wire::News>(std::move(news))](Node& back) {
            if (back.syncs != question) return;
            ++back.syncs;
            const auto changes = back.membership.synced(id, *shared, world_.now());
            back.gossip.answered(world_.now());
            apply(back, changes);
        });
    });
}

void SimMesh::knock(Node& node, std::size_t door) {
    if (!node.knocking.insert(door).second) return;
    const auto number = node.number;
    world_.call_after(2s, [&node, door] { node.knocking.erase(door); });
    ports_.count(number, door, connection_bytes);
    ports_.count(door, number, connection_bytes);
    const auto hello = std::make_shared<wire::Hello>(node.membership.our_hello());
    tell(node, door, size_of(*hello), [this, number, door, hello](Node& host) {
        const auto changes = host.membership.hello(*hello, world_.now());
        if (!changes) return;
        auto welcome = std::make_shared<wire::Welcome>(host.membership.our_welcome(*hello));
        tell(host, number, size_of(*welcome), [this, door, id = host.id, welcome](Node& guest) {
            guest.knocking.erase(door);
            guest.membership.answered(endpoint(door, "door"), id);
            apply(guest, guest.membership.welcome(*welcome, world_.now()));
        });
        apply(host, *changes);
    });
}

// ---- heartbeats

void SimMesh::ping(Node& from, std::size_t to, const PeerId& about) {
    static const auto plain = size_of(wire::Ping{1u << 20, {}});
    static const auto asking = size_of(wire::Ping{1u << 20, PeerId{std::string(32, 'a')}});
    const auto sender = from.number;
    tell(from, to, about.empty() ? plain : asking,
         [this, sender, about](Node& at) { take_ping(at, sender, about); });
}

void SimMesh::take_ping(Node& node, std::size_t from, const PeerId& about) {
    heard(node, this->node(from).id);
    if (about.empty()) return pong(node, from, {}, {});
    if (const auto silent = node.liveness.silent_for(about, world_.now())) return pong(node, from, about, *silent);
    if (node.membership.find(about) == nullptr) return pong(node, from, about, Duration::max());
    if (node.inquiries.begin(about, {std::to_string(from), 1}, world_.now()))
        probe_fresh(node, numbers_.at(about));
}

void SimMesh::pong(Node& from, std::size_t to, const PeerId& about, Duration silent) {
    static const auto plain = size_of(wire::Pong{1u << 20, {}, 0});
    static const auto telling = size_of(wire::Pong{1u << 20, PeerId{std::string(32, 'a')}, 1000});
    tell(from, to, about.empty() ? plain : telling, [this, sender = from.id, about, silent](Node& at) {
        if (!about.empty()) at.liveness.report(about, std::min<Duration>(silent, 1h), world_.now());
        heard(at, sender);
    });
}

void SimMesh::heard(Node& node, const PeerId& peer) {
    node.liveness.heard(peer, world_.now());
    for (const auto& asker : node.inquiries.heard(peer))
        pong(node, std::stoull(asker.way), peer, Duration(0));
}

void SimMesh::probe(Node& node, const PeerId& about) {
    probe_fresh(node, numbers_.at(about));
    for (const auto& witness : node.liveness.witnesses(about, world_.now()))
        ping(node, numbers_.at(witness), about);
}

void SimMesh::probe_fresh(Node& node, std::size_t to) {
    ports_.count(node.number, to, connection_bytes);
    if (open(node.number, to)) ports_.count(to, node.number, connection_bytes);
    world_.call_after(connecting, [this, &node, to] {
        if (node.running) ping(node, to, {});
    });
}

// ---- figures

bool SimMesh::agreed() const {
    std::size_t living = 0;
    for (const auto& one : nodes_)
        living += one->lives ? 1 : 0;
    std::optional<wire::Digest> digest;
    for (const auto& one : nodes_) {
        if (!one->lives) continue;
        if (!digest) digest = one->membership.digest();
        if (one->membership.digest() != *digest || digest->members != living) return false;
    }
    for (const auto& one : nodes_) {
        if (!one->lives) continue;
        for (const auto& other : nodes_)
            if (other->lives && one->membership.state_of(other->id)->runs != other->runs) return false;
        break;  // the others have the same
    }
    return true;
}

SimMesh::Traffic SimMesh::traffic() {
    const double seconds = std::chrono::duration<double>(world_.now() - measured_since_).count();
    before_.resize(nodes_.size());
    Traffic result;
    std::size_t living = 0;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const auto& now = ports_.traffic(i);
        const double out = static_cast<double>(now.out - before_[i].out) / seconds;
        const double in = static_cast<double>(now.in - before_[i].in) / seconds;
        before_[i] = now;
        if (!nodes_[i]->lives) continue;
        ++living;
        result.mean_out += out;
        result.mean_in += in;
        result.most_out = std::max(result.most_out, out);
        result.most_in = std::max(result.most_in, in);
    }
    result.mean_out /= static_cast<double>(living);
    result.mean_in /= static_cast<double>(living);
    measured_since_ = world_.now();
    return result;
}

}  // namespace fard
