#include "runtime/peer/link.hpp"

#include <algorithm>
#include <array>
#include <sstream>

#include "runtime/peer/link_frames.hpp"

namespace fard {

Chunk Chunk::share() const {
    Chunk other;
    other.index = index;
    other.trace = trace;
    other.since = since;
    other.tensors.reserve(tensors.size());
    for (const auto& tensor : tensors)
        other.tensors.push_back(tensor.share());
    return other;
}

std::uint64_t LinkTerms::chunk_bytes() const {
    const auto form = HeaderForm::of(run, epoch, tensors, positions);
    return wire_bytes(tensors) + (form ? form->bytes() : 0);
}

std::uint64_t LinkTerms::compact_bytes() const {
    constexpr std::uint64_t largest = 1024;  // to copy as much costs less than a second frame
    const auto bytes = chunk_bytes();
    return bytes <= largest ? bytes : 0;
}

std::uint64_t LinkTerms::window() const {
    return std::max<std::uint64_t>(1, budget_bytes / std::max<std::uint64_t>(1, chunk_bytes()));
}

std::vector<std::size_t> LinkTerms::tensor_bytes() const {
    std::vector<std::size_t> bytes;
    for (const auto& tensor : tensors)
        bytes.push_back(tensor.wire_bytes());
    return bytes;
}

Result<> LinkTerms::check(const Chunk& chunk) const {
    if (chunk.tensors.size() != tensors.size())
        return fail(Fault::failed, "chunk {} has {} tensors instead of {}", chunk.index, chunk.tensors.size(),
                    tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i)
        if (chunk.tensors[i].size() != tensors[i].wire_bytes())
            return fail(Fault::failed, "chunk {}: tensor '{}' ({}) has {} bytes instead of {}", chunk.index,
                        tensors[i].name, short_form(tensors[i]), chunk.tensors[i].size(),
                        tensors[i].wire_bytes());
    return {};
}

std::uint64_t LinkTerms::lead() const {
    return std::max<std::uint64_t>(2, window()) + links::half_window(window()) - 1;
}

namespace {

// What a place is: a directory, or an address to bind, the one that others use for it, and which of its ports.
struct Place {
    std::string directory, address, advertised;
    PortRange ports = {};
};

Result<Place> parse_place(const std::string& text) {
    const auto colon = text.find(':');
    const auto transport = text.substr(0, colon);
    const auto where = colon == std::string::npos ? std::string() : text.substr(colon + 1);
    if (where.empty() || (transport != "ipc" && transport != "tcp"))
        return fail(Fault::invalid_input,
                    "'{}' is no place for a link (expected ipc:DIRECTORY or tcp:ADDRESS[,ADVERTISED[,LOW-HIGH]])", text);
    if (transport == "ipc") return Place{where, "", ""};
    std::array<std::string, 3> parts;
    std::istringstream list(where);
    for (auto& part : parts)
        std::getline(list, part, ',');
    Place place{"", parts[0], parts[1]};
    if (parts[2].empty()) return place;
    const auto ports = PortRange::parse(parts[2]);
    if (!ports) return fail(ports.error());
    place.ports = *ports;
    return place;
}

// From a port of chance on, so that jobs that start together seldom try the same one.
Result<Endpoint> bind_in_range(const Place& place, Socket& socket, const Admission& admission) {
    const auto count = place.ports.count();
    const auto start = static_cast<unsigned>(std::stoul(random_hex(4), nullptr, 16)) % count;
    Result<Endpoint> bound = fail(Fault::io, "no port was tried");
    for (unsigned i = 0; i < count && !bound; ++i) {
        const auto wanted = Endpoint::tcp(place.address, static_cast<std::uint16_t>(place.ports.first + (start + i) % count));
        if (!wanted) return wanted;
        bound = socket.bind(*wanted, admission);
    }
    if (bound) return bound;
    return fail(bound.error().fault, "none of the ports {} to {} could be bound; give the node manager more `ports` (the last one: {})",
                place.ports.first, place.ports.last, bound.error().message);
}

Result<Endpoint> bind_one(const Place& place, const std::string& file, Socket& socket) {
    const Admission admission{.roles = 0, .keys = {}, .undecided = true};
    Result<Endpoint> bound = fail(Fault::io, "no port was tried");
    if (!place.ports.any()) {
        bound = bind_in_range(place, socket, admission);
    } else {
        auto wanted = place.directory.empty() ? Endpoint::tcp(place.address, 0) : Endpoint::ipc(place.directory + "/" + file);
        if (!wanted) return wanted;
        bound = socket.bind(*wanted, admission);
    }
    if (!bound || place.advertised.empty()) return bound;
    return Endpoint::tcp(place.advertised, bound->port());
}

}  // namespace

Result<wire::LinkEndpoint> links::bind_pair(SocketFactory& sockets, const std::string& place, Socket& data,
                                            Socket& credit) {
    const auto parsed = parse_place(place);
    if (!parsed) return fail(parsed.error());
    const auto stem = random_hex(8);
    auto data_at = bind_one(*parsed, stem + ".d", data);
    if (!data_at) return fail(data_at.error());
    auto credit_at = bind_one(*parsed, stem + ".c", credit);
    if (!credit_at) return fail(credit_at.error());
    return wire::LinkEndpoint{std::move(*data_at), std::move(*credit_at), sockets.identity().key()};
}

Result<> links::connect_pair(const wire::LinkEndpoint& endpoint, Socket& data, Socket& credit) {
    if (auto connected = credit.connect(Address{endpoint.credit, endpoint.key}); !connected) return connected;
    return data.connect(Address{endpoint.data, endpoint.key});
}

LinkSender* fewest_unacknowledged(std::vector<LinkSender>& senders) {
    LinkSender* best = nullptr;
    for (auto& sender : senders) {
        if (senders.size() > 1 || !sender.has_room()) sender.poll_credit();
        if (!sender.has_room()) continue;
        if (best == nullptr || sender.unacknowledged() < best->unacknowledged()) best = &sender;
    }
    return best;
}

}  // namespace fard
