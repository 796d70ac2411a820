#include "runtime/peer/subscriptions.hpp"

#include <spdlog/spdlog.h>

#include <vector>

#include "runtime/peer/monitor.hpp"

namespace fard {
namespace {

using namespace std::chrono_literals;

constexpr Duration usual_subscription =
    5ms;  // how long a new one takes on one machine; on a slower way PING is repeated
constexpr Duration greeting_deadline = 10s;
constexpr Duration said_again = 30s;    // that somebody outside the neighbourhood shall hear us
constexpr Duration heard_for = 60s;     // somebody outside the neighbourhood, after the last request
constexpr Duration unwanted_for = 5s;   // until a subscription goes: the neighbourhood may change back
constexpr std::size_t a_few = 12;       // members: each hears all others at once
constexpr Duration settled = 500ms;     // with more of them, until it hears those that it would not beyond 32

}  // namespace

Subscriptions::Subscriptions(Loop& loop, SocketFactory& sockets, const Membership& membership, Events events)
    : loop_(loop), sockets_(sockets), membership_(membership), events_(std::move(events)) {}

void Subscriptions::joined(const PeerId& peer) {
    met_[peer] = loop_.now();
}

void Subscriptions::lost(const PeerId& peer) {
    stop_listening(peer);
    met_.erase(peer);
    calling_.erase(peer);
}

void Subscriptions::follow() {
    const auto& roster = membership_.roster();
    const auto& neighbourhood = membership_.neighbourhood();
    unsettled_ = false;
    for (const auto& peer : neighbourhood.heard(roster)) {
        const auto* member = membership_.find(peer);
        if (member == nullptr) continue;
        if (roster.size() <= a_few || neighbourhood.stays(peer, roster) || loop_.now() - met_[peer] >= settled)
            listen_to(*member);
        else
            unsettled_ = true;
    }
}

bool Subscriptions::wanted(const PeerId& peer) const {
    return membership_.neighbourhood().hears(peer, membership_.roster());
}

void Subscriptions::listen_to(const wire::Member& member) {
    auto& place = heard_[member.peer];
    place.wanted = loop_.now();
    if (place.publisher == member.publisher) return;
    auto socket = sockets_.make(SocketKind::sub);
    if (!socket) return spdlog::error("mesh: board {}: {}", member.name, socket.error().message);
    set_reconnect(*socket, 10ms, 250ms);
    socket->subscribe(everyone);
    socket->subscribe(membership_.self().peer.hex);
    if (const auto connected = socket->connect(Address{member.publisher, member.key}); !connected)
        return spdlog::error("mesh: board {}: {}", member.name, connected.error().message);
    auto made = std::make_shared<Subscription>(member.peer, std::move(*socket));
    made->watch = made->socket.watch(loop_, [this, weak = std::weak_ptr(made)] {
        if (const auto subscription = weak.lock()) drain(subscription);
    });
    place.publisher = member.publisher;
    place.subscription = std::move(made);
    loop_.call_after(usual_subscription, life_.guarded([this, peer = member.peer] {
        if (membership_.find(peer) != nullptr) events_.subscribed(peer);
    }));
}

void Subscriptions::stop_listening(const PeerId& peer) {
    const auto found = heard_.find(peer);
    if (found == heard_.end()) return;
    if (found->second.subscription) found->second.subscription->ended = true;  // if it is calling us, drain() holds it
    heard_.erase(found);
}

void Subscriptions::drop_unwanted() {
    const auto now = loop_.now();
    std::vector<PeerId> unwanted;
    for (auto& [peer, place] : heard_) {
        if (wanted(peer) || now - place.worked < heard_for)
            place.wanted = now;
        else if (now - place.wanted > unwanted_for)
            unwanted.push_back(peer);
    }
    for (const auto& peer : unwanted)
        stop_listening(peer);
}

void Subscriptions::work_with(const PeerId& peer) {
    const auto* member = membership_.find(peer);
    if (member == nullptr || peer == membership_.self().peer) return;
    if (!membership_.neighbourhood().dense()) listen_to(*member);
    const auto found = heard_.find(peer);
    if (found == heard_.end()) return;
    found->second.worked = loop_.now();
    if (wanted(peer)) return;
    if (found->second.said != TimePoint{} && loop_.now() - found->second.said < said_again) return;
    found->second.said = loop_.now();
    ask_to_be_heard(*member);
}

void Subscriptions::ask_to_be_heard(const wire::Member& member) {
    auto visitor = Visitor::knock(loop_, sockets_, membership_.self().peer, member.door());
    if (!visitor) return spdlog::error("mesh: board {}: {}", member.name, visitor.error().message);
    auto& place = calling_[member.peer] = std::move(*visitor);
    place->ask(membership_.our_hello(true), greeting_deadline, [this, peer = member.peer](const Result<wire::Body>&) {
        loop_.post(life_.guarded([this, peer] { calling_.erase(peer); }));  // not from within its own answer
    });
}

void Subscriptions::heard_on_request(const wire::Member& member) {
    listen_to(member);
    auto& place = heard_[member.peer];
    place.worked = place.said = loop_.now();  // it hears us, or it would not ask
}

void Subscriptions::drain(const std::shared_ptr<Subscription>& from) {
    const auto life = life_.watch();
    Message message;
    while (!life.over() && !from->ended && from->socket.try_receive(message))
        events_.message(from->peer, message);
}

}  // namespace fard
