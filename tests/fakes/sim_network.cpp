#include "tests/fakes/sim_network.hpp"

#include <cstdio>
#include <cstdlib>

namespace fard {

std::uint64_t SimRandom::next() {
    std::uint64_t mixed = (state_ += 0x9e3779b97f4a7c15ull);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
    return mixed ^ (mixed >> 31);
}

bool SimRandom::chance(double probability) {
    return probability > 0 && static_cast<double>(next() >> 11) * 0x1p-53 < probability;
}

Duration SimRandom::between(Duration low, Duration high) {
    return high <= low ? low : low + Duration(below(static_cast<std::uint64_t>((high - low).count()) + 1));
}

SimPeer::SimPeer(SimNetwork& network, PeerId id)
    : id_(std::move(id)),
      host_(network.world_),
      requests_(host_, id_,
                [this, &network](const PeerId& to, const wire::Envelope& envelope, const wire::Body& body) {
                    network.send(id_, to, envelope, body);
                }) {}

SimNetwork::SimNetwork(SimLoop& world, std::uint64_t seed, SimNetworkOptions options)
    : world_(world), random_(seed), options_(options) {}

SimPeer& SimNetwork::add(PeerId id) {
    auto& place = peers_[id];
    place = std::make_unique<SimPeer>(*this, id);
    return *place;
}

void SimNetwork::cut(const PeerId& a, const PeerId& b) {
    cuts_.insert(std::minmax(a, b));
}
void SimNetwork::mend(const PeerId& a, const PeerId& b) {
    cuts_.erase(std::minmax(a, b));
}

void SimNetwork::send(const PeerId& from, const PeerId& to, const wire::Envelope& envelope,
                      const wire::Body& body) {
    ++counters_.sent;
    if (on_send && on_send(from, to, envelope, body)) return;
    const auto receiver = peers_.find(to);
    const bool cut = !cuts_.empty() && cuts_.contains(std::minmax(from, to));
    if (receiver == peers_.end() || cut || random_.chance(options_.loss)) {
        ++counters_.lost;
        return;
    }
    auto message = std::make_shared<wire::Decoded>(wire::Decoded{envelope, body});
    if (options_.encode) {
        auto decoded = wire::decode(wire::encode(envelope, body));
        if (!decoded) {
            std::fprintf(stderr, "sim_network: %s\n", decoded.error().message.c_str());
            std::abort();
        }
        *message = std::move(*decoded);
    }
    if (random_.chance(options_.repetition)) {
        ++counters_.repeated;
        carry(*receiver->second, message);
    }
    carry(*receiver->second, std::move(message));
}

void SimNetwork::carry(SimPeer& to, std::shared_ptr<const wire::Decoded> message) {
    world_.call_after(random_.between(options_.shortest_delay, options_.longest_delay),
                      [this, &to, message = std::move(message)] {
                          to.loop().deliver([this, &to, message] {
                              ++counters_.delivered;
                              to.requests().receive(message->envelope, message->body);
                          });
                      });
}

}  // namespace fard
