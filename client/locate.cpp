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
    const auto room = check_client_room();
    auto identity = room ? client_identity() : fail(room.error());
    if (!identity) return std::vector<Result<wire::Body>>(doors.size(), fail(identity.error()));
    std::vector<Result<wire::Body>> answers(doors.size(), fail(Fault::unreachable, "was not asked"));
    AsioLoop loop;
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

namespace {

template <typename Answer>
bool is_silent(const Result<Answer>& answer) {
    return !answer && (answer.error().fault == Fault::timed_out || answer.error().fault == Fault::unreachable);
}

// One question to several node managers, until one of them answers.
class FirstAnswer {
  public:
    FirstAnswer(Identity identity, const std::vector<Address>& doors, const wire::Body& body, Duration deadline)
        : sockets_(std::move(identity)), doors_(doors), body_(body), deadline_(deadline),
          pause_(std::min<Duration>(longest_pause, deadline / static_cast<int>(2 * doors.size() + 1))) {}

    Result<NodeAnswer> run() {
        ask_next();
        if (missing_ > 0) loop_.run();
        if (found_) return std::move(*found_);
        if (refusal_) return fail(*refusal_);
        return fail(Fault::unreachable, "no node manager answers at {} within {:.1f} s: {}", joined(doors_),
                    std::chrono::duration<double>(deadline_).count(), reasons());
    }

  private:
    static constexpr Duration longest_pause = std::chrono::milliseconds(250);
    static constexpr std::size_t most_reasons = 4;  // each takes a moment

    // Of each address, one reason that all have once.
    std::string reasons() const {
        std::vector<std::string> all;
        for (std::size_t i = 0; i < std::min(most_reasons, doors_.size()); ++i)
            all.push_back(why_silent(doors_[i]));
        if (std::ranges::all_of(all, [&](const auto& why) { return why == all.front(); })) return all.front();
        std::string text;
        for (std::size_t i = 0; i < all.size(); ++i)
            text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", doors_[i].endpoint, all[i]);
        return text;
    }

    // Those behind are asked too as soon as one is late.
    void ask_next() {
        loop_.cancel(timer_);
        if (next_ == doors_.size()) return;
        const auto door = doors_[next_++];
        if (next_ < doors_.size()) timer_ = loop_.call_after(pause_, [this] { ask_next(); });
        auto visitor = Visitor::knock(loop_, sockets_, PeerId{random_hex(16)}, door);
        if (!visitor) {
            refusal_ = visitor.error();
            return ask_next();
        }
        ++missing_;
        visitors_.push_back(std::move(*visitor));
        visitors_.back()->ask(body_, deadline_, [this, door](Result<wire::Body> answer) { take(door, std::move(answer)); });
    }

    void take(const Address& door, Result<wire::Body> answer) {
        --missing_;
        if (answer && !found_) found_ = NodeAnswer{door, std::move(*answer)};
        if (!answer && !is_silent(answer)) refusal_ = answer.error();
        if (!found_) ask_next();
        if (found_ || missing_ == 0) loop_.stop();
    }

    AsioLoop loop_;
    SocketFactory sockets_;
    const std::vector<Address>& doors_;
    const wire::Body& body_;
    Duration deadline_, pause_;
    Loop::TimerId timer_ = 0;
    std::size_t next_ = 0, missing_ = 0;
    std::vector<std::unique_ptr<Visitor>> visitors_;
    std::optional<NodeAnswer> found_;
    std::optional<Error> refusal_;
};

}  // namespace

Result<NodeAnswer> ask_first_as(Identity identity, const std::vector<Address>& doors, const wire::Body& body,
                                Duration deadline) {
    if (auto room = check_client_room(); !room) return fail(room.error());
    return FirstAnswer(std::move(identity), doors, body, deadline).run();
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
    if (doors.empty()) {
        if (auto checked = check_key_directory(); !checked) return fail(checked.error());
        return Whereabouts{known_nodes(key_directory()), ""};
    }
    if (auto checked = check_cluster_directory(options.directory, false); !checked)
        return Whereabouts{{}, checked.error().message + "; it is not used"};
    auto answer = ask_first(doors, wire::Query{}, options.local_limit);
    const bool lives = !answer && (!living_boards(options.directory).empty() || stranger_in(options.directory));
    if (lives && is_silent(answer)) answer = ask_first(doors, wire::Query{}, options.living_limit);  // it is slow, not gone
    if (!answer && !is_silent(answer)) return fail(answer.error());
    if (!answer)
        return Whereabouts{
            {},
            fmt::format("the local cluster in {} does not answer within {:.1f} s and counts as none",
                        options.directory.string(),
                        std::chrono::duration<double>(lives ? options.local_limit + options.living_limit : options.local_limit).count())};
    std::stable_partition(doors.begin(), doors.end(), [&](const auto& door) { return door == answer->door; });
    return Whereabouts{std::move(doors), ""};
}

}  // namespace fard
