#include "client/locate.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/asio_loop.hpp"
#include "client/client_identity.hpp"
#include "client/cluster_files.hpp"
#include "client/door_check.hpp"
#include "runtime/peer/front_door.hpp"
#include "runtime/peer/known_nodes.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {
namespace {

std::string joined(const std::vector<Address>& doors) {
    std::string text;
    for (const auto& door : doors)
        text += (text.empty() ? "" : ", ") + door.endpoint.text();
    return text;
}

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

LocateOptions locate_options(const std::string& node) {
    LocateOptions options;
    options.node = node;
    if (const char* environment = std::getenv("FARD_NODE")) options.environment = environment;
    options.directory = user_cluster_directory();
    return options;
}

Result<NodeAnswer> ask_first(const std::vector<Address>& doors, const wire::Body& body,
                             Duration deadline) {
    auto identity = client_identity();
    if (!identity) return fail(identity.error());
    return ask_first_as(std::move(*identity), doors, body, deadline);
}

std::vector<Result<wire::Body>> ask_all(const std::vector<Address>& doors, const wire::Body& body,
                                        Duration deadline) {
    AsioLoop loop;
    std::vector<Result<wire::Body>> answers(doors.size(), fail(Fault::unreachable, "was not asked"));
    auto identity = client_identity();
    if (!identity) return std::vector<Result<wire::Body>>(doors.size(), fail(identity.error()));
    SocketFactory sockets(std::move(*identity));
    std::vector<std::unique_ptr<Visitor>> visitors;
    auto missing = doors.size();
    for (std::size_t i = 0; i < doors.size(); ++i) {
        auto visitor = Visitor::knock(loop, sockets, PeerId{random_hex(16)}, doors[i]);
        if (!visitor) {
            answers[i] = fail(visitor.error());
            --missing;
            continue;
        }
        visitors.push_back(std::move(*visitor));
        visitors.back()->ask(body, deadline, [&, i](Result<wire::Body> answer) {
            answers[i] = std::move(answer);
            if (--missing == 0) loop.stop();
        });
    }
    if (missing > 0) loop.run();
    return answers;
}

Result<NodeAnswer> ask_first_as(Identity identity, const std::vector<Address>& doors, const wire::Body& body,
                                Duration deadline) {
    AsioLoop loop;
    SocketFactory sockets(std::move(identity));
    std::optional<NodeAnswer> found;
    std::optional<Error> refusal;
    std::vector<std::unique_ptr<Visitor>> visitors;
    auto missing = doors.size();
    for (const auto& door : doors) {
        auto visitor = Visitor::knock(loop, sockets, PeerId{random_hex(16)}, door);
        if (!visitor) return fail(visitor.error());
        visitors.push_back(std::move(*visitor));
        visitors.back()->ask(body, deadline, [&, door](Result<wire::Body> answer) {
            --missing;
            if (answer && !found) found = NodeAnswer{door, std::move(*answer)};
            const bool silent = !answer && (answer.error().fault == Fault::timed_out ||
                                            answer.error().fault == Fault::unreachable);
            if (!answer && !silent) refusal = answer.error();
            if (found || missing == 0) loop.stop();
        });
    }
    if (!doors.empty()) loop.run();
    if (found) return std::move(*found);
    if (refusal) return fail(*refusal);
    const auto why = doors.size() == 1 ? ": " + why_silent(doors.front().endpoint.text()) : "";
    return fail(Fault::unreachable, "no node manager answers at {} within {:.1f} s{}", joined(doors),
                seconds(deadline), why);
}

Result<Whereabouts> locate(const LocateOptions& options) {
    const bool by_option = !options.node.empty();
    if (by_option || !options.environment.empty()) {
        const auto* where = by_option ? "--node" : "FARD_NODE";
        const auto written = WrittenAddress::parse(by_option ? options.node : options.environment);
        if (!written) return fail_in(where, written.error());
        auto doors = resolve_now(*written, options.name_limit);
        if (!doors) return fail(Fault::unreachable, "{}: {}", where, doors.error().message);
        for (auto& door : *doors)
            door = with_known_key(std::move(door), key_directory());
        const auto answer = ask_first(*doors, wire::Query{}, options.node_limit);
        if (!answer) return fail_in(where, answer.error());
        return Whereabouts{{answer->door}, ""};
    }
    auto doors = listed_doors(options.directory);
    if (doors.empty()) return Whereabouts{known_nodes(key_directory()), ""};
    if (auto checked = check_cluster_directory(options.directory, false); !checked)
        return Whereabouts{{}, checked.error().message + "; it is not used"};
    auto answer = ask_first(doors, wire::Query{}, options.local_limit);
    const bool lives = !answer && (!living_boards(options.directory).empty() || stranger_in(options.directory));
    if (lives) answer = ask_first(doors, wire::Query{}, options.living_limit);  // it is slow, not gone
    if (!answer)
        return Whereabouts{
            {},
            fmt::format("the local cluster in {} does not answer within {:.1f} s and counts as none",
                        options.directory.string(),
                        seconds(lives ? options.local_limit + options.living_limit : options.local_limit))};
    std::stable_partition(doors.begin(), doors.end(), [&](const auto& door) { return door == answer->door; });
    return Whereabouts{std::move(doors), ""};
}

}  // namespace fard
