// Whom a member of the mesh hears: one SUB socket for each publisher, so that a message is known by its connection. Whom
// the neighbourhood wants heard, and whom we work with.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "base/lifetime.hpp"
#include "runtime/peer/front_door.hpp"
#include "runtime/peer/membership.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// Lives on one loop.
class Subscriptions {
  public:
    struct Events {
        // A message on the connection to `peer`'s publisher; may end these subscriptions, or this one.
        std::function<void(const PeerId& peer, const Message& message)> message;
        // Subscribed to, a moment ago: what it publishes from now on is heard.
        std::function<void(const PeerId& peer)> subscribed;
    };

    // Both outlive this. `membership` is asked who belongs and who is a neighbour.
    Subscriptions(Loop& loop, SocketFactory& sockets, const Membership& membership, Events events);

    void joined(const PeerId& peer);  // it is a member now
    void lost(const PeerId& peer);    // and no longer

    // Subscribes to whom the neighbourhood wants us to hear. Where dozens come together, the first would connect all to
    // all, for moments; with keys each connection costs milliseconds of work. So some wait until follow() is called
    // again while unsettled().
    void follow();
    bool unsettled() const { return unsettled_; }
    void drop_unwanted();

    bool subscribed_to(const PeerId& peer) const { return heard_.contains(peer); }

    // Somebody whom we ask something, or who asks us: each must hear the other.
    void work_with(const PeerId& peer);
    // Who has asked to be heard hears us.
    void heard_on_request(const wire::Member& member);

  private:
    struct Subscription {
        Subscription(PeerId whose, Socket its_socket) : peer(std::move(whose)), socket(std::move(its_socket)) {}
        PeerId peer;
        Socket socket;
        std::unique_ptr<Socket::Watch> watch;
        bool ended = false;
    };
    struct Heard {
        Endpoint publisher;
        std::shared_ptr<Subscription> subscription;
        TimePoint wanted{};  // last, by the neighbourhood or by work
        TimePoint worked{};  // with: the last request
        TimePoint said{};    // to it, that it shall hear us
    };
    void listen_to(const wire::Member& member);
    void stop_listening(const PeerId& peer);
    void ask_to_be_heard(const wire::Member& member);
    void drain(const std::shared_ptr<Subscription>& from);
    bool wanted(const PeerId& peer) const;  // by the neighbourhood

    Loop& loop_;
    SocketFactory& sockets_;
    const Membership& membership_;
    Events events_;
    std::map<PeerId, Heard> heard_;
    std::map<PeerId, TimePoint> met_;  // members, since when
    bool unsettled_ = false;           // some of them are not heard yet that shall be
    std::map<PeerId, std::unique_ptr<Visitor>> calling_;  // who shall hear us
    Lifetime life_;
};

// The topic of what is for all.
inline constexpr const char* everyone = "all";

}  // namespace fard
